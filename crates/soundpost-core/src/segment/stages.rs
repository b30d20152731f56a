//! Stages of a call in flight: the time in stages of each name, at the end of its slot.

use super::inflight::word;
use super::layout::CALL_WORDS;
use crate::sync::{AtomicU64, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawStage {
    /// Position of the stage's record, 12 bits of failures, 20 bits of the count; never 0.
    pub(crate) key: u64,
    pub(crate) nanos: u64,
}

const FAILURE: u64 = 1 << 20;

impl RawStage {
    /// Returns the position of the record with the name.
    pub(crate) fn at(self) -> u32 {
        (self.key >> 32) as u32
    }

    pub(crate) fn count(self) -> u32 {
        (self.key & (FAILURE - 1)) as u32
    }

    pub(crate) fn failures(self) -> u32 {
        (self.key >> 20 & 0xFFF) as u32
    }
}

#[inline]
pub(crate) fn add_stage(slot: &[AtomicU64], at: u32, nanos: u64, failed: bool) {
    let once = 1 + if failed { FAILURE } else { 0 };
    let first = u64::from(at) << 32 | once;
    for entry in slot[word::STAGES..].chunks_exact(2) {
        let key = entry[0].load(Ordering::Relaxed);
        let known = if key == 0 {
            match entry[0].compare_exchange(0, first, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    entry[1].fetch_add(nanos, Ordering::Relaxed);
                    return;
                }
                Err(other) => other,
            }
        } else {
            key
        };
        if (known >> 32) as u32 == at {
            entry[0].fetch_add(once, Ordering::Relaxed);
            entry[1].fetch_add(nanos, Ordering::Relaxed);
            return;
        }
    }
}

#[inline]
pub(crate) fn stages_of(slot: &[AtomicU64]) -> impl ExactSizeIterator<Item = RawStage> + Clone {
    let entries = slot.get(word::STAGES..).unwrap_or_default();
    let get = |word: &AtomicU64| word.load(Ordering::Relaxed);
    let used = entries.chunks_exact(2).take_while(|entry| get(&entry[0]) != 0).count();
    entries[..used * 2]
        .chunks_exact(2)
        .map(move |entry| RawStage { key: get(&entry[0]), nanos: get(&entry[1]) })
}

pub(crate) fn stages_of_words(words: &[u64; CALL_WORDS]) -> Vec<RawStage> {
    let entries = words[word::STAGES..].chunks_exact(2);
    entries
        .map(|entry| RawStage { key: entry[0], nanos: entry[1] })
        .take_while(|stage| stage.key != 0)
        .collect()
}
