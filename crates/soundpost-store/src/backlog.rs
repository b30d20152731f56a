//! What waits in memory while the store cannot be written.

use std::collections::VecDeque;

use soundpost_core::FinishedCall;

use super::batch::{Batch, DeathKey, RingEvent};
use super::vitals::VitalsSample;
use super::{call_row, event_row};

/// Bytes that may wait, by default.
const BYTES: usize = 16 << 20;

/// Most rows of a kind in one batch, so that a write after a long wait is not long.
const ROWS: usize = 4096;

/// Rows and cursors that are not stored yet, within a bound of memory. When it is reached, the oldest row of
/// the kind that takes most goes, and is counted.
#[derive(Debug)]
pub struct Backlog {
    records: Queue<RingEvent>,
    died: Queue<(DeathKey, FinishedCall)>,
    vitals: Queue<VitalsSample>,
    /// Valid once all rows above are stored.
    cursors: Vec<(u64, u64)>,
    limit: usize,
    dropped: Dropped,
}

/// Rows that did not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Calls, finished or died, and log events.
    pub records: u64,
    /// Samples.
    pub vitals: u64,
}

impl Default for Backlog {
    /// With room for 16 MiB.
    fn default() -> Self {
        Self::new(BYTES)
    }
}

impl Backlog {
    /// With room for so many bytes.
    pub fn new(limit: usize) -> Self {
        let cursors = Vec::new();
        let (records, died, vitals) = (Queue::default(), Queue::default(), Queue::default());
        Self { records, died, vitals, cursors, limit, dropped: Dropped::default() }
    }

    /// Adds a finished call or a log event.
    pub fn record(&mut self, record: RingEvent) {
        let weight = match &record {
            RingEvent::Call(call) => call_row::weight(call),
            RingEvent::Log(event) => event_row::weight(event),
        };
        self.records.push(weight, record);
        self.shrink();
    }

    /// Adds a call whose process died.
    pub fn died(&mut self, key: DeathKey, call: FinishedCall) {
        self.died.push(call_row::weight(&call), (key, call));
        self.shrink();
    }

    /// Adds a sample.
    pub fn vitals(&mut self, sample: VitalsSample) {
        self.vitals.push(sample.weight(), sample);
        self.shrink();
    }

    /// Says that all of a segment's ring up to a position was added.
    pub fn cursor(&mut self, segment: u64, position: u64) {
        match self.cursors.iter_mut().find(|(known, _)| *known == segment) {
            Some((_, known)) => *known = position,
            None => self.cursors.push((segment, position)),
        }
    }

    /// What to write next, oldest first. The cursors are in the last batch, after which nothing waits.
    pub fn batch(&mut self) -> Batch<'_> {
        let whole = self.records.len() <= ROWS && self.died.len() <= ROWS && self.vitals.len() <= ROWS;
        Batch {
            records: self.records.first(),
            died: self.died.first(),
            vitals: self.vitals.first(),
            cursors: if whole { &self.cursors } else { &[] },
        }
    }

    /// Forgets what [`Backlog::batch`] gave, because it is stored.
    pub fn stored(&mut self) {
        let whole = self.records.len() <= ROWS && self.died.len() <= ROWS && self.vitals.len() <= ROWS;
        if whole {
            self.cursors.clear();
        }
        self.records.forget_first();
        self.died.forget_first();
        self.vitals.forget_first();
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.records.len() + self.died.len() + self.vitals.len() + self.cursors.len() == 0
    }

    /// Bytes that wait, about.
    pub fn bytes(&self) -> usize {
        self.records.bytes + self.died.bytes + self.vitals.bytes
    }

    /// Rows that did not fit since this was last asked.
    pub fn take_dropped(&mut self) -> Dropped {
        std::mem::take(&mut self.dropped)
    }

    fn shrink(&mut self) {
        while self.bytes() > self.limit {
            let most = self.bytes().div_ceil(3);
            if self.vitals.bytes >= most {
                self.vitals.pop();
                self.dropped.vitals += 1;
            } else if self.records.bytes >= most {
                self.records.pop();
                self.dropped.records += 1;
            } else {
                self.died.pop();
                self.dropped.records += 1;
            }
        }
    }
}

/// Rows of one kind with the bytes each takes.
#[derive(Debug)]
struct Queue<T> {
    rows: VecDeque<T>,
    weights: VecDeque<usize>,
    bytes: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { rows: VecDeque::new(), weights: VecDeque::new(), bytes: 0 }
    }
}

impl<T> Queue<T> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn push(&mut self, weight: usize, row: T) {
        self.rows.push_back(row);
        self.weights.push_back(weight);
        self.bytes += weight;
    }

    fn pop(&mut self) {
        self.rows.pop_front();
        self.bytes -= self.weights.pop_front().unwrap_or(0);
    }

    fn first(&mut self) -> &[T] {
        let rows = self.rows.make_contiguous();
        &rows[..rows.len().min(ROWS)]
    }

    fn forget_first(&mut self) {
        let count = self.len().min(ROWS);
        self.rows.drain(..count);
        self.bytes -= self.weights.drain(..count).sum::<usize>();
        if self.rows.is_empty() && self.rows.capacity() > ROWS {
            *self = Self::default();
        }
    }
}
