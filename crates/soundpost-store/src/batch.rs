//! Batches that the writer stores in one transaction.

pub use soundpost_core::snapshot::{DeathKey, RingEvent};
use soundpost_core::{FinishedCall, RecordOrigin};

use crate::vitals::VitalsSample;

/// Records of one transaction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch<'a> {
    /// Finished calls and log events, in the order in which sinks receive them.
    pub records: &'a [RingEvent],
    /// Calls whose process died; those that are stored already are ignored.
    pub died: &'a [(DeathKey, FinishedCall)],
    /// Samples of host, processes and GPUs.
    pub vitals: &'a [VitalsSample],
    /// Version and instance of the service at the time of the samples.
    pub vitals_origin: Option<&'a RecordOrigin>,
    /// Segments, and the positions in their rings up to which records are in this batch or stored.
    pub cursors: &'a [(u64, u64)],
}

impl Batch<'_> {
    /// Returns whether the batch has no records and no cursors.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.died.is_empty() && self.vitals.is_empty() && self.cursors.is_empty()
    }
}
