//! A place that nobody gets as long as its writer may come back: it was stopped in the middle of its record, the reader
//! has given that up, and what the writer puts when it goes on must not meet another's record.
//!
//! There is one at a time. The header says where it lies in the round to come; a writer who would reach over it puts a
//! filler before it, and the head passes it as it passes any record. Its own writer, when it finds that it was given up,
//! makes a filler of it, which is freed with the rest.

use std::ops::Range;

use super::record::{ABANDONED, CLAIMED, FILLER, Head};
use super::{EventRing, SlotView};
use crate::segment::process::Owner;
use crate::sync::Ordering;

impl EventRing<'_> {
    /// Gives up the record at `at`, whose writer does not come back. False when it did.
    pub(crate) fn abandon(&self, at: u64) -> bool {
        let word = self.word(at);
        let now = word.load(Ordering::Acquire);
        Head::decode(now).filter(|head| head.phase == CLAIMED).is_some_and(|head| {
            if !self.has_hole() {
                // Said first: whoever frees the place looks here.
                self.hole.store(at + self.capacity(), Ordering::Release);
            }
            let abandoned = Head { phase: ABANDONED, ..head }.encode();
            word.compare_exchange(now, abandoned, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })
    }

    /// Whether there is one, where one can be.
    fn has_hole(&self) -> bool {
        let hole = self.hole.load(Ordering::Acquire);
        hole != 0 && hole.wrapping_sub(self.tail()) <= 2 * self.capacity()
    }

    /// How far it is from `at` to the hole, if `at` is not there yet. Asked after the tail: before that passes a hole, the
    /// header says where that is in the next round.
    #[inline]
    pub(super) fn until_hole(&self, at: u64) -> Option<u64> {
        let distance = self.hole.load(Ordering::Acquire).wrapping_sub(at);
        (distance > 0).then_some(distance)
    }

    /// Whether what was given up at `at` was told before, and is only passed once more.
    pub(super) fn is_passed_again(&self, at: u64, owner: u64) -> bool {
        let hole = self.hole.load(Ordering::Acquire);
        at == hole || owner == FILLER && at + self.capacity() != hole
    }

    /// Says of what was given up at `at` that its writer came back, and puts nothing there any more.
    #[cold]
    pub(super) fn fill_hole(&self, at: u64, abandoned: &Head) {
        let hole = self.hole.load(Ordering::Acquire);
        if hole != 0 && hole.wrapping_sub(at).is_multiple_of(self.capacity()) {
            let filler = Head { owner: FILLER, ..*abandoned }.encode();
            // Fails when the place was freed all the same, and is another's.
            let word = self.word(at);
            let _ = word.compare_exchange(abandoned.encode(), filler, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// The words of a stretch that are not to be freed, if the hole is there and its writer may come back.
    pub(super) fn held(&self, freed: &Range<u64>, is_alive: impl FnOnce(Owner) -> bool) -> Range<u64> {
        let hole = self.hole.load(Ordering::Acquire);
        let Some(at) = [hole, hole.wrapping_sub(self.capacity())].into_iter().find(|at| freed.contains(at))
        else {
            return 0..0;
        };
        let held = match self.look(at) {
            SlotView::Head(Head { phase: ABANDONED, owner, length })
                if owner != FILLER && is_alive(Owner::from_short(owner)) =>
            {
                at..at + length
            }
            _ => 0..0,
        };
        let next = if held.is_empty() { 0 } else { at + self.capacity() };
        self.hole.store(next, Ordering::Release);
        held
    }
}
