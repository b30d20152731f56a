//! The ring from the inside: rounds, killed writers, damage; and the models that loom checks.

use crate::segment::layout::{Layout, header};
use crate::segment::ring::{CLAIMED, Head, PREFIX, Refused, Ring, Slot, Writer};
use crate::segment::{MIN_SEGMENT_BYTES, Owner};
use crate::sync::{AtomicU64, Ordering};

/// A header and a ring of `ring_words` words behind it.
fn layout(ring_words: usize) -> Layout {
    Layout { ring: 64, ring_words, ..Layout::of_bytes(MIN_SEGMENT_BYTES) }
}

fn fresh(words: &[AtomicU64]) {
    words[header::RING_TAIL_TURNED].store(!0, Ordering::Relaxed);
}

fn put(ring: &Ring<'_>, payload: &[u64]) -> Result<(), Refused> {
    ring.append(Owner::UNKNOWN, payload.len(), |writer| payload.iter().for_each(|word| writer.put(*word)))
}

#[cfg(not(loom))]
mod unit {
    use proptest::prelude::*;

    use super::*;

    const WORDS: usize = 512;

    struct Memory(Vec<AtomicU64>, Layout);

    impl Memory {
        fn new() -> Self {
            let words: Vec<AtomicU64> = (0..64 + WORDS).map(|_| AtomicU64::new(0)).collect();
            fresh(&words);
            Self(words, layout(WORDS))
        }

        fn ring(&self) -> Ring<'_> {
            Ring::new(&self.0, &self.1)
        }

        /// Everything from `at` on, and where it ended; nobody lives.
        fn read_from(&self, mut at: u64) -> (Vec<Vec<u64>>, u64, u64) {
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

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// As a queue would, over many rounds, with readers that were killed between reading and freeing, and
        /// writers that were killed between claiming and committing.
        #[test]
        fn it_is_a_bounded_queue(
            steps in prop::collection::vec((0..8_u8, prop::collection::vec(any::<u64>(), 0..70)), 0..400),
        ) {
            let memory = Memory::new();
            let ring = memory.ring();
            let (mut kept, mut claimed, mut at) = (Vec::new(), 0, 0);
            for (step, payload) in steps {
                match step {
                    0..=4 => match put(&ring, &payload) {
                        Ok(()) => kept.push(payload),
                        Err(Refused::TooLarge) => prop_assert!(payload.len() > ring.largest()),
                        Err(Refused::Full) => {
                            let free = WORDS as u64 - (ring.head() - ring.tail());
                            prop_assert!((payload.len() + PREFIX) as u64 > free);
                        }
                    },
                    5 => claimed += u64::from(ring.claim(Owner::UNKNOWN, payload.len()).is_ok()),
                    6 => {
                        // Killed after the store had it, before a word was freed: the next frees it.
                        let (read, lost, end) = memory.read_from(at);
                        prop_assert_eq!(&read, &kept);
                        prop_assert_eq!(lost, claimed);
                        at = end;
                        (kept, claimed) = (Vec::new(), 0);
                    }
                    _ => {
                        ring.free(at);
                        prop_assert_eq!(ring.tail(), at);
                    }
                }
            }
            let (read, lost, end) = memory.read_from(at);
            prop_assert_eq!(&read, &kept);
            prop_assert_eq!((lost, end), (claimed, ring.head()));
        }

        #[test]
        fn a_damaged_word_costs_its_record_and_no_other(
            lengths in prop::collection::vec(0..10_usize, 1..20), word in any::<prop::sample::Index>(), bit in 0..64_u32,
        ) {
            let memory = Memory::new();
            let ring = memory.ring();
            let mut starts = Vec::new();
            for (index, length) in lengths.iter().enumerate() {
                starts.push(ring.head() as usize);
                put(&ring, &vec![index as u64; *length]).expect("room");
            }
            let damaged = word.index(ring.head() as usize);
            memory.0[64 + damaged].fetch_xor(1 << bit, Ordering::Relaxed);
            let of = starts.partition_point(|start| *start <= damaged) - 1;
            let (read, lost, _) = memory.read_from(0);
            let whole = lengths.iter().enumerate().filter(|(index, _)| *index != of);
            let whole: Vec<_> = whole.map(|(index, length)| vec![index as u64; *length]).collect();
            prop_assert_eq!(read, whole);
            prop_assert!(lost > 0);
        }
    }

