//! Helpers that the tests of several crates share: forked children, and an HTTP server with scripted responses.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

mod forked;
mod http_server;

pub use forked::{ended_well, forked};
pub use http_server::{Reply, Request, Server};
