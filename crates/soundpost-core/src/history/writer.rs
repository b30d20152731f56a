//! Writing a history; the sampling threads of a reporter share one writer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::memory::{BYTES, HistoryMemory, TABLE_WORDS};
use super::reader::HistoryReader;
use super::ring::MOST_VALUES;
use super::table::Series;
use crate::clock;
use crate::segment::ServiceDir;
use crate::thread::lock;

/// Span that a history covers.
const SPAN: Duration = Duration::from_secs(15 * 60);
/// Estimated size of a sample, bytes: about 100 values.
const SAMPLE_BYTES: usize = 1024;
/// Estimated size of a fast sample, bytes: about 8 values.
const FAST_SAMPLE_BYTES: usize = 128;
/// File sizes are multiples of this, bytes.
const STEP: usize = 256 * 1024;

/// Returns the size of a history for 15 minutes of samples at these intervals: 1 to 8 MiB.
pub fn history_bytes(interval: Duration, fast: Option<Duration>) -> usize {
    let times = |interval: Duration| (SPAN.as_secs_f64() / interval.as_secs_f64().max(0.01)) as usize;
    let fast = fast.map_or(0, |fast| times(fast) * FAST_SAMPLE_BYTES);
    // Doubled for machines with several GPUs.
    let wanted = 2 * (times(interval) * SAMPLE_BYTES + fast);
    wanted.next_multiple_of(STEP).clamp(*BYTES.start(), *BYTES.end())
}

/// One value of a sample.
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    /// Name of the quantity, without the service's prefix.
    pub name: &'a str,
    /// Label names.
    pub label_names: &'a [&'a str],
    /// Label values, in the same order; empty where a label does not apply.
    pub label_values: &'a [String],
    /// `None` ends the series.
    pub value: Option<f64>,
}

/// Writes the history of a service. Only the elected process has a writer.
pub struct HistoryWriter {
    dir: Option<ServiceDir>,
    bytes: usize,
    fallback: Option<String>,
    state: Mutex<WriterState>,
}

struct WriterState {
    memory: Arc<HistoryMemory>,
    /// Series by a key of name and labels.
    series: HashMap<String, u16>,
    /// Position after the last series of the table.
    seen: u32,
    /// Buffers for the key and the values of a sample.
    key: String,
    values: Vec<(u16, Option<f64>)>,
}

impl HistoryWriter {
    /// Continues the existing history, or starts one of about `bytes`. Without a file it is in private
    /// memory, see [`HistoryWriter::fallback`].
    pub fn open(dir: &ServiceDir, bytes: usize) -> Self {
        let (memory, before, fallback) = match HistoryMemory::open(dir, bytes) {
            Ok((memory, before)) => (memory, before, None),
            Err(error) => (HistoryMemory::heap(bytes), None, Some(error.to_string())),
        };
        let dir = fallback.is_none().then(|| dir.clone());
        let writer = Self { dir, bytes, fallback, state: Mutex::new(WriterState::new(Arc::new(memory))) };
        if let Some(before) = before {
            before.set_replaced();
            lock(&writer.state).take_over(&before);
        }
        writer
    }

    /// Makes a history in private memory.
    pub fn in_memory(bytes: usize) -> Self {
        let state = Mutex::new(WriterState::new(Arc::new(HistoryMemory::heap(bytes))));
        Self { dir: None, bytes, fallback: None, state }
    }

    /// Returns the reason why there is no file.
    pub fn fallback(&self) -> Option<&str> {
        self.fallback.as_deref()
    }

