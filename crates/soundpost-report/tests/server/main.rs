//! The scrape server through its public door: real sockets on free ports of the loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod door;
mod limits;
mod routes;
mod tls;
