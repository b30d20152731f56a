//! GPUs through NVML: the service's devices, their state, and the processes that use their memory.
//!
//! `gpus` is the source; a `card` is one device with its constant properties; `reading` checks each value;
//! `raw` holds the calls without a safe function in the wrapper.

mod card;
mod fault;
mod gpus;
mod memory;
mod mig;
mod namespace;
mod process_utilization;
mod processes;
pub(crate) mod quantity;
#[expect(unsafe_code, reason = "C functions that nvml-wrapper does not wrap")]
mod raw;
mod reading;
mod retry;
mod started;

pub use gpus::Gpus;
