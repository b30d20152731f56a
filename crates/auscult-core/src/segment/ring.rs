//! The event ring: records of many writers in their order, kept until the reporter has them.
//!
//! A position is a number of words that grows for ever; it lies at its remainder by the ring's length. A free word
//! holds the round in which it will be used next, so that a writer that slept for a round cannot take it. A
//! writer claims the place of its record by one compare-and-swap of the word at the head, from free to a word
//! with its length and owner; only then the head moves, and anybody may move it. So a writer killed at any
//! point leaves a record whose length and owner are known: it costs that record and holds up nobody. The reader
//! frees what it has, and moves the tail.

#[cfg(test)]
mod tests;

use super::layout::{Layout, header};
use super::process::Owner;
use crate::sync::{AtomicU64, Ordering, fence};

/// Words of a record before its payload: head and checksum.
const PREFIX: usize = 2;
/// A record is at most this part of the ring.
const LARGEST_PART: usize = 8;

const PHASE_BITS: u32 = 2;
const FREE: u64 = 0;
const CLAIMED: u64 = 1;
const COMMITTED: u64 = 2;
const LENGTH_BITS: u32 = 20;
const OWNER_BITS: u32 = 32;
const OWNER_SHIFT: u32 = PHASE_BITS + LENGTH_BITS;
const MARK_SHIFT: u32 = OWNER_SHIFT + OWNER_BITS;

/// The ring of one segment.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    words: &'a [AtomicU64],
    head: &'a AtomicU64,
    tail: &'a AtomicU64,
    tail_turned: &'a AtomicU64,
    stored: &'a AtomicU64,
}

/// Why a record was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The reporter does not keep up, or there is none.
    Full,
    TooLarge,
}

/// What lies at a position.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A record's payload, and where the next begins.
    Record { payload: Vec<u64>, next: u64 },
    /// A record that will never be finished, or was damaged; the next begins there.
    Lost { next: u64 },
    /// Already taken; the next begins there.
    Freed { next: u64 },
    /// Its writer is at it.
    Unfinished,
    /// Nothing yet.
    End,
}

impl<'a> Ring<'a> {
    #[inline]
    pub(crate) fn new(segment: &'a [AtomicU64], layout: &Layout) -> Self {
        Self {
            words: &segment[layout.ring..][..layout.ring_words],
            head: &segment[header::RING_HEAD],
            tail: &segment[header::RING_TAIL],
            tail_turned: &segment[header::RING_TAIL_TURNED],
            stored: &segment[header::RING_STORED],
        }
    }

    /// The longest payload, words.
    pub(crate) fn largest(&self) -> usize {
        (self.words.len() / LARGEST_PART).saturating_sub(PREFIX)
    }

    /// Appends a record of `length` payload words, which `fill` puts; words it does not put are 0.
    #[inline]
    pub(crate) fn append(
        &self,
        owner: Owner,
        length: usize,
        fill: impl FnOnce(&mut Writer<'a>),
    ) -> Result<(), Refused> {
        let at = self.claim(owner, length)?;
        let mut writer = self.writer(at, length);
        fill(&mut writer);
        writer.commit(owner);
        Ok(())
    }

    /// Takes the place of a record of `length` payload words.
    #[inline]
    fn claim(&self, owner: Owner, length: usize) -> Result<u64, Refused> {
        if length > self.largest() {
            return Err(Refused::TooLarge);
        }
        let length = (PREFIX + length) as u64;
        let capacity = self.words.len() as u64;
        let claimed = Head { phase: CLAIMED, length, owner: owner.short() }.encode();
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
            let won = self.word(at).compare_exchange(
                self.free_word(at),
                claimed,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            let taken = match won {
                Ok(_) => length,
                // Somebody else was first, and may have been killed before it moved the head.
                Err(word) => match Head::decode(word) {
                    Some(head) => head.length,
                    None if self.head.load(Ordering::Acquire) == at => return Err(Refused::Full),
                    None => continue,
                },
            };
            // Fails when somebody else has moved it.
            let _ = self.head.compare_exchange(at, at + taken, Ordering::AcqRel, Ordering::Relaxed);
            if won.is_ok() {
                return Ok(at);
            }
        }
    }

    #[inline]
    fn writer(&self, at: u64, length: usize) -> Writer<'a> {
        Writer {
            ring: *self,
            at,
            next: at + PREFIX as u64,
            end: at + (PREFIX + length) as u64,
            sum: seed(at),
        }
    }

