//! A record of the ring as words: head, checksum and writer.

use super::{EventRing, PREFIX};
use crate::segment::process::Owner;
use crate::step;
use crate::sync::{Ordering, fence};

const PHASE_BITS: u32 = 2;
pub(super) const FREE: u64 = 0;
pub(super) const CLAIMED: u64 = 1;
pub(super) const COMMITTED: u64 = 2;
/// The reader has given up the record.
pub(super) const ABANDONED: u64 = 3;
/// Owner of an abandoned place without a writer: the rest before a hole, or a hole whose writer resumed.
pub(super) const FILLER: u64 = 0;
const LENGTH_BITS: u32 = 20;
const OWNER_BITS: u32 = 32;
const OWNER_SHIFT: u32 = PHASE_BITS + LENGTH_BITS;
const MARK_SHIFT: u32 = OWNER_SHIFT + OWNER_BITS;

/// Returns the contents of a word that is free for a round.
#[inline]
pub(super) fn free_in(round: u64) -> u64 {
    round << PHASE_BITS | FREE
}

/// First word of a record.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) phase: u64,
    /// Length in words, including head and checksum.
    pub(super) length: u64,
    pub(super) owner: u64,
}

impl Head {
    #[inline]
    pub(super) fn encode(&self) -> u64 {
        let word = self.phase | self.length << PHASE_BITS | self.owner << OWNER_SHIFT;
        word | mark(word) << MARK_SHIFT
    }

    pub(super) fn decode(word: u64) -> Option<Self> {
        let rest = word & ((1 << MARK_SHIFT) - 1);
        let phase = rest & 3;
        let length = rest >> PHASE_BITS & ((1 << LENGTH_BITS) - 1);
        // A filler may be one word long.
        let shortest = if phase == ABANDONED { 1 } else { PREFIX as u64 };
        let sound = word >> MARK_SHIFT == mark(rest) && phase != FREE && length >= shortest;
        sound.then_some(Self { phase, length, owner: rest >> OWNER_SHIFT })
    }
}

/// Returns ten bits that distinguish a head from other words.
#[inline]
fn mark(word: u64) -> u64 {
    word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> MARK_SHIFT
}

/// Returns the start value of a checksum. It contains the position, so that a record of another round never matches.
#[inline]
pub(super) fn seed(at: u64) -> u64 {
    (at ^ 0xA5C1_7A11).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// Adds a word to a checksum. The products are independent, so the processor computes them in parallel.
#[inline]
pub(super) fn mixed(sum: u64, index: u64, word: u64) -> u64 {
    let turn = (index + 1).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
    sum.wrapping_add((word ^ turn).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Writes the payload of a claimed record.
pub(crate) struct Writer<'a> {
    ring: EventRing<'a>,
    at: u64,
    next: u64,
    end: u64,
    sum: u64,
}

impl<'a> Writer<'a> {
    #[inline]
    pub(super) fn new(ring: EventRing<'a>, at: u64, length: usize) -> Self {
        let [next, end] = [PREFIX, PREFIX + length].map(|words| at.wrapping_add(words as u64));
        Self { ring, at, next, end, sum: seed(at) }
    }

    /// Returns the position of the record.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.at
    }

    /// Writes the next word; beyond the record's length it does nothing.
    #[inline]
    pub(crate) fn put(&mut self, word: u64) {
        step::reach("write");
        if self.next < self.end {
            self.ring.word(self.next).store(word, Ordering::Relaxed);
            self.sum = mixed(self.sum, self.next - self.at - PREFIX as u64, word);
            self.next += 1;
        }
    }

    /// Commits the record. Returns false if the reader had abandoned it.
    #[inline]
    pub(super) fn commit(mut self, owner: Owner) -> bool {
        while self.next < self.end {
            self.put(0);
        }
        self.ring.word(self.at.wrapping_add(1)).store(self.sum, Ordering::Relaxed);
        fence(Ordering::Release);
        step::reach("commit");
        let head = |phase| Head { phase, length: self.end - self.at, owner: owner.short() }.encode();
        let word = self.ring.word(self.at);
        let committed =
            word.compare_exchange(head(CLAIMED), head(COMMITTED), Ordering::AcqRel, Ordering::Acquire);
        step::reach("commit");
        if committed.is_err() {
            let abandoned = Head { phase: ABANDONED, length: self.end - self.at, owner: owner.short() };
            self.ring.fill_hole(self.at, &abandoned);
        }
        committed.is_ok()
    }
}
