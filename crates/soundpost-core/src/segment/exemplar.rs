//! Exemplars: for each bucket the latest observation with its request id.
//!
//! A place has a sequence word and a record. A writer makes the sequence odd, writes, and makes it even; a
//! second writer that finds it odd gives up. A reader accepts a record only between two equal even sequences.
//! A writer killed in between leaves its bucket without an exemplar.

use super::layout::{EXEMPLAR_WORDS, Layout};
use crate::sync::{AtomicU64, Ordering, fence};

/// Maximum length of a request id, bytes.
pub const REQUEST_ID_BYTES: usize = 64;
/// Minimum time between two exemplars of a bucket, nanoseconds.
const INTERVAL_NANOS: u64 = 500_000_000;
const SEQUENCE: usize = 0;
const WRITTEN: usize = 1;
const VALUE: usize = 2;
const LENGTH: usize = 3;
const ID: usize = 4;

/// A request id as words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdWords {
    pub(crate) length: u64,
    pub(crate) words: [u64; REQUEST_ID_BYTES / 8],
}

impl IdWords {
    /// Makes an id of at most [`REQUEST_ID_BYTES`], cut at a character.
    pub(crate) fn new(id: &str) -> Self {
        let id = &id[..id.floor_char_boundary(REQUEST_ID_BYTES)];
        let mut words = [0; REQUEST_ID_BYTES / 8];
        for (word, chunk) in words.iter_mut().zip(id.as_bytes().chunks(8)) {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_le_bytes(bytes);
        }
        Self { length: id.len() as u64, words }
    }

    /// Makes an id from the words of [`IdWords::used`].
    pub(crate) fn from_used(length: u64, used: &[u64]) -> Option<Self> {
        let mut words = [0; REQUEST_ID_BYTES / 8];
        words.get_mut(..used.len())?.copy_from_slice(used);
        Some(Self { length, words })
    }

    /// Returns the words that contain text.
    #[inline]
    pub(crate) fn used(&self) -> &[u64] {
        &self.words[..(self.length as usize).div_ceil(8).min(REQUEST_ID_BYTES / 8)]
    }

    pub(crate) fn text(&self) -> Option<String> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(usize::try_from(self.length).ok().filter(|length| *length <= REQUEST_ID_BYTES)?);
        String::from_utf8(bytes).ok()
    }
}

pub(crate) struct Exemplars<'a> {
    words: &'a [AtomicU64],
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RawExemplar {
    pub(crate) id: String,
    pub(crate) value: f64,
    /// Time by the monotonic clock.
    pub(crate) written: u64,
}

impl<'a> Exemplars<'a> {
    pub(crate) fn new(segment: &'a [AtomicU64], layout: &Layout) -> Self {
        Self { words: &segment[layout.exemplars..][..layout.exemplar_slots * EXEMPLAR_WORDS] }
    }

    /// Writes an exemplar, unless the last one is too recent or another writer is active.
    #[inline]
    pub(crate) fn offer(&self, place: u32, value: f64, id: &IdWords, now: u64) {
        let Some(place) = self.place(place) else { return };
        let written = place[WRITTEN].load(Ordering::Relaxed);
        if written != 0 && now.wrapping_sub(written) < INTERVAL_NANOS {
            return;
        }
        let sequence = place[SEQUENCE].load(Ordering::Relaxed);
        let odd = sequence | 1;
        if sequence == odd
            || place[SEQUENCE].compare_exchange(sequence, odd, Ordering::Acquire, Ordering::Relaxed).is_err()
        {
            return;
        }
        fence(Ordering::Release);
        place[WRITTEN].store(now, Ordering::Relaxed);
        place[VALUE].store(value.to_bits(), Ordering::Relaxed);
        place[LENGTH].store(id.length, Ordering::Relaxed);
        for (word, value) in place[ID..].iter().zip(id.words) {
            word.store(value, Ordering::Relaxed);
        }
        place[SEQUENCE].store(odd + 1, Ordering::Release);
    }

    pub(crate) fn read(&self, place: u32) -> Option<RawExemplar> {
        let place = self.place(place)?;
        let before = place[SEQUENCE].load(Ordering::Acquire);
        if before == 0 || before & 1 == 1 {
            return None;
        }
        let written = place[WRITTEN].load(Ordering::Relaxed);
        let value = f64::from_bits(place[VALUE].load(Ordering::Relaxed));
        let mut id = IdWords { length: place[LENGTH].load(Ordering::Relaxed), words: [0; 8] };
        for (value, word) in id.words.iter_mut().zip(&place[ID..]) {
            *value = word.load(Ordering::Relaxed);
        }
        fence(Ordering::Acquire);
        let unchanged = place[SEQUENCE].load(Ordering::Relaxed) == before;
        let id = id.text().filter(|_| unchanged && value.is_finite())?;
        Some(RawExemplar { id, value, written })
    }

    fn place(&self, place: u32) -> Option<&'a [AtomicU64]> {
        let start = place as usize * EXEMPLAR_WORDS;
        self.words.get(start..start + EXEMPLAR_WORDS)
    }
}
