//! What sinks are given: records of the store, in the order of their sequence numbers.

use soundpost_core::LogEvent;

use super::acknowledgement::{Acknowledgement, Rejected};
use super::call_row::CallRow;
use super::numbers::Counts;
use super::vitals::VitalsSample;

/// A record of the store.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A call that ended.
    Call(CallRow),
    /// A log event.
    Event(EventRow),
    /// What was sampled at one moment.
    Vitals(Moment),
}

impl Record {
    /// Its place among all that was stored, from 1, without gaps.
    pub fn sequence(&self) -> u64 {
        match self {
            Self::Call(call) => call.sequence,
            Self::Event(event) => event.sequence,
            Self::Vitals(moment) => moment.sequence,
        }
    }
}

/// A log event as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    /// Its place among all that was stored.
    pub sequence: u64,
    /// The event; the store does not keep its segment, which is 0 here.
    pub event: LogEvent,
}

/// What was sampled at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// Its place among all that was stored.
    pub sequence: u64,
    /// When, since 1970, nanoseconds.
    pub unix_nanos: u64,
    /// The samples, one for each thing; none where retention has removed them: such a moment is
    /// [dropped](Acknowledgement::dropped).
    pub samples: Vec<VitalsSample>,
}

/// Which kinds of records a sink is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordKinds {
    /// Calls that ended.
    pub calls: bool,
    /// Log events.
    pub events: bool,
    /// Samples of host, processes and GPUs.
    pub vitals: bool,
}

impl RecordKinds {
    /// What is logged: calls and log events.
    pub const LOGS: Self = Self { calls: true, events: true, vitals: false };
    /// What is measured: calls and vitals.
    pub const POINTS: Self = Self { calls: true, events: false, vitals: true };
    /// All there is.
    pub const ALL: Self = Self { calls: true, events: true, vitals: true };

    /// Of calls, events and vitals, whether they are wanted.
    pub(super) fn each(self) -> [bool; 3] {
        [self.calls, self.events, self.vitals]
    }

    /// As a number: 1 for calls, 2 for events, 4 for vitals.
    pub(super) fn bits(self) -> u64 {
        u64::from(self.calls) | u64::from(self.events) << 1 | u64::from(self.vitals) << 2
    }

    pub(super) fn from_bits(bits: u64) -> Self {
        Self { calls: bits & 1 != 0, events: bits & 2 != 0, vitals: bits & 4 != 0 }
    }
}

/// Records that follow each other in the store, as far as they are of the kinds that were asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stretch {
    /// The sequence number after which it begins.
    pub after: u64,
    /// The records.
    pub records: Vec<Record>,
    /// The last sequence number that was looked at.
    pub through: u64,
    /// How many records of these kinds were ever stored up to there.
    pub(super) passed: u64,
    /// Whether more records follow that did not fit.
    pub more: bool,
}

impl Stretch {
    /// Says that a sink is done with the first `count` records, and with what lies between them; with all of them
    /// it is done with the whole stretch. `delivered`, `rejected` and `dropped` add up to `count`.
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
        let passed = self.passed.saturating_sub(rest);
        Acknowledgement { after: self.after, through, passed, delivered, rejected, dropped }
    }

    /// What follows its first `count` records.
    #[must_use]
    pub fn skip(mut self, count: usize) -> Self {
        let mut done = self.records.drain(..count.min(self.records.len()));
        if let Some(last) = done.next_back() {
            self.after = last.sequence();
        }
        drop(done);
        self
    }
}

/// How many records of each kind there were up to some sequence number.
impl Counts {
    /// Those of these kinds.
    pub(super) fn of(&self, kinds: RecordKinds) -> u64 {
        self.0.iter().zip(kinds.each()).filter(|(_, wanted)| *wanted).map(|(count, _)| count).sum()
    }
}
