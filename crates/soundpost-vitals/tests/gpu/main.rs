//! GPUs through `nvml-wrapper` and a simulated driver library.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod devices;
mod environment;
mod failing;
mod migs;
mod process_lists;
mod sim;
mod values;