    /// Appends a sample of now.
    pub fn append<'a>(&self, points: impl IntoIterator<Item = Point<'a>>) {
        self.append_at(clock::monotonic_nanos(), clock::unix_nanos(), points);
    }

    /// Appends a sample of the given time: monotonic and since the Unix epoch, nanoseconds.
    pub fn append_at<'a>(&self, at: u64, unix: u64, points: impl IntoIterator<Item = Point<'a>>) {
        let mut state = lock(&self.state);
        let mut values = std::mem::take(&mut state.values);
        values.clear();
        for point in points {
            if let Some(id) = state.id(&point).or_else(|| self.renewed(&mut state, &mut values, &point)) {
                values.push((id, point.value));
            }
        }
        for values in values.chunks(MOST_VALUES) {
            state.memory.ring().append(at, unix, values);
        }
        state.values = values;
    }

    /// Sets the age beyond which a sample is no longer of now: twice the interval between samples.
    pub fn set_max_age(&self, age: Duration) {
        lock(&self.state).memory.set_max_age(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Returns a reader of this history.
    pub fn reader(&self) -> HistoryReader {
        HistoryReader::over(lock(&self.state).memory.clone())
    }

    /// Replaces the history when its table is full; the new one takes over the samples of the ring.
    fn renewed(
        &self,
        state: &mut WriterState,
        values: &mut [(u16, Option<f64>)],
        point: &Point<'_>,
    ) -> Option<u16> {
        let full = state.memory.clone();
        let renewed = match &self.dir {
            Some(dir) => HistoryMemory::create(dir, self.bytes).ok()?,
            None => HistoryMemory::heap(self.bytes),
        };
        let mut new = WriterState::new(Arc::new(renewed));
        new.memory.set_max_age(full.max_age());
        new.take_over(&full);
        let (known, _) = full.table().read(0);
        let known: HashMap<u16, Series> = known.into_iter().map(|(id, series)| (id.0, series)).collect();
        for (id, _) in values {
            *id = known.get(id).and_then(|series| new.id_of(series))?;
        }
        full.set_replaced();
        *state = new;
        state.id(point)
    }
}

impl WriterState {
    fn new(memory: Arc<HistoryMemory>) -> Self {
        let mut state =
            Self { memory, series: HashMap::new(), seen: 0, key: String::new(), values: Vec::new() };
        let (known, seen) = state.memory.table().read(0);
        for (id, series) in known {
            let labels = series.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            write_key(&mut state.key, &series.name, labels);
            state.series.insert(state.key.clone(), id.0);
        }
        state.seen = seen;
        state
    }

    /// Returns the series of a point, and adds it if it is new; `None` when the table is full.
    fn id(&mut self, point: &Point<'_>) -> Option<u16> {
        let labels = || {
            let labels = point.label_names.iter().zip(point.label_values);
            labels.filter(|(_, value)| !value.is_empty()).map(|(name, value)| (*name, value.as_str()))
        };
        write_key(&mut self.key, point.name, labels());
        if let Some(id) = self.series.get(&self.key) {
            return Some(*id);
        }
        let labels = labels().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.add(&Series { name: point.name.to_owned(), labels })
    }

    fn id_of(&mut self, series: &Series) -> Option<u16> {
        let labels = series.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        write_key(&mut self.key, &series.name, labels);
        self.series.get(&self.key).copied().or_else(|| self.add(series))
    }

    /// Adds a series under the key in the buffer.
    fn add(&mut self, series: &Series) -> Option<u16> {
        let id = self.memory.table().add(self.seen, series)?;
        self.seen = id.0.into();
        self.series.insert(self.key.clone(), id.0);
        Some(id.0)
    }

    /// Copies the newest samples of another history, until their series fill half of the table.
    fn take_over(&mut self, before: &HistoryMemory) {
        let (series, _) = before.table().read(0);
        let series: HashMap<u16, Series> = series.into_iter().map(|(id, series)| (id.0, series)).collect();
        let mut samples = Vec::new();
        before.ring().back(|raw| {
            let mut values = raw.values.clone();
            values.retain_mut(|(id, _)| {
                let new = series.get(id).and_then(|series| self.id_of(series));
                new.is_some_and(|new| {
                    *id = new;
                    true
                })
            });
            samples.push((raw.at, raw.unix, values));
            (self.seen as usize) < TABLE_WORDS / 2
        });
        for (at, unix, values) in samples.into_iter().rev() {
            self.memory.ring().append(at, unix, &values);
        }
    }
}

/// Writes name and labels as one key.
fn write_key<'a>(key: &mut String, name: &str, labels: impl Iterator<Item = (&'a str, &'a str)>) {
    key.clear();
    key.push_str(name);
    for (name, value) in labels {
        key.extend(["\0", name, "\u{1}", value]);
    }
}

impl std::fmt::Debug for HistoryWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistoryWriter").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
