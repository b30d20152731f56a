//! What the benchmarks share: a service of its own directory, and the load that every peer gets.

mod calls;
mod cpu;
mod metric;
mod service;

pub use calls::{CHUNK, drained, fields, mixed, request_id, stages, whole_call};
pub use cpu::threads_cpu;
pub use metric::{BOUNDS, METADATA, fill, key};
pub use service::Service;
