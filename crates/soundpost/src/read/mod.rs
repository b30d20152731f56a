//! Access to a service's metrics, store and state from any process.

mod service;
pub mod snapshot;
pub mod store;

pub use service::{Gpu, Service, gpus};
