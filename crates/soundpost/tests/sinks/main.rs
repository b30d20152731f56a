//! Tests of the sinks of a running service: every record arrives or is counted.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod conservation;
mod files;
mod forks;
mod life;
#[path = "../common/outage.rs"]
mod outage;
mod problems;
mod refusals;
mod secrets;
mod state;
mod unanswered;
