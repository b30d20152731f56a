//! The series of a history, as append-only records of name and labels.

use crate::segment::{Directory, Layout, Payload, Record, RecordKind};
use crate::sync::AtomicU64;

/// Id of a series in one history: the position of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub(super) u16);

/// A sampled series: a metric name without the service's prefix, and labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// `gpu_memory_used_bytes`
    pub name: String,
    /// Names and values in the order of the quantity; labels that do not apply are omitted.
    pub labels: Vec<(String, String)>,
}

impl Series {
    /// Returns the value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }

    fn encode(&self) -> Payload {
        let payload = Payload::default().text(&self.name).word(self.labels.len() as u64);
        self.labels.iter().fold(payload, |payload, (name, value)| payload.pair(name, value))
    }

    fn decode(record: &Record) -> Option<Self> {
        let mut reader = (record.kind == RecordKind::Series).then(|| record.payload.reader())?;
        let name = reader.text()?;
        let count = reader.count()?;
        let labels = (0..count).map(|_| reader.pair()).collect::<Option<_>>()?;
        Some(Self { name, labels })
    }
}

pub(super) struct SeriesTable<'a> {
    directory: Directory<'a>,
}

impl<'a> SeriesTable<'a> {
    pub(super) fn new(words: &'a [AtomicU64]) -> Self {
        let layout = Layout { directory: 0, directory_words: words.len(), ..Layout::of_bytes(0) };
        Self { directory: Directory::new(words, &layout) }
    }

    /// Adds a series at the first free place from `from` on; `None` when the table is full.
    pub(super) fn add(&self, from: u32, series: &Series) -> Option<SeriesId> {
        let at = self.directory.append(from, RecordKind::Series, &series.encode())?;
        u16::try_from(at).ok().map(SeriesId)
    }

    /// Reads the series from a position on. Returns the position to resume at: the end, or a record that is
    /// being written.
    pub(super) fn read(&self, from: u32) -> (Vec<(SeriesId, Series)>, u32) {
        let mut scan = self.directory.read(from);
        let series =
            |record: Record| Some((SeriesId(u16::try_from(record.at).ok()?), Series::decode(&record)?));
        let found = scan.by_ref().filter_map(series).collect();
        let end = scan.position();
        (found, scan.unfinished().first().copied().unwrap_or(end))
    }
}
