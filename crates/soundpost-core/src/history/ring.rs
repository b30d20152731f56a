//! The ring of samples, with one writer and any number of readers. A reader rejects a record that the writer
//! has overwritten meanwhile.
//!
//! A position counts words from the first sample and never repeats; its remainder by the ring's length is the
//! place. The writer first moves the begin past the oldest records, then overwrites them, then moves the end.
//! Killed at any step it loses no record between begin and end. Each record holds its position, its length,
//! the length of its predecessor, and a checksum, so damage is limited to the damaged record.

use crate::segment::checksum;
use crate::sync::{AtomicU64, Ordering, fence};

const MARK: u64 = 0xA5C7;
/// Words of a record before its values.
const PREFIX: usize = 5;
/// Maximum number of values of a record.
pub(super) const MOST_VALUES: usize = 4096;
/// Bits of an absent value: a NaN that arithmetic never produces.
const ABSENT: u64 = 0x7FF8_A05E_A05E_A05E;
/// Positions of the cursors.
const END: usize = 0;
const BEGIN: usize = 1;
/// Bits for the length of the last record in the end cursor.
const LENGTH_BITS: u32 = 16;

/// A decoded sample, reused between reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RawSample {
    pub(super) at: u64,
    pub(super) unix: u64,
    /// Series and values; `None` where the series ends.
    pub(super) values: Vec<(u16, Option<f64>)>,
    words: Vec<u64>,
}

#[derive(Clone, Copy)]
pub(super) struct SampleRing<'a> {
    cursors: &'a [AtomicU64],
    words: &'a [AtomicU64],
}

/// Begin and end of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    begin: u64,
    end: u64,
    /// Length of the last record; 0 without records.
    last: u64,
}

impl<'a> SampleRing<'a> {
    pub(super) fn new(cursors: &'a [AtomicU64], words: &'a [AtomicU64]) -> Self {
        Self { cursors, words }
    }

    /// Appends a sample; only one thread may at a time. Values beyond [`MOST_VALUES`] are dropped.
    pub(super) fn append(&self, at: u64, unix: u64, values: &[(u16, Option<f64>)]) {
        let values = &values[..values.len().min(MOST_VALUES)];
        let mut words = vec![0; PREFIX];
        words.extend(values.chunks(4).map(|ids| {
            ids.iter().enumerate().fold(0, |word, (place, (id, _))| word | u64::from(*id) << (16 * place))
        }));
        words.extend(values.iter().map(|(_, value)| value.map_or(ABSENT, f64::to_bits)));
        let length = words.len() as u64;
        if length > self.words.len() as u64 / 2 {
            return;
        }
        let extent = self.extent();
        words[0] = MARK << 48 | length << 32 | extent.last << 16 | values.len() as u64;
        words[1] = extent.end;
        words[2] = at;
        words[3] = unix;
        words[4] = record_checksum(&words);
        let begin = self.begin_for(&extent, extent.end + length);
        self.cursors[BEGIN].store(begin, Ordering::Release);
        // A reader that sees a word of this record also sees the new begin.
        fence(Ordering::Release);
        for (offset, word) in words.iter().enumerate() {
            self.word(extent.end + offset as u64).store(*word, Ordering::Relaxed);
        }
        self.cursors[END].store((extent.end + length) << LENGTH_BITS | length, Ordering::Release);
    }

    /// Visits samples from the newest to the oldest, until `visit` returns false.
    pub(super) fn back(&self, mut visit: impl FnMut(&RawSample) -> bool) {
        let extent = self.extent();
        let (mut at, mut length) = (extent.end, extent.last);
        let mut raw = RawSample::default();
        while length > 0 && at >= extent.begin + length {
            at -= length;
            match self.read(at, &mut raw) {
                Some(previous) if !visit(&raw) || previous == 0 => return,
                Some(previous) => length = previous,
                None if self.is_gone(at) => return,
                None => break,
            }
        }
        // Records before a damaged one are only reachable from the front.
        let mut before = Vec::new();
        self.forward(&Extent { end: at, ..extent }, |place, _| before.push(place));
        for place in before.into_iter().rev() {
            if self.read(place, &mut raw).is_some() && !visit(&raw) {
                return;
            }
        }
    }

    /// Visits valid records in order, with position and length.
    fn forward(&self, extent: &Extent, mut visit: impl FnMut(u64, u64)) {
        let mut raw = RawSample::default();
        let mut at = extent.begin;
        while at < extent.end {
            if self.read(at, &mut raw).is_some() {
                visit(at, raw.words.len() as u64);
                at += raw.words.len() as u64;
            } else {
                at += 1;
            }
        }
    }

