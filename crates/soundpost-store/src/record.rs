//! Records of the store, and batches of them for sinks.

use std::sync::Arc;

use soundpost_core::{FieldValue, FinishedCall, LogEvent, RecordOrigin, StageTime};

use crate::cursor::{Acknowledgement, Rejected};
use crate::vitals::VitalsSample;

/// Minimum memory of a record of vitals, bytes.
const ROW_BYTES: usize = 128;

/// A record of the store.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A call that ended.
    Call(CallRow),
    /// A log event.
    Event(EventRow),
    /// The samples of one time.
    Vitals(VitalsRow),
}

impl Record {
    /// Returns the sequence number: from 1, without gaps over all records.
    pub fn sequence(&self) -> u64 {
        match self {
            Self::Call(row) => row.sequence,
            Self::Event(row) => row.sequence,
            Self::Vitals(row) => row.sequence,
        }
    }

    /// Estimates the memory of the record, bytes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Call(row) => call_weight(&row.call),
            Self::Event(row) => event_weight(&row.event),
            Self::Vitals(row) => ROW_BYTES + row.samples.iter().map(VitalsSample::weight).sum::<usize>(),
        }
    }
}

/// A stored call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallRow {
    /// Sequence number.
    pub sequence: u64,
    /// The call. The store does not keep its segment, which is 0, and its monotonic times: it starts at 0.
    pub call: FinishedCall,
}

/// A stored log event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventRow {
    /// Sequence number.
    pub sequence: u64,
    /// The event. The store does not keep its segment, which is 0.
    pub event: LogEvent,
}

/// Stored vitals of one time.
#[derive(Clone, Debug, PartialEq)]
pub struct VitalsRow {
    /// Sequence number.
    pub sequence: u64,
    /// Time, nanoseconds since 1970.
    pub unix_nanos: u64,
    /// Version and instance of the service; `None` in a store of an older build.
    pub origin: Option<Arc<RecordOrigin>>,
    /// Samples, one for each entity. Without samples, which retention removed, the record is
    /// [dropped](Acknowledgement::dropped).
    pub samples: Vec<VitalsSample>,
}

/// Consecutive records of the store, of the requested kinds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordBatch {
    /// Sequence number before the batch.
    pub after: u64,
    /// The records.
    pub records: Vec<Record>,
    /// Last sequence number that was read.
    pub through: u64,
    /// Records of these kinds ever stored up to there.
    pub(crate) passed: u64,
    /// Maximum number of records between `after` and `through` that are damaged, and left out.
    pub damaged: u64,
    /// Sequence numbers of erased records between `after` and `through`, which are left out.
    pub erased: Vec<u64>,
    /// Whether more records follow.
    pub more: bool,
}

impl RecordBatch {
    /// Returns the acknowledgement of the first `count` records, or of the whole batch for all of them. `delivered`,
    /// `rejected` and `dropped` add up to `count`.
    pub fn acknowledgement(
        &self,
        count: usize,
        delivered: u64,
        rejected: Rejected,
        dropped: u64,
    ) -> Acknowledgement {
        let rest = self.records.len().saturating_sub(count) as u64;
        let last = count.checked_sub(1).and_then(|last| self.records.get(last));
        let through = match last {
            _ if rest == 0 => self.through,
            Some(record) => record.sequence(),
            None => self.after,
        };
        // Damaged records are passed with the first ones, because their places are unknown.
        let damaged = if last.is_some() || rest == 0 { self.damaged } else { 0 };
        let erased = self.erased.iter().filter(|sequence| **sequence <= through).count() as u64;
        let later = rest + self.damaged - damaged + self.erased.len() as u64 - erased;
        let passed = self.passed.saturating_sub(later);
        Acknowledgement { after: self.after, through, passed, delivered, rejected, dropped, damaged, erased }
    }

    /// Returns the batch after its first `count` records.
    #[must_use]
    pub fn skip(mut self, count: usize) -> Self {
        let mut done = self.records.drain(..count.min(self.records.len()));
        if let Some(last) = done.next_back() {
            (self.after, self.damaged) = (last.sequence(), 0);
        }
        drop(done);
        self.erased.retain(|sequence| *sequence > self.after);
        self
    }
}

/// Estimates the memory of a call, bytes.
pub(crate) fn call_weight(call: &FinishedCall) -> usize {
    let label = |(name, value): &(String, String)| size_of::<(String, String)>() + name.len() + value.len();
    let stage = |stage: &StageTime| size_of_val(stage) + stage.name.len();
    size_of::<FinishedCall>()
        + call.request_id.len()
        + call.operation.len()
        + call.labels.iter().map(label).sum::<usize>()
        + call.stages.iter().map(stage).sum::<usize>()
        + fields_weight(&call.fields)
}

/// Estimates the memory of a log event, bytes.
pub(crate) fn event_weight(event: &LogEvent) -> usize {
    let texts =
        [&event.message, &event.logger, &event.file, &event.thread, &event.request_id, &event.operation];
    let texts = texts.iter().map(|text| text.len()).sum::<usize>();
    size_of::<LogEvent>() + texts + fields_weight(&event.fields)
}

fn fields_weight(fields: &[(String, FieldValue)]) -> usize {
    let weight = |(name, value): &(String, FieldValue)| {
        let text = if let FieldValue::Text(text) = value { text.len() } else { 0 };
        size_of::<(String, FieldValue)>() + name.len() + text
    };
    fields.iter().map(weight).sum()
}
