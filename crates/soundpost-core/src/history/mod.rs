//! The history of vitals: what was sampled in the last minutes, in a file beside the segments.
//!
//! One file a service, an array of atomic words as a segment is: a header, a table of series that only grows,
//! and a ring of samples that overwrites its oldest. The elected process writes it; everybody may map it, and
//! it can be read when everybody is dead. Times are of the monotonic clock, which is one for all processes of
//! a host; a file of an earlier boot is not read on.

mod gpu;
mod memory;
mod reader;
mod ring;
mod table;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod writer;

pub use gpu::{CallWindow, GPU_MEMORY, GPU_PROCESS_MEMORY, GPU_UTILIZATION, GPU_VISIBLE, GpuSamples, GpuUse};
pub use reader::{HistoryReader, Sample};
pub use table::{Series, SeriesId};
pub use writer::{HistoryWriter, Point, history_bytes};