    /// Reads the record at a position. Returns the length of its predecessor; `None` without a valid record.
    fn read(&self, at: u64, into: &mut RawSample) -> Option<u64> {
        let head = self.word(at).load(Ordering::Acquire);
        let (length, count) = ((head >> 32 & 0xFFFF) as usize, (head & 0xFFFF) as usize);
        let shape = count <= MOST_VALUES && length == PREFIX + count.div_ceil(4) + count;
        if head >> 48 != MARK || !shape || length > self.words.len() {
            return None;
        }
        into.words.clear();
        into.words.extend((0..length).map(|offset| self.word(at + offset as u64).load(Ordering::Relaxed)));
        fence(Ordering::Acquire);
        if self.is_gone(at) || into.words[1] != at || into.words[4] != record_checksum(&into.words) {
            return None;
        }
        (into.at, into.unix) = (into.words[2], into.words[3]);
        let (ids, values) = into.words[PREFIX..].split_at(count.div_ceil(4));
        let values = values.iter().enumerate().map(|(place, bits)| {
            let id = (ids[place / 4] >> (16 * (place % 4))) as u16;
            (id, (*bits != ABSENT).then(|| f64::from_bits(*bits)))
        });
        into.values.clear();
        into.values.extend(values);
        Some(into.words[0] >> 16 & 0xFFFF)
    }

    /// Reports whether the writer has overwritten a position. A begin far behind the end is damage.
    fn is_gone(&self, at: u64) -> bool {
        let begin = self.cursors[BEGIN].load(Ordering::Relaxed);
        let end = self.cursors[END].load(Ordering::Relaxed) >> LENGTH_BITS;
        begin > at && begin <= end.saturating_add(self.words.len() as u64)
    }

    /// Returns begin and end from the cursors, or by a search where the cursors are damaged.
    fn extent(&self) -> Extent {
        // Read the begin first: an outdated begin is harmless, because overwritten records are detected.
        let begin = self.cursors[BEGIN].load(Ordering::Acquire);
        let end = self.cursors[END].load(Ordering::Acquire);
        let extent = Extent { begin, end: end >> LENGTH_BITS, last: end & 0xFFFF };
        let begin = extent.end.saturating_sub(self.words.len() as u64).max(begin);
        let empty = extent.end == 0 && extent.last == 0 && begin == 0;
        let last = extent.end.checked_sub(extent.last).filter(|at| *at >= begin && extent.last > 0);
        let sound = last.is_some_and(|at| {
            let head = self.word(at).load(Ordering::Relaxed);
            head >> 48 == MARK
                && head >> 32 & 0xFFFF == extent.last
                && self.word(at + 1).load(Ordering::Relaxed) == at
        });
        if empty || sound { Extent { begin, ..extent } } else { self.found() }
    }

    /// Finds the records by a search.
    fn found(&self) -> Extent {
        let mut extent = Extent { begin: 0, end: 0, last: 0 };
        let mut raw = RawSample::default();
        for index in 0..self.words.len() as u64 {
            let position = self.word(index + 1).load(Ordering::Relaxed);
            let here = position % self.words.len() as u64 == index;
            if here && self.word(index).load(Ordering::Relaxed) >> 48 == MARK {
                let sound = self.read(position, &mut raw).is_some();
                let end = position.saturating_add(raw.words.len() as u64);
                if sound && end > extent.end {
                    extent = Extent { begin: 0, end, last: raw.words.len() as u64 };
                }
            }
        }
        extent.begin = extent.end.saturating_sub(self.words.len() as u64);
        extent
    }

    /// Returns the position of the oldest record that remains when the ring ends at `end`.
    fn begin_for(&self, extent: &Extent, end: u64) -> u64 {
        let least = end.saturating_sub(self.words.len() as u64);
        let mut begin = extent.begin;
        while begin < least {
            let head = self.word(begin).load(Ordering::Relaxed);
            let known = head >> 48 == MARK && self.word(begin + 1).load(Ordering::Relaxed) == begin;
            begin += if known { (head >> 32 & 0xFFFF).max(1) } else { 1 };
        }
        begin.min(extent.end)
    }

    fn word(&self, position: u64) -> &'a AtomicU64 {
        &self.words[(position % self.words.len() as u64) as usize]
    }
}

fn record_checksum(words: &[u64]) -> u64 {
    checksum(0, words[..PREFIX - 1].iter().chain(&words[PREFIX..]).copied())
}
