//! Records that wait in memory while the store cannot be written.

use std::collections::VecDeque;

use soundpost_core::{FinishedCall, RecordOrigin};

use crate::batch::{Batch, DeathKey, RingEvent};
use crate::record::{call_weight, event_weight};
use crate::vitals::VitalsSample;

/// Default limit of memory, bytes.
const BYTES: usize = 16 << 20;
/// Maximum rows of a kind in one batch, which bounds the time of a write.
const ROWS: usize = 4096;

/// Rows and cursors that are not stored yet, within a limit of memory. At the limit, the oldest row of the largest kind is
/// evicted and counted.
#[derive(Debug)]
pub struct Backlog {
    records: Queue<RingEvent>,
    died: Queue<(DeathKey, FinishedCall)>,
    vitals: Queue<VitalsSample>,
    vitals_origin: Option<RecordOrigin>,
    /// Cursors that hold once all rows above are stored.
    cursors: Vec<(u64, u64)>,
    limit: usize,
    evicted: Evicted,
}

/// Rows evicted from the backlog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Calls, finished or died, and log events.
    pub records: u64,
    /// Samples.
    pub vitals: u64,
}

impl Default for Backlog {
    /// Creates a backlog of 16 MiB.
    fn default() -> Self {
        Self::new(BYTES)
    }
}

impl Backlog {
    /// Creates a backlog with a limit in bytes.
    pub fn new(limit: usize) -> Self {
        let cursors = Vec::new();
        let (records, died, vitals) = (Queue::default(), Queue::default(), Queue::default());
        let evicted = Evicted::default();
        Self { records, died, vitals, vitals_origin: None, cursors, limit, evicted }
    }

    /// Adds a finished call or a log event.
    pub fn record(&mut self, record: RingEvent) {
        let weight = match &record {
            RingEvent::Call(call) => call_weight(call),
            RingEvent::Log(event) => event_weight(event),
        };
        self.records.push(weight, record);
        self.shrink();
    }

    /// Adds a call whose process died.
    pub fn died(&mut self, key: DeathKey, call: FinishedCall) {
        self.died.push(call_weight(&call), (key, call));
        self.shrink();
    }

    /// Adds a sample.
    pub fn vitals(&mut self, sample: VitalsSample) {
        self.vitals.push(sample.weight(), sample);
        self.shrink();
    }

    /// Sets version and instance of the service for the samples.
    pub fn set_vitals_origin(&mut self, origin: RecordOrigin) {
        self.vitals_origin = Some(origin);
    }

    /// Adds the position up to which a segment's ring was added.
    pub fn cursor(&mut self, segment: u64, position: u64) {
        match self.cursors.iter_mut().find(|(known, _)| *known == segment) {
            Some((_, known)) => *known = position,
            None => self.cursors.push((segment, position)),
        }
    }

    /// Returns the next batch, oldest rows first. The last batch has the cursors.
    pub fn batch(&mut self) -> Batch<'_> {
        let is_last = self.fits_one_batch();
        Batch {
            records: self.records.first(),
            died: self.died.first(),
            vitals: self.vitals.first(),
            vitals_origin: self.vitals_origin.as_ref(),
            cursors: if is_last { &self.cursors } else { &[] },
        }
    }

    /// Removes the batch that [`Backlog::batch`] returned, after it was stored.
    pub fn stored(&mut self) {
        if self.fits_one_batch() {
            self.cursors.clear();
        }
        self.records.remove_first();
        self.died.remove_first();
        self.vitals.remove_first();
    }

    /// Returns whether no row and no cursor waits.
    pub fn is_empty(&self) -> bool {
        self.records.len() + self.died.len() + self.vitals.len() + self.cursors.len() == 0
    }

    /// Estimates the memory of the rows, bytes.
    pub fn bytes(&self) -> usize {
        self.records.bytes + self.died.bytes + self.vitals.bytes
    }

    /// Returns the rows evicted since the last call.
    pub fn take_evicted(&mut self) -> Evicted {
        std::mem::take(&mut self.evicted)
    }

    fn fits_one_batch(&self) -> bool {
        self.records.len() <= ROWS && self.died.len() <= ROWS && self.vitals.len() <= ROWS
    }

    fn shrink(&mut self) {
        while self.bytes() > self.limit {
            let most = self.bytes().div_ceil(3);
            if self.vitals.bytes >= most {
                self.vitals.pop();
                self.evicted.vitals += 1;
            } else if self.records.bytes >= most {
                self.records.pop();
                self.evicted.records += 1;
            } else {
                self.died.pop();
                self.evicted.records += 1;
            }
        }
    }
}

/// Rows of one kind with the memory of each.
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

    fn remove_first(&mut self) {
        let count = self.len().min(ROWS);
        self.rows.drain(..count);
        self.bytes -= self.weights.drain(..count).sum::<usize>();
        if self.rows.is_empty() && self.rows.capacity() > ROWS {
            *self = Self::default();
        }
    }
}
