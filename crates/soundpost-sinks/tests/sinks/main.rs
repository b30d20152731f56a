//! Tests of sinks against test servers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod answers;
mod receiver;
mod settings;
mod shared;
mod tls;
