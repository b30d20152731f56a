//! The end of a call as numbers.

use super::outcome::{Outcome, Status};
use crate::segment::{IdWords, SUSPENDED, flag, word};

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
    let running = if resumed & SUSPENDED == 0 { now.saturating_sub(resumed) } else { 0 };
    slot(word::BUSY).saturating_add(running)
}

/// Returns the outcome that the call was marked with.
pub(super) fn marked(slot: impl Fn(usize) -> u64) -> Option<Outcome> {
    Outcome::ALL.get(slot(word::MARK).checked_sub(1)? as usize).copied()
}

/// Reports whether the errors after an outcome are its consequences.
pub(super) fn is_failure(outcome: Outcome) -> bool {
    outcome != Outcome::Truncated && matches!(outcome.status(), Status::Error | Status::Rejected)
}

/// Returns the outcome of a call that ends without an error: its mark, or else a judgement of its output.
/// `is_dropped` is true if its consumer left.
pub(super) fn judge(slot: impl Fn(usize) -> u64, is_dropped: bool) -> Outcome {
    if let Some(mark) = marked(&slot) {
        return mark;
    }
    let seconds = |word: usize| f64::from_bits(slot(word));
    let flags = slot(word::FLAGS);
    let has = |bit: u64| flags & bit != 0;
    let (audio, silence) = (seconds(word::AUDIO), seconds(word::SILENCE));
    let is_unfinished = is_dropped && !has(flag::LAST);
    let has_length = slot(word::CHUNKS) > 0 || audio > 0.0 || seconds(word::VIDEO) > 0.0;
    if silence > 0.0 && silence >= audio {
        Outcome::Silent
    } else if has(flag::EXPECTS_OUTPUT)
        && !(has_length || has(flag::OUTPUT))
        && (!is_unfinished || has(flag::NOTHING))
    {
        Outcome::Empty
    } else if is_unfinished && (has(flag::STREAMING) || slot(word::FIRST_AUDIO) == 0 && !has(flag::OUTPUT)) {
        // Several services read the only result of a generator that does not stream, and drop it.
        Outcome::Abandoned
    } else {
        Outcome::Ok
    }
}
