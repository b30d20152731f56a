//! Samplers of Soundpost: host, processes of the service, GPUs.
//!
//! A [`Source`] reads one subject and does not depend on clocks or metrics; the sampler calls it and
//! publishes its readings. An unreadable value is absent, never 0.

// Denied, not forbidden: `gpu/raw.rs` calls C functions of NVML.
#![deny(unsafe_code)]

mod fast_sampler;
#[cfg(feature = "gpu")]
mod gpu;
mod gpu_selection;
#[cfg(feature = "host")]
mod host;
mod publisher;
mod reading;
mod sampler;
mod schedule;
mod source;

pub use fast_sampler::FastSampling;
#[cfg(feature = "gpu")]
pub use gpu::Gpus;
pub use gpu_selection::{DeviceIdentity, GpuSelection, MigIdentity, SelectedDevice, Visible, select_devices};
#[cfg(feature = "host")]
pub use host::{Host, Places, Processes, oom_kills};
pub use reading::{Quantity, Reading, Readings};
pub use sampler::{Listener, Sampler, Sampling};
pub use schedule::{Interval, Schedule};
pub use source::{FastSource, Problem, Source};

/// All quantities of this crate's sources, for the reference.
pub fn quantities() -> impl Iterator<Item = &'static Quantity> {
    let none = std::iter::empty::<&[&'static Quantity]>();
    let all = none.chain([
        #[cfg(feature = "host")]
        &host::quantity::ALL[..],
        #[cfg(feature = "gpu")]
        &gpu::quantity::ALL[..],
    ]);
    all.flatten().copied()
}
