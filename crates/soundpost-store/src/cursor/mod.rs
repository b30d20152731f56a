//! Sequence numbers of records, and the cursors of sinks over them.

mod acknowledgement;
mod kinds;
mod sequence;
mod sink;

pub use acknowledgement::{Acknowledgement, Rejected};
pub use kinds::RecordKinds;
pub(crate) use sequence::{CALLS, EVENTS, SAMPLES, Sequence, TABLES};
pub(crate) use sink::SinkRow;
pub use sink::{Dropped, SinkState};
