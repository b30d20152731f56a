//! The history of vitals: the samples of the last minutes, in a file beside the segments.
//!
//! Each service has one file, an array of atomic words: a header, an append-only table of series, and a ring
//! of samples that overwrites its oldest. The reporter writes it. Any process may map it, and it remains
//! readable after all processes died. Times are of the monotonic clock, which all processes of a host share;
//! a file of an earlier boot is rejected.

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
