//! The event ring: records of many writers in order, kept until the reporter has stored them.
//!
//! A position is a number of words that only grows; its remainder by the ring's length is the place. A free
//! word holds the round of its next use, so a writer that slept for a round cannot take it.
//!
//! A writer claims a place by one compare-and-swap of the word at the head, from free to a word with length
//! and owner. Only then the head moves, and any process may move it. A writer killed at any step therefore
//! leaves a record of known length and owner, and blocks no other writer.
//!
//! The reader waits for a stopped writer until a timeout and then abandons its record. A writer that resumes
//! detects this at its commit and appends its record again; until then its place is withheld. The reader
//! frees stored records and moves the tail.

mod hole;
mod mend;
mod record;
#[cfg(test)]
mod tests;

use record::{ABANDONED, CLAIMED, COMMITTED, FILLER, Head, Writer, free_in, mixed, seed};

use super::layout::{Layout, header};
use super::process::Owner;
use crate::step;
use crate::sync::{AtomicU64, Ordering};

/// Words of a record before its payload: head and checksum.
const PREFIX: usize = 2;
/// Maximum length of a record, as a part of the ring.
const LARGEST_PART: usize = 8;

#[derive(Clone, Copy)]
pub(crate) struct EventRing<'a> {
    words: &'a [AtomicU64],
    head: &'a AtomicU64,
    tail: &'a AtomicU64,
    tail_turned: &'a AtomicU64,
    stored: &'a AtomicU64,
    hole: &'a AtomicU64,
}

/// Reason for rejecting a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The reporter is too slow, or none runs.
    Full,
    TooLarge,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A complete record; the next begins at `next`.
    Record { payload: Vec<u64>, next: u64 },
    /// A record that will never be complete, or is damaged.
    Lost { next: u64 },
    /// Words that are already free.
    Freed { next: u64 },
    /// A record whose writer is running.
    Unfinished,
    /// No record.
    End,
}

impl<'a> EventRing<'a> {
    #[inline]
    pub(crate) fn new(segment: &'a [AtomicU64], layout: &Layout) -> Self {
        Self {
            words: &segment[layout.ring..][..layout.ring_words],
            head: &segment[header::RING_HEAD],
            tail: &segment[header::RING_TAIL],
            tail_turned: &segment[header::RING_TAIL_TURNED],
            stored: &segment[header::RING_STORED],
            hole: &segment[header::RING_HOLE],
        }
    }

    /// Returns the maximum length of a payload, words.
    pub(crate) fn largest(&self) -> usize {
        (self.words.len() / LARGEST_PART).saturating_sub(PREFIX)
    }

