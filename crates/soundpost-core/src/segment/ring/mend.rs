//! What the reader does about damage and about writers that do not come back.

use super::record::{ABANDONED, CLAIMED, COMMITTED, Head};
use super::{EventRing, Slot, SlotView};
use crate::sync::Ordering;

impl EventRing<'_> {
    /// Where the oldest record begins that is not freed.
    pub(crate) fn tail(&self) -> u64 {
        let (tail, turned) = (self.tail.load(Ordering::Acquire), !self.tail_turned.load(Ordering::Acquire));
        if tail == turned {
            return tail;
        }
        // The last reader was killed between the two, or one of them is damaged: more can be read from the right
        // one, or as much.
        let records = |at: u64| self.records_from(at);
        if records(tail) >= records(turned) { tail } else { turned }
    }

    /// How many records can be read from `at` on.
    fn records_from(&self, mut at: u64) -> usize {
        let mut records = 0;
        loop {
            at = match self.read(at, |_| false) {
                Slot::End | Slot::Unfinished => return records,
                Slot::Freed { next } | Slot::Lost { next } => next,
                Slot::Record { next, .. } => {
                    records += 1;
                    next
                }
            }
        }
    }

    /// Whether `at` is more than a round ahead of what is not freed: then something is damaged.
    pub(super) fn is_beyond(&self, at: u64) -> bool {
        let tails = [self.tail.load(Ordering::Relaxed), !self.tail_turned.load(Ordering::Relaxed)];
        tails.iter().all(|tail| at.wrapping_sub(*tail) >= self.words.len() as u64)
    }

    /// Whether the head is behind a position at which no record begins: then something is damaged.
    pub(super) fn is_passed(&self, at: u64) -> bool {
        // Read first: whoever moved it had put its record there.
        let ahead = self.head().wrapping_sub(at);
        (1..=self.words.len() as u64).contains(&ahead) && matches!(self.look(at), SlotView::End)
    }

    /// Whether the record that was begun at `at` was not finished. One that was freed was: who frees one that was
    /// not says so in its call's slot first.
    pub(crate) fn is_unfinished(&self, at: u64) -> bool {
        at >= self.tail() && matches!(self.look(at), SlotView::Head(Head { phase: CLAIMED | ABANDONED, .. }))
    }

    /// Puts right what keeps writers from a ring that was read up to `at`, where nothing lies: a head or a tail that
    /// cannot be. True when something was damaged.
    pub(crate) fn mend(&self, at: u64) -> bool {
        let capacity = self.words.len() as u64;
        let head = self.head();
        let tails = [self.tail.load(Ordering::Relaxed), !self.tail_turned.load(Ordering::Relaxed)];
        let fits = |tail: &u64| at.wrapping_sub(*tail) <= capacity && head.wrapping_sub(*tail) <= capacity;
        // Where both can be, a reader was killed between the two, and the words in between are free already.
        let tail = tails.into_iter().filter(fits).min().unwrap_or_else(|| self.tail());
        let mut damaged = !tails.iter().all(fits);
        if tails != [tail; 2] {
            self.tail_turned.store(!tail, Ordering::Release);
            self.tail.store(tail, Ordering::Release);
        }
        let cannot_be = head.wrapping_sub(tail) > capacity;
        if cannot_be || head < at {
            // Fails when somebody else has moved it: then it could be.
            let _ = self.head.compare_exchange(head, at, Ordering::AcqRel, Ordering::Relaxed);
            damaged |= cannot_be;
        }
        damaged
    }

    /// The next position behind a damaged one that holds a sound record, else the head.
    pub(super) fn resynchronise(&self, at: u64) -> u64 {
        let head = self.head();
        let end = match head.wrapping_sub(at) {
            // Nobody has put anything there.
            0 => return at + 1,
            ahead if ahead <= self.words.len() as u64 => head,
            _ => at + self.words.len() as u64,
        };
        let sound = |at: &u64| match self.look(*at) {
            SlotView::Head(Head { phase: COMMITTED, length, .. }) => {
                matches!(self.record(*at, length), Slot::Record { .. })
            }
            _ => false,
        };
        (at + 1..end).find(sound).unwrap_or(end)
    }
}
