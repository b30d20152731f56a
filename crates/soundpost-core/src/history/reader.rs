//! Reading a history, with or without a running writer.

use std::collections::HashMap;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::memory::HistoryMemory;
use super::ring::RawSample;
use super::table::{Series, SeriesId};
use crate::segment::ServiceDir;

/// A sample of one source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Time by the monotonic clock, nanoseconds.
    pub at: u64,
    /// Time since the Unix epoch, nanoseconds.
    pub unix: u64,
    /// Series and values; `None` where the series ends. Series that a sample omits keep their value.
    pub values: Vec<(SeriesId, Option<f64>)>,
}

/// Reads the history of a service.
pub struct HistoryReader {
    memory: Arc<HistoryMemory>,
    series: HashMap<SeriesId, Series>,
    /// Position after the last known series.
    seen: u32,
}

impl HistoryReader {
    /// Opens the history of a service, with or without a running writer.
    ///
    /// # Errors
    /// When no history of this boot and version exists.
    pub fn open(dir: &ServiceDir) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for path in dir.history_files() {
            match HistoryMemory::read(&path) {
                Ok(memory) => return Ok(Self::over(Arc::new(memory))),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(super) fn over(memory: Arc<HistoryMemory>) -> Self {
        let mut reader = Self { memory, series: HashMap::new(), seen: 0 };
        reader.refresh();
        reader
    }

    /// Reports whether no sample will be added: the writer is gone, or another file replaced this one. Then
    /// the caller opens the history again.
    pub fn is_over(&self) -> bool {
        self.memory.is_over()
    }

    /// Returns the age beyond which a sample is no longer of now, nanoseconds.
    pub fn max_age(&self) -> u64 {
        match self.memory.max_age() {
            0 => DEFAULT_MAX_AGE,
            age => age,
        }
    }

    /// Reads series that were added.
    pub fn refresh(&mut self) {
        let (new, seen) = self.memory.table().read(self.seen);
        self.series.extend(new);
        self.seen = seen;
    }

    /// Returns all series of the table.
    pub fn series(&self) -> impl Iterator<Item = (SeriesId, &Series)> {
        self.series.iter().map(|(id, series)| (*id, series))
    }

    /// Returns a series by its id; a series that was just added needs a [`HistoryReader::refresh`].
    pub fn get(&self, id: SeriesId) -> Option<&Series> {
        self.series.get(&id)
    }

    /// Returns the samples in a span of monotonic time, oldest first.
    pub fn samples(&mut self, span: RangeInclusive<u64>) -> Vec<Sample> {
        let mut samples = Vec::new();
        self.back(|sample| {
            if span.contains(&sample.at) {
                samples.push(sample.clone());
            }
            // Threads sample in parallel, so a sample may be some milliseconds out of order.
            sample.at.saturating_add(SLACK) >= *span.start()
        });
        samples.sort_by_key(|sample| sample.at);
        samples
    }

    /// Returns the last value of each series at a moment, if it is no older than `age`.
    pub fn as_of(&mut self, at: u64, age: u64) -> HashMap<SeriesId, f64> {
        let mut values = HashMap::new();
        for sample in self.samples(at.saturating_sub(age)..=at) {
            for (id, value) in sample.values {
                match value {
                    Some(value) => values.insert(id, value),
                    None => values.remove(&id),
                };
            }
        }
        values
    }

    /// Visits samples from the newest on, until `visit` returns false.
    pub fn back(&mut self, mut visit: impl FnMut(&Sample) -> bool) {
        self.refresh();
        let mut sample = Sample::default();
        self.memory.ring().back(|raw: &RawSample| {
            (sample.at, sample.unix) = (raw.at, raw.unix);
            sample.values.clear();
            sample.values.extend(raw.values.iter().map(|(id, value)| (SeriesId(*id), *value)));
            visit(&sample)
        });
    }
}

/// Maximum age of a sample where the writer states none, nanoseconds: twice the longest interval, and some.
const DEFAULT_MAX_AGE: u64 = 130_000_000_000;
/// Maximum disorder of samples, nanoseconds.
const SLACK: u64 = 1_000_000_000;

impl std::fmt::Debug for HistoryReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistoryReader").field("series", &self.series.len()).finish_non_exhaustive()
    }
}