    #[test]
    fn a_writer_that_slept_for_a_round_takes_nothing_of_the_next() {
        let memory = Memory::new();
        let ring = memory.ring();
        // It has read where the head is, and sleeps.
        let (slept, free) = (ring.head(), ring.free_word(ring.head()));
        for round in 0..40 {
            put(&ring, &[round; 20]).expect("room");
            ring.free(ring.head());
            let word = ring.word(slept);
            let taken = word.compare_exchange(free, CLAIMED, Ordering::AcqRel, Ordering::Acquire);
            assert!(taken.is_err(), "round {round}");
        }
    }

    #[test]
    fn whoever_meets_a_claim_whose_writer_was_killed_moves_the_head() {
        let memory = Memory::new();
        let ring = memory.ring();
        let claim = Head { phase: CLAIMED, length: 5, owner: Owner::UNKNOWN.short() };
        ring.word(0).store(claim.encode(), Ordering::Release);
        put(&ring, &[7]).expect("room");
        assert_eq!(ring.head(), 5 + 3);
        assert_eq!(ring.read(0, |_| true), Slot::Unfinished);
        assert_eq!(ring.read(0, |_| false), Slot::Lost { next: 5 });
        assert_eq!(ring.read(5, |_| true), Slot::Record { payload: vec![7], next: 8 });
    }

    #[test]
    fn a_head_that_a_killed_writer_did_not_move_holds_up_nobody_behind_the_reader() {
        let memory = Memory::new();
        let ring = memory.ring();
        let claim = Head { phase: CLAIMED, length: 5, owner: Owner::UNKNOWN.short() };
        ring.word(0).store(claim.encode(), Ordering::Release);
        assert_eq!(ring.read(0, |_| false), Slot::Lost { next: 5 });
        ring.free(5);
        put(&ring, &[7]).expect("room");
        assert_eq!(ring.read(5, |_| true), Slot::Record { payload: vec![7], next: 8 });
    }

    #[test]
    fn a_writer_that_was_given_up_writes_its_record_again() {
        let memory = Memory::new();
        let ring = memory.ring();
        let stopped = Writer::new(ring, ring.claim(Owner::UNKNOWN, 1).expect("room"), 1);
        put(&ring, &[2]).expect("room");
        assert_eq!(ring.read(0, |_| true), Slot::Unfinished);
        assert!(ring.abandon(0) && !ring.abandon(0) && !ring.abandon(3), "once, and no other");
        assert_eq!(ring.read(0, |_| true), Slot::Lost { next: 3 });
        assert_eq!(ring.read(3, |_| true), Slot::Record { payload: vec![2], next: 6 });
        assert!(!stopped.commit(Owner::UNKNOWN), "it is told");
        assert_eq!(ring.read(0, |_| true), Slot::Lost { next: 3 }, "and changed nothing");
        // As if the reader gave the first up while it was filled.
        let tries = std::cell::Cell::new(0);
        let filled = ring.append(Owner::UNKNOWN, 1, |writer| {
            tries.set(tries.get() + 1);
            assert!(tries.get() > 1 || ring.abandon(writer.position()));
            writer.put(9);
        });
        assert_eq!((filled, tries.get()), (Ok(()), 2));
        assert_eq!(memory.read_from(0), (vec![vec![2], vec![9]], 2, 12));
    }

    /// Reads what is there, has it stored, and looks after the ring, as the reporter does.
    fn tend(memory: &Memory, at: &mut u64) -> (Vec<Vec<u64>>, u64) {
        let (records, mut lost, end) = memory.read_from(*at);
        lost += u64::from(memory.ring().mend(end));
        memory.ring().free(end);
        *at = end;
        (records, lost)
    }

    #[test]
    fn a_damaged_head_or_tail_does_not_keep_writers_out_for_ever() {
        for word in [header::RING_HEAD, header::RING_TAIL, header::RING_TAIL_TURNED] {
            for (bit, unread) in (0..64).flat_map(|bit| [(bit, 0), (bit, 3)]) {
                let memory = Memory::new();
                let ring = memory.ring();
                let mut at = 0;
                (0..20).for_each(|value| put(&ring, &[value; 4]).expect("room"));
                assert_eq!(tend(&memory, &mut at).0.len(), 20);
                (0..unread).for_each(|value| put(&ring, &[value; 4]).expect("room"));
                memory.0[word].fetch_xor(1 << bit, Ordering::Relaxed);
                let (records, mut lost) = tend(&memory, &mut at);
                assert_eq!(records.len(), unread as usize, "word {word}, bit {bit}: what was whole is read");
                lost += tend(&memory, &mut at).1;
                // Many rounds.
                for value in 0..300 {
                    put(&ring, &[value; 4]).unwrap_or_else(|refused| {
                        panic!("word {word}, bit {bit}, {unread} unread, {value}: {refused:?}")
                    });
                    let (records, more) = tend(&memory, &mut at);
                    assert_eq!(records, [[value; 4]], "word {word}, bit {bit}");
                    lost += more;
                }
                assert!(lost <= 2, "word {word}, bit {bit}: {lost}");
            }
        }
    }

