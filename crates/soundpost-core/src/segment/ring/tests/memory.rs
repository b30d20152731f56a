//! A ring in memory, and its reader.

use super::*;

pub(super) const WORDS: usize = 512;

/// A ring with memory of its own.
pub(super) struct Memory(pub(super) Vec<AtomicU64>, Layout);

impl Memory {
    pub(super) fn new() -> Self {
        let words: Vec<AtomicU64> = (0..64 + WORDS).map(|_| AtomicU64::new(0)).collect();
        fresh(&words);
        Self(words, layout(WORDS))
    }

    pub(super) fn ring(&self) -> EventRing<'_> {
        EventRing::new(&self.0, &self.1)
    }

    /// Reads everything from `at` on, with no living owner. Returns the end.
    pub(super) fn read_from(&self, mut at: u64) -> (Vec<Vec<u64>>, u64, u64) {
        let (mut records, mut lost) = (Vec::new(), 0);
        loop {
            match self.ring().read(at, |_| false) {
                Slot::Record { payload, next } => {
                    records.push(payload);
                    at = next;
                }
                Slot::Lost { next } => {
                    lost += 1;
                    at = next;
                }
                Slot::Freed { next } => at = next,
                Slot::Unfinished => panic!("nobody lives"),
                Slot::End => return (records, lost, at),
            }
        }
    }
}

/// Reads, stores and maintains the ring as the reporter does.
pub(super) fn tend(memory: &Memory, at: &mut u64) -> (Vec<Vec<u64>>, u64) {
    let (records, mut lost, end) = memory.read_from(*at);
    lost += u64::from(memory.ring().mend(end));
    memory.ring().free(end, |_| true);
    *at = end;
    (records, lost)
}
