//! Tests of rounds, killed writers and readers, and damage.

use proptest::prelude::*;

use super::memory::{Memory, WORDS, tend};
use super::*;
use crate::segment::ring::{CLAIMED, Head, PREFIX};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Compares the ring with a queue over many rounds. Readers are killed between reading and freeing,
    /// writers between claiming and committing.
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
                    // The reader was killed after storing, before it freed a word: the next one frees it.
                    let (read, lost, end) = memory.read_from(at);
                    prop_assert_eq!(&read, &kept);
                    prop_assert_eq!(lost, claimed);
                    at = end;
                    (kept, claimed) = (Vec::new(), 0);
                }
                _ => {
                    ring.free(at, |_| true);
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
    // The writer has read the head and sleeps.
    let (slept, free) = (ring.head(), ring.free_word(ring.head()));
    for round in 0..40 {
        put(&ring, &[round; 20]).expect("room");
        ring.free(ring.head(), |_| true);
        let word = ring.word(slept);
        let taken = word.compare_exchange(free, CLAIMED, Ordering::AcqRel, Ordering::Acquire);
        assert!(taken.is_err(), "round {round}");
    }
}

#[test]
fn writer_moves_the_head_past_a_killed_writers_claim() {
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
    ring.free(5, |_| true);
    put(&ring, &[7]).expect("room");
    assert_eq!(ring.read(5, |_| true), Slot::Record { payload: vec![7], next: 8 });
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
            // Many rounds pass.
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
    ring.free(36, |_| true);
    assert_eq!((ring.tail(), ring.head()), (36, 36));
    put(&ring, &[9]).expect("room");
}

#[test]
fn a_damaged_tail_is_read_from_its_copy() {
    let memory = Memory::new();
    let ring = memory.ring();
    (0..6).for_each(|value| put(&ring, &[value; 4]).expect("room"));
    ring.free(12, |_| true);
    for bit in 0..64 {
        for word in [header::RING_TAIL, header::RING_TAIL_TURNED] {
            memory.0[word].fetch_xor(1 << bit, Ordering::Relaxed);
            let (read, ..) = memory.read_from(ring.tail());
            assert!(read.len() >= 4 && read[read.len() - 4..] == [[2; 4], [3; 4], [4; 4], [5; 4]], "{bit}");
            memory.0[word].fetch_xor(1 << bit, Ordering::Relaxed);
        }
    }
}