    #[test]
    fn a_damaged_word_where_the_next_record_would_begin_costs_that_word() {
        for bit in 0..64 {
            let memory = Memory::new();
            let ring = memory.ring();
            let mut at = 0;
            put(&ring, &[1]).expect("room");
            ring.word(3).fetch_xor(1 << bit, Ordering::Relaxed);
            let (records, lost) = tend(&memory, &mut at);
            assert_eq!(records, [[1]]);
            for value in 0..300 {
                put(&ring, &[value; 4]).unwrap_or_else(|refused| panic!("bit {bit}: {refused:?}"));
                assert_eq!(tend(&memory, &mut at).0, [[value; 4]], "bit {bit}");
            }
            assert!(lost <= 1, "bit {bit}: {lost}");
        }
    }

    #[test]
    fn a_reader_killed_while_it_freed_leaves_nothing_twice() {
        let memory = Memory::new();
        let ring = memory.ring();
        (0..6).for_each(|value| put(&ring, &[value; 4]).expect("room"));
        // As `free` does, up to the middle of the third record: from the end, the tail last.
        for position in (15..36).rev() {
            ring.word(position).store(ring.free_word(position + WORDS as u64), Ordering::Relaxed);
        }
        let (read, lost, end) = memory.read_from(ring.tail());
        assert_eq!((read, lost, end), (vec![vec![0; 4], vec![1; 4]], 1, 36));
        ring.free(36);
        assert_eq!((ring.tail(), ring.head()), (36, 36));
        put(&ring, &[9]).expect("room");
    }

    #[test]
    fn a_damaged_tail_is_read_from_its_copy() {
        let memory = Memory::new();
        let ring = memory.ring();
        (0..6).for_each(|value| put(&ring, &[value; 4]).expect("room"));
        ring.free(12);
        for bit in 0..64 {
            for word in [header::RING_TAIL, header::RING_TAIL_TURNED] {
                memory.0[word].fetch_xor(1 << bit, Ordering::Relaxed);
                let (read, ..) = memory.read_from(ring.tail());
                assert!(
                    read.len() >= 4 && read[read.len() - 4..] == [[2; 4], [3; 4], [4; 4], [5; 4]],
                    "{bit}"
                );
                memory.0[word].fetch_xor(1 << bit, Ordering::Relaxed);
            }
        }
    }
}

/// `RUSTFLAGS="--cfg loom" cargo test -p auscult-core --lib --release loom`
#[cfg(loom)]
mod loom_models {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    const WORDS: usize = 32;

    fn memory() -> Arc<Vec<AtomicU64>> {
        let words: Vec<AtomicU64> = (0..64 + WORDS).map(|_| AtomicU64::new(0)).collect();
        fresh(&words);
        Arc::new(words)
    }

    fn model(check: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.max_duration = Some(std::time::Duration::from_secs(60));
        builder.check(check);
    }

    /// Two writers, and a reader that frees: each record is read whole and once.
    #[test]
    fn loom_ring() {
        model(|| {
            let words = memory();
            let writers: Vec<_> = [1, 2]
                .into_iter()
                .map(|value| {
                    let words = words.clone();
                    thread::spawn(move || put(&Ring::new(&words, &layout(WORDS)), &[value, value]).is_ok())
                })
                .collect();
            let ring = Ring::new(&words, &layout(WORDS));
            let (mut at, mut read) = (0, Vec::new());
            let mut drain = |at: &mut u64| {
                while let Slot::Record { payload, next } = ring.read(*at, |_| true) {
                    read.push(payload);
                    *at = next;
                    ring.free(next);
                }
            };
            drain(&mut at);
            let written = writers.into_iter().map(|writer| writer.join().unwrap());
            assert!(written.into_iter().all(|written| written), "there is room");
            drain(&mut at);
            read.sort();
            assert_eq!(read, [[1, 1], [2, 2]]);
        });
    }
}
