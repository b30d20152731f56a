//! The hole: a place that is withheld while its writer may resume. The writer was stopped in the middle of
//! its record, the reader abandoned the record, and the writer's late stores must not damage another record.
//!
//! There is at most one hole. The header holds its position in the next round. A writer whose record would reach into
//! the hole puts a filler before it, and the head passes the hole like a record. When the writer detects that its
//! record was abandoned, it turns the hole into a filler, which is freed with the other words.

use std::ops::Range;

use super::record::{ABANDONED, CLAIMED, FILLER, Head};
use super::{EventRing, SlotView};
use crate::segment::process::Owner;
use crate::sync::Ordering;

impl EventRing<'_> {
    /// Abandons the record at `at`, whose writer does not respond. Returns false if the writer committed.
    pub(crate) fn abandon(&self, at: u64) -> bool {
        let word = self.word(at);
        let now = word.load(Ordering::Acquire);
        Head::decode(now).filter(|head| head.phase == CLAIMED).is_some_and(|head| {
            if !self.has_hole() {
                // Set the hole first, because the freeing thread reads it.
                self.hole.store(at.wrapping_add(self.capacity()), Ordering::Release);
            }
            let abandoned = Head { phase: ABANDONED, ..head }.encode();
            word.compare_exchange(now, abandoned, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })
    }

    /// Reports whether a valid hole exists.
    fn has_hole(&self) -> bool {
        let hole = self.hole.load(Ordering::Acquire);
        hole != 0 && hole.wrapping_sub(self.tail()) <= 2 * self.capacity()
    }

    /// Returns the distance from `at` to the hole, if it is ahead. Read after the tail: before the tail
    /// passes a hole, the header holds its position in the next round.
    #[inline]
    pub(super) fn until_hole(&self, at: u64) -> Option<u64> {
        let distance = self.hole.load(Ordering::Acquire).wrapping_sub(at);
        (distance > 0).then_some(distance)
    }

    /// Reports whether an abandoned record was counted before, and is only passed once more.
    pub(super) fn is_passed_again(&self, at: u64, owner: u64) -> bool {
        let hole = self.hole.load(Ordering::Acquire);
        at == hole || owner == FILLER && at.wrapping_add(self.capacity()) != hole
    }

    /// Marks an abandoned record as finished by its writer, which stores nothing there any more.
    #[cold]
    pub(super) fn fill_hole(&self, at: u64, abandoned: &Head) {
        let hole = self.hole.load(Ordering::Acquire);
        if hole != 0 && hole.wrapping_sub(at).is_multiple_of(self.capacity()) {
            let filler = Head { owner: FILLER, ..*abandoned }.encode();
            // Fails if the place was freed and belongs to another record.
            let word = self.word(at);
            let _ = word.compare_exchange(abandoned.encode(), filler, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// Returns the words of a range that must not be freed: the hole, if its writer may resume.
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
                at..at.wrapping_add(length)
            }
            _ => 0..0,
        };
        let next = if held.is_empty() { 0 } else { at.wrapping_add(self.capacity()) };
        self.hole.store(next, Ordering::Release);
        held
    }
}
