//! Lanes: words that one thread updates without a locked instruction.
//!
//! A cell has one word in every lane, and its value is their sum. A thread of the creating process owns a
//! lane if one is free, and adds by a plain load and store. All other threads, including those of forked
//! children, add to lane 0 by an atomic read-modify-write. A lane passes from an ended thread to another
//! through its owner word, so the next owner sees every earlier addition.

use std::cell::{Cell, RefCell};
use std::sync::Weak;

use super::layout::{LANES, header};
use super::{Segment, fork};
use crate::sync::{AtomicU64, Ordering};

#[derive(Clone, Copy)]
pub(crate) struct Lane {
    /// Start of the lane's cells, words from the segment's start.
    pub(crate) start: usize,
    /// Whether only this thread writes there.
    pub(crate) exclusive: bool,
}

thread_local! {
    /// Last lane used: key, start, exclusive. Without a destructor, so that reading it costs one load.
    static LAST: (Cell<u64>, Cell<usize>, Cell<bool>) = const { (Cell::new(0), Cell::new(0), Cell::new(false)) };
    static OWNED: RefCell<Vec<Owned>> = const { RefCell::new(Vec::new()) };
}

/// Returns the calling thread's lane in `segment`.
#[inline]
pub(crate) fn of(segment: &Segment) -> Lane {
    let key = segment.thread_key();
    LAST.with(|(last, start, exclusive)| {
        if last.get() == key {
            return Lane { start: start.get(), exclusive: exclusive.get() };
        }
        let lane = acquire(segment);
        last.set(key);
        start.set(lane.start);
        exclusive.set(lane.exclusive);
        lane
    })
}

#[cold]
fn acquire(segment: &Segment) -> Lane {
    let shared = Lane { start: segment.layout().lane(0), exclusive: false };
    if !segment.is_creator() {
        return shared;
    }
    // A thread whose destructors have run owns no lane.
    let owned = OWNED.try_with(|owned| {
        let Ok(mut owned) = owned.try_borrow_mut() else { return None };
        owned.retain(|lane| lane.segment.strong_count() > 0);
        if let Some(known) = owned.iter().find(|lane| lane.key == segment.thread_key()) {
            return Some(known.lane);
        }
        let lane = claim(segment.words())?;
        owned.push(Owned { segment: segment.weak(), key: segment.thread_key(), epoch: fork::epoch(), lane });
        Some(lane)
    });
    match owned {
        Ok(Some(lane)) => Lane { start: segment.layout().lane(lane), exclusive: true },
        Ok(None) | Err(_) => shared,
    }
}

pub(super) fn claim(words: &[AtomicU64]) -> Option<usize> {
    (1..LANES).find(|lane| {
        let owner = &words[header::LANE_OWNERS + lane];
        owner.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
    })
}

/// Releases a lane; all additions of its owner happen before.
pub(super) fn release(words: &[AtomicU64], lane: usize) {
    words[header::LANE_OWNERS + lane].store(0, Ordering::Release);
}

struct Owned {
    segment: Weak<Segment>,
    key: u64,
    epoch: u32,
    lane: usize,
}

impl Drop for Owned {
    fn drop(&mut self) {
        // In a forked child the lane still belongs to the parent.
        if self.epoch != fork::epoch() {
            return;
        }
        LAST.with(|(last, ..)| last.set(0));
        if let Some(segment) = self.segment.upgrade() {
            release(segment.words(), self.lane);
        }
    }
}
