//! What `/metrics` says of GPUs, for each thing that a driver may do, with the simulated one.
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
