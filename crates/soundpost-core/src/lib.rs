//! Core of Soundpost: recording, and reading what was recorded.
//!
//! Every process writes only to its *segment*, a memory-mapped file of counters, histograms, calls in flight and
//! events. Recording takes no lock, no system call and no allocation, and recorded data survives the process. A
//! [`Collector`](snapshot::Collector) merges all segments of a service into one plain [`Snapshot`](snapshot::Snapshot).
//!
//! Services depend on the crate `soundpost`, not on this one.

mod address_space;
mod call;
pub mod clock;
mod error;
mod failures;
mod field;
pub mod history;
#[cfg(feature = "tracing")]
mod layer;
mod loading;
mod log;
mod per_process;
mod registry;
pub mod regular_file;
mod segment;
mod shortage;
pub mod snapshot;
#[doc(hidden)]
pub mod step;
mod sync;
pub mod thread;
pub mod visible;

pub use call::{
    AudioLevels, Call, CallBuilder, CallFuture, CallHandle, Calls, Entered, FinishedCall, InFlightCall,
    InstrumentFuture, LabelSet, Operation, Outcome, RequestId, SILENCE_RATIO, ScopedFuture, Seconds, Stage,
    StageTime, Status, Unwound, current_call, enter,
};
pub use error::Error;
pub use failures::hide_in as hide_in_error;
pub use field::{FieldRef, FieldValue};
pub use history::GpuUse;
#[cfg(feature = "tracing")]
pub use layer::LogLayer;
pub use loading::{LoadPhase, Loading};
pub use log::{EventBuilder, Level, Log, LogEvent, LogFields};
pub use per_process::PerProcess;
pub use registry::{
    BYTES_BUCKETS, Counter, DEFAULT_SERIES_LIMIT, Diagnostics, Family, Gauge, Histogram, LATENCY_BUCKETS,
    Merge, MetricKind, MetricsRecorder, Notice, OVERFLOW, Options, PACE_BUCKETS, RATIO_BUCKETS, RecordOrigin,
    Registry, SHARE_BUCKETS, ServiceIdentity, Spec, Unit, host_name, sanitized,
};
pub use segment::{
    CloseInChild, DEFAULT_SEGMENT_BYTES, LOCKS_UNUSABLE, MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES, ProcessRole,
    REQUEST_ID_BYTES, ServiceDir, close_in_child, epoch, install_fork_hooks, memory_room, set_once, user_id,
};
pub use shortage::Shortage;
pub use soundpost_redact::{KnownTexts, is_text_name};
