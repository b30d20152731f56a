//! GPUs through NVML: which belong to the service, how they do, who uses their memory.
//!
//! `gpus` is the source; a `card` is one device with what does not change about it; `reading` judges each
//! value; `raw` is all that the wrapper has no safe function for.

mod card;
mod fault;
mod gpus;
mod memory;
mod mig;
mod namespace;
mod processes;
pub(crate) mod quantity;
#[expect(unsafe_code, reason = "C functions that nvml-wrapper does not wrap")]
mod raw;
mod reading;
mod retry;
mod started;
mod visible;

pub use gpus::Gpus;
pub use visible::{DeviceIdentity, GpuSelection, MigIdentity, SelectedDevice, Visible, select_devices};
