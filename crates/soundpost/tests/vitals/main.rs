//! Tests of the GPU metrics in `/metrics` for each behaviour of the simulated driver.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)]
#[path = "../../../soundpost-vitals/tests/gpu/sim.rs"]
mod sim;

mod calls;
mod scripts;
mod worker;
mod workers;
