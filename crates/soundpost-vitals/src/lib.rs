//! Samplers of Soundpost: host, processes of the service, GPUs.
//!
//! A [`Source`] reads one thing and knows neither clock nor metric; the sampler asks it and writes what it
//! says. What cannot be read is absent, never 0.

// Denied, not forbidden: `gpu/raw.rs` calls C functions of NVML.
#![deny(unsafe_code)]

mod board;
mod glances;
mod gpu;
mod host;
mod reading;
mod sampler;
mod schedule;
mod source;

pub use glances::Glances;
pub use gpu::{DeviceIdentity, GpuSelection, Gpus, MigIdentity, SelectedDevice, Visible, select_devices};
pub use host::{Host, Processes};
pub use reading::{Quantity, Reading, Readings};
pub use sampler::{Listener, Sampler, Sampling};
pub use schedule::{Interval, Schedule};
pub use source::{Glance, Problem, Source};

/// Everything that the sources of this crate can read, for the reference.
pub fn quantities() -> impl Iterator<Item = &'static Quantity> {
    host::quantity::ALL.into_iter().chain(gpu::quantity::ALL)
}
