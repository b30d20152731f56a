//! Reading a service: its metrics, its store, and its state as another process sees it.

mod service;
pub mod snapshot;
pub mod store;

pub use service::{Gpu, Service, gpus};
