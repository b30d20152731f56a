//! Access to a service's metrics, store and state from any process.

#[cfg(feature = "sinks")]
mod erase;
#[cfg(feature = "gpu")]
mod gpus;
mod service;
pub mod snapshot;
#[cfg(feature = "store")]
pub mod store;

#[cfg(feature = "sinks")]
pub use erase::ErasedRecords;
#[cfg(feature = "gpu")]
pub use gpus::{Gpu, VisibleGpus, gpus};
pub use service::Service;
