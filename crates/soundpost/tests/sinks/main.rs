//! Sinks of a running service: what is recorded arrives, whatever happens, or is counted.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod conservation;
mod forks;
mod life;
#[path = "../common/outage.rs"]
mod outage;
mod refusals;
mod secrets;
mod state;
mod problems;
mod unanswered;
