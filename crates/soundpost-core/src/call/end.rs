//! The end of a call as numbers.

use super::outcome::Outcome;
use crate::segment::{IdWords, word};

/// How and when a call ended. Only the thread that won the right to end the call makes one.
pub(crate) struct CallEnd {
    pub(crate) outcome: Outcome,
    pub(crate) now: u64,
    pub(crate) busy: u64,
    pub(crate) id: IdWords,
}

impl CallEnd {
    #[inline]
    pub(crate) fn new(slot: impl Fn(usize) -> u64, outcome: Outcome, now: u64, id: IdWords) -> Self {
        Self { outcome, now, busy: busy_until(slot, now), id }
    }
}

/// Busy nanoseconds up to `now`: those up to the last suspension, and those since the call was resumed.
#[inline]
pub(crate) fn busy_until(slot: impl Fn(usize) -> u64, now: u64) -> u64 {
    let resumed = slot(word::RESUMED);
    let running = if resumed == 0 { 0 } else { now.saturating_sub(resumed) };
    slot(word::BUSY).saturating_add(running)
}
