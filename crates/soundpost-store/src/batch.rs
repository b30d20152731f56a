//! What is written at once.

use soundpost_core::FinishedCall;
pub use soundpost_core::snapshot::{DeathKey, RingEvent};

use super::vitals::VitalsSample;

/// What is stored in one transaction: all of it or nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch<'a> {
    /// Calls that finished and log events, in the order in which sinks are to get them.
    pub records: &'a [RingEvent],
    /// Calls whose process died; one that is stored already is left out.
    pub died: &'a [(DeathKey, FinishedCall)],
    /// Samples of host, processes and GPUs.
    pub vitals: &'a [VitalsSample],
    /// Of each segment, the position in its ring up to which everything is in this batch or was in an
    /// earlier one.
    pub cursors: &'a [(u64, u64)],
}

impl Batch<'_> {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.died.is_empty() && self.vitals.is_empty() && self.cursors.is_empty()
    }
}
