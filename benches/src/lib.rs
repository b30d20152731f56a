//! Shared parts of the benchmarks: a service with its own directory, and the common load.

mod calls;
mod cpu;
mod metric;
mod service;

pub use calls::{CHUNK, drained, fields, mixed, request_id, stages, whole_call};
pub use cpu::threads_cpu;
pub use metric::{BOUNDS, METADATA, fill, key};
pub use service::Service;
