//! Repair of a damaged ring, and detection of records that will never be complete.

use super::record::{ABANDONED, CLAIMED, COMMITTED, Head};
use super::{EventRing, Slot, SlotView};
use crate::sync::Ordering;

impl EventRing<'_> {
    /// Returns the position of the oldest record that is not freed.
    pub(crate) fn tail(&self) -> u64 {
        let (tail, turned) = (self.tail.load(Ordering::Acquire), !self.tail_turned.load(Ordering::Acquire));
        if tail == turned {
            return tail;
        }
        // The last reader was killed between the two stores, or one word is damaged. The correct one allows
        // at least as many records to be read.
        let records = |at: u64| self.records_from(at);
        if records(tail) >= records(turned) { tail } else { turned }
    }

    /// Returns the number of records that can be read from `at` on.
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

    /// Reports whether `at` is more than a round ahead of the tail, which is damage.
    pub(super) fn is_beyond(&self, at: u64) -> bool {
        let tails = [self.tail.load(Ordering::Relaxed), !self.tail_turned.load(Ordering::Relaxed)];
        tails.iter().all(|tail| at.wrapping_sub(*tail) >= self.words.len() as u64)
    }

    /// Reports whether the head is beyond a position without a record, which is damage.
    pub(super) fn is_passed(&self, at: u64) -> bool {
        // Read the head first: a writer that moved it had written its record before.
        let ahead = self.head().wrapping_sub(at);
        (1..=self.words.len() as u64).contains(&ahead) && matches!(self.look(at), SlotView::End)
    }

    /// Reports whether the record begun at `at` is incomplete. A freed record is complete, because an
    /// incomplete one clears its call's slot before it is freed.
    pub(crate) fn is_unfinished(&self, at: u64) -> bool {
        at >= self.tail() && matches!(self.look(at), SlotView::Head(Head { phase: CLAIMED | ABANDONED, .. }))
    }

    /// Repairs a head or tail that blocks writers, in a ring that was read up to `at` without a record there.
    /// Returns true if something was damaged.
    pub(crate) fn mend(&self, at: u64) -> bool {
        let capacity = self.words.len() as u64;
        let head = self.head();
        let tails = [self.tail.load(Ordering::Relaxed), !self.tail_turned.load(Ordering::Relaxed)];
        let fits = |tail: &u64| at.wrapping_sub(*tail) <= capacity && head.wrapping_sub(*tail) <= capacity;
        // If both tails are valid, a reader was killed between the two stores, and the words in between are free.
        let tail = tails.into_iter().filter(fits).min().unwrap_or_else(|| self.tail());
        let mut damaged = !tails.iter().all(fits);
        if tails != [tail; 2] {
            self.tail_turned.store(!tail, Ordering::Release);
            self.tail.store(tail, Ordering::Release);
        }
        let cannot_be = head.wrapping_sub(tail) > capacity;
        if cannot_be || head < at {
            // Fails if a writer has moved the head, which then is valid.
            let _ = self.head.compare_exchange(head, at, Ordering::AcqRel, Ordering::Relaxed);
            damaged |= cannot_be;
        }
        damaged
    }

    /// Returns the position of the next valid record after a damaged one, else the head.
    pub(super) fn resynchronise(&self, at: u64) -> u64 {
        let head = self.head();
        let end = match head.wrapping_sub(at) {
            // No writer has stored anything there.
            0 => return at.wrapping_add(1),
            ahead if ahead <= self.words.len() as u64 => head,
            _ => at.wrapping_add(self.words.len() as u64),
        };
        let sound = |at: &u64| match self.look(*at) {
            SlotView::Head(Head { phase: COMMITTED, length, .. }) => {
                matches!(self.record(*at, length), Slot::Record { .. })
            }
            _ => false,
        };
        (at.wrapping_add(1)..end).find(sound).unwrap_or(end)
    }
}