    #[inline]
    fn word(&self, position: u64) -> &'a AtomicU64 {
        &self.words[position as usize & (self.words.len() - 1)]
    }

    /// What a word holds that is free for the round of `position`.
    #[inline]
    fn free_word(&self, position: u64) -> u64 {
        (position >> self.words.len().trailing_zeros()) << PHASE_BITS | FREE
    }

    /// Where the next record will begin.
    pub(crate) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

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
    fn is_beyond(&self, at: u64) -> bool {
        let tails = [self.tail.load(Ordering::Relaxed), !self.tail_turned.load(Ordering::Relaxed)];
        tails.iter().all(|tail| at.wrapping_sub(*tail) >= self.words.len() as u64)
    }

    /// How full it is, 0 to 1.
    pub(crate) fn fill(&self) -> f64 {
        self.head().saturating_sub(self.tail.load(Ordering::Relaxed)) as f64 / self.words.len().max(1) as f64
    }

    /// Up to where the ring is in the store.
    pub(crate) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Acquire)
    }

    /// Says up to where the ring is in the store.
    pub(crate) fn set_stored(&self, to: u64) {
        self.stored.store(to, Ordering::Release);
    }

    /// What lies at `at`. Whether the owner of an unfinished record lives is asked only for such a one.
    pub(crate) fn read(&self, at: u64, is_alive: impl FnOnce(Owner) -> bool) -> Slot {
        let (length, owner) = match self.look(at) {
            _ if self.is_beyond(at) => return Slot::End,
            Look::End => return Slot::End,
            Look::Freed => return Slot::Freed { next: at + 1 },
            Look::Damaged => return Slot::Lost { next: self.resynchronise(at) },
            Look::Head(Head { phase: COMMITTED, length, .. }) => return self.record(at, length),
            Look::Head(Head { length, owner, .. }) => (length, owner),
        };
        if is_alive(Owner::from_short(owner)) {
            return Slot::Unfinished;
        }
        // It may have finished just before it died.
        match self.look(at) {
            Look::Head(Head { phase: COMMITTED, length, .. }) => self.record(at, length),
            _ => Slot::Lost { next: at + length },
        }
    }

    /// Frees everything from the tail to `to`, for the next round.
    pub(crate) fn free(&self, to: u64) {
        let from = self.tail().max(to.saturating_sub(self.words.len() as u64));
        for position in (from..to).rev() {
            let next_round = position + self.words.len() as u64;
            // Whoever sees it sees how far the head was.
            self.word(position).store(self.free_word(next_round), Ordering::Release);
        }
        if to > from {
            self.tail_turned.store(!to, Ordering::Release);
            self.tail.store(to, Ordering::Release);
        }
    }

    fn look(&self, at: u64) -> Look {
        if self.words.is_empty() {
            return Look::End;
        }
        let word = self.word(at).load(Ordering::Acquire);
        if word == self.free_word(at) {
            return Look::End;
        }
        if word == self.free_word(at + self.words.len() as u64) {
            return Look::Freed;
        }
        match Head::decode(word).filter(|head| head.length <= (self.words.len() / LARGEST_PART) as u64) {
            Some(head) => Look::Head(head),
            None => Look::Damaged,
        }
    }

    fn record(&self, at: u64, length: u64) -> Slot {
        let next = at + length;
        let get = |position: u64| self.word(position).load(Ordering::Relaxed);
        let payload: Vec<u64> = (at + PREFIX as u64..next).map(get).collect();
        let sum =
            payload.iter().enumerate().fold(seed(at), |sum, (index, word)| mixed(sum, index as u64, *word));
        if sum == get(at + 1) { Slot::Record { payload, next } } else { Slot::Lost { next } }
    }

    /// The next position behind a damaged one that holds a sound record, else the head.
    fn resynchronise(&self, at: u64) -> u64 {
        let head = self.head();
        let end = at + self.words.len() as u64;
        let end = if (at + 1..=end).contains(&head) { head } else { end };
        let sound = |at: &u64| match self.look(*at) {
            Look::Head(Head { phase: COMMITTED, length, .. }) => {
                matches!(self.record(*at, length), Slot::Record { .. })
            }
            _ => false,
        };
        (at + 1..end).find(sound).unwrap_or(end)
    }
}

enum Look {
    End,
    Freed,
    Damaged,
    Head(Head),
}

/// First word of a record.
struct Head {
    phase: u64,
    /// Words, head and checksum among them.
    length: u64,
    owner: u64,
}

impl Head {
    #[inline]
    fn encode(&self) -> u64 {
        let word = self.phase | self.length << PHASE_BITS | self.owner << OWNER_SHIFT;
        word | mark(word) << MARK_SHIFT
    }

    fn decode(word: u64) -> Option<Self> {
        let rest = word & ((1 << MARK_SHIFT) - 1);
        let phase = rest & 3;
        let length = rest >> PHASE_BITS & ((1 << LENGTH_BITS) - 1);
        let sound = word >> MARK_SHIFT == mark(rest)
            && [CLAIMED, COMMITTED].contains(&phase)
            && length >= PREFIX as u64;
        sound.then_some(Self { phase, length, owner: rest >> OWNER_SHIFT })
    }
}

/// Ten bits that tell a head from anything else.
#[inline]
fn mark(word: u64) -> u64 {
    word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> MARK_SHIFT
}

/// Checksums begin with the position, so that no record of another round passes for one.
#[inline]
fn seed(at: u64) -> u64 {
    (at ^ 0xA5C1_7A11).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// Adds a word to a checksum. The products do not depend on each other, so they are computed side by side.
#[inline]
fn mixed(sum: u64, index: u64, word: u64) -> u64 {
    let turn = (index + 1).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
    sum.wrapping_add((word ^ turn).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Puts the payload of a claimed record.
pub(crate) struct Writer<'a> {
    ring: Ring<'a>,
    at: u64,
    next: u64,
    end: u64,
    sum: u64,
}

impl Writer<'_> {
    /// The next word; beyond the record's length nothing happens.
    #[inline]
    pub(crate) fn put(&mut self, word: u64) {
        if self.next < self.end {
            self.ring.word(self.next).store(word, Ordering::Relaxed);
            self.sum = mixed(self.sum, self.next - self.at - PREFIX as u64, word);
            self.next += 1;
        }
    }

    #[inline]
    fn commit(mut self, owner: Owner) {
        while self.next < self.end {
            self.put(0);
        }
        self.ring.word(self.at + 1).store(self.sum, Ordering::Relaxed);
        fence(Ordering::Release);
        let head = Head { phase: COMMITTED, length: self.end - self.at, owner: owner.short() };
        self.ring.word(self.at).store(head.encode(), Ordering::Release);
    }
}
