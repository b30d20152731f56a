//! Helpers that the tests of several crates share: forked children, an HTTP server with scripted responses,
//! directories without record locks.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

mod forked;
mod http_server;
mod lockless;

pub use forked::{ended_well, forked};
pub use http_server::{Reply, Request, Server};
pub use lockless::remove_record_locks;