    /// Appends a record of `length` payload words, written by `fill`; missing words are 0. `fill` runs again
    /// if the reader abandoned the first record.
    #[inline]
    pub(crate) fn append(
        &self,
        owner: Owner,
        length: usize,
        fill: impl Fn(&mut Writer<'a>),
    ) -> Result<(), Refused> {
        loop {
            let mut writer = Writer::new(*self, self.claim(owner, length)?, length);
            fill(&mut writer);
            if writer.commit(owner) {
                return Ok(());
            }
        }
    }

    /// Claims the place of a record of `length` payload words.
    #[inline]
    fn claim(&self, owner: Owner, length: usize) -> Result<u64, Refused> {
        if length > self.largest() {
            return Err(Refused::TooLarge);
        }
        let length = (PREFIX + length) as u64;
        let capacity = self.words.len() as u64;
        let claimed = Head { phase: CLAIMED, length, owner: owner.short() };
        loop {
            let at = self.head.load(Ordering::Acquire);
            let used = at.wrapping_sub(self.tail.load(Ordering::Acquire));
            // The tail may have passed a head that was read before this thread slept.
            let behind = used > capacity;
            if behind && self.head.load(Ordering::Acquire) != at {
                continue;
            }
            if behind || length > capacity - used {
                return Err(Refused::Full);
            }
            let head = match self.until_hole(at) {
                Some(room) if room < length => Head { phase: ABANDONED, length: room, owner: FILLER },
                _ => claimed,
            };
            let won = self.word(at).compare_exchange(
                self.free_word(at),
                head.encode(),
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            let taken = match won {
                Ok(_) => head.length,
                // Another writer was first, and may have been killed before it moved the head.
                Err(word) => match Head::decode(word) {
                    Some(head) => head.length,
                    None if self.head.load(Ordering::Acquire) == at => return Err(Refused::Full),
                    None => continue,
                },
            };
            if won.is_ok() {
                step::reach("reserve");
            }
            // Fails if another writer has moved the head.
            let _ =
                self.head.compare_exchange(at, at.wrapping_add(taken), Ordering::AcqRel, Ordering::Relaxed);
            if won.is_ok() && head.phase == CLAIMED {
                step::reach("reserve");
                return Ok(at);
            }
        }
    }

    #[inline]
    pub(crate) fn capacity(&self) -> u64 {
        self.words.len() as u64
    }

    #[inline]
    fn word(&self, position: u64) -> &'a AtomicU64 {
        &self.words[position as usize & (self.words.len() - 1)]
    }

    /// Returns the contents of a word that is free for the round of `position`.
    #[inline]
    fn free_word(&self, position: u64) -> u64 {
        free_in(position >> self.words.len().trailing_zeros())
    }

    pub(crate) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// Returns the fill level, 0 to 1.
    pub(crate) fn fill(&self) -> f64 {
        let used = self.head().saturating_sub(self.tail.load(Ordering::Relaxed));
        (used as f64 / self.words.len().max(1) as f64).min(1.0)
    }

    pub(crate) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Acquire)
    }

    pub(crate) fn set_stored(&self, to: u64) {
        self.stored.store(to, Ordering::Release);
    }

    /// Reads the record at a position. Calls `is_alive` only for an incomplete record.
    pub(crate) fn read(&self, at: u64, is_alive: impl FnOnce(Owner) -> bool) -> Slot {
        let (length, owner) = match self.look(at) {
            _ if self.is_beyond(at) => return Slot::End,
            SlotView::End if self.is_passed(at) => return Slot::Lost { next: self.resynchronise(at) },
            SlotView::End => return Slot::End,
            SlotView::Freed => return Slot::Freed { next: at.wrapping_add(1) },
            SlotView::Damaged => return Slot::Lost { next: self.resynchronise(at) },
            SlotView::Head(Head { phase: COMMITTED, length, .. }) => return self.record(at, length),
            SlotView::Head(Head { phase: ABANDONED, length, owner }) if self.is_passed_again(at, owner) => {
                return Slot::Freed { next: at.wrapping_add(length) };
            }
            SlotView::Head(Head { phase: ABANDONED, length, .. }) => {
                return Slot::Lost { next: at.wrapping_add(length) };
            }
            SlotView::Head(Head { length, owner, .. }) => (length, owner),
        };
        if is_alive(Owner::from_short(owner)) {
            return Slot::Unfinished;
        }
        // The owner may have committed right before it died.
        match self.look(at) {
            SlotView::Head(Head { phase: COMMITTED, length, .. }) => self.record(at, length),
            _ => Slot::Lost { next: at.wrapping_add(length) },
        }
    }

    /// Frees the words from the tail to `to` for the next round, except the place of an abandoned writer that
    /// may resume.
    pub(crate) fn free(&self, to: u64, is_alive: impl FnOnce(Owner) -> bool) {
        let from = self.tail().max(to.saturating_sub(self.words.len() as u64));
        if to > from {
            // The last writer may have been killed before it moved the head.
            self.head.fetch_max(to, Ordering::AcqRel);
            step::reach("free");
        }
        let held = self.held(&(from..to), is_alive);
        for position in (from..to).rev().filter(|position| !held.contains(position)) {
            let next_round = position.wrapping_add(self.words.len() as u64);
            // A writer that sees the free word also sees the head.
            self.word(position).store(self.free_word(next_round), Ordering::Release);
        }
        if to > from {
            step::reach("free");
            self.tail_turned.store(!to, Ordering::Release);
            step::reach("free");
            self.tail.store(to, Ordering::Release);
        }
    }

    fn look(&self, at: u64) -> SlotView {
        if self.words.is_empty() {
            return SlotView::End;
        }
        let word = self.word(at).load(Ordering::Acquire);
        if word == self.free_word(at) {
            return SlotView::End;
        }
        if word == self.free_word(at.wrapping_add(self.words.len() as u64)) {
            return SlotView::Freed;
        }
        match Head::decode(word).filter(|head| head.length <= (self.words.len() / LARGEST_PART) as u64) {
            Some(head) => SlotView::Head(head),
            None => SlotView::Damaged,
        }
    }

    fn record(&self, at: u64, length: u64) -> Slot {
        let next = at.wrapping_add(length);
        let get = |position: u64| self.word(position).load(Ordering::Relaxed);
        let payload: Vec<u64> = (at.wrapping_add(PREFIX as u64)..next).map(get).collect();
        let sum =
            payload.iter().enumerate().fold(seed(at), |sum, (index, word)| mixed(sum, index as u64, *word));
        if sum == get(at.wrapping_add(1)) { Slot::Record { payload, next } } else { Slot::Lost { next } }
    }
}

enum SlotView {
    End,
    Freed,
    Damaged,
    Head(Head),
}
