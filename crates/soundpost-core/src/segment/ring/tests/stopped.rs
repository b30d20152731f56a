//! Tests of writers that are stopped in the middle of a record, abandoned, and resume.

use proptest::prelude::*;

use super::memory::{Memory, WORDS, tend};
use super::*;
use crate::segment::ring::PREFIX;

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
    // The reader abandons the first record while it is filled.
    let tries = std::cell::Cell::new(0);
    let filled = ring.append(Owner::UNKNOWN, 1, |writer| {
        tries.set(tries.get() + 1);
        assert!(tries.get() > 1 || ring.abandon(writer.position()));
        writer.put(9);
    });
    assert_eq!((filled, tries.get()), (Ok(()), 2));
    assert_eq!(memory.read_from(0), (vec![vec![2], vec![9]], 2, 12));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// One writer at a time is stopped in its record for rounds of the ring while others continue; it is
    /// killed or resumes.
    #[test]
    fn a_stopped_writer_damages_nothing_when_it_goes_on(
        steps in prop::collection::vec((0..12_u8, 0..40_usize), 0..500), words in 0..40_usize,
    ) {
        let memory = Memory::new();
        let ring = memory.ring();
        let (mut stopped, mut kept, mut at, mut number) = (None, Vec::new(), 0, 0);
        let mut alive = true;
        for (step, length) in steps {
            match (step, stopped.take()) {
                (0..=6, still) => {
                    let payload = vec![number; length];
                    let room = WORDS as u64 - (ring.head() - ring.tail());
                    match put(&ring, &payload) {
                        Ok(()) => kept.push(payload),
                        // Or the record includes the words left before the hole.
                        Err(_) => prop_assert!(room < 2 * (length + PREFIX) as u64 + (words + PREFIX) as u64),
                    }
                    number += 1;
                    stopped = still;
                }
                (7, None) if ring.hole.load(Ordering::Relaxed) == 0 => {
                    // The writer stores a part of its record, and the reader abandons it.
                    if let Ok(begun) = ring.claim(Owner::UNKNOWN, words) {
                        let mut writer = Writer::new(ring, begun, words);
                        (0..words / 2).for_each(|_| writer.put(u64::MAX));
                        prop_assert!(ring.abandon(begun));
                        (stopped, alive) = (Some(writer), true);
                    }
                }
                (8, Some(writer)) => prop_assert!(!writer.commit(Owner::UNKNOWN)),
                // A word of the record.
                (9, Some(mut writer)) => {
                    writer.put(u64::MAX);
                    stopped = Some(writer);
                }
                // The writer was killed, which only the reader detects.
                (10, Some(_)) => alive = false,
                (_, still) => {
                    let (read, _, end) = memory.read_from(at);
                    prop_assert_eq!(&read, &kept);
                    ring.free(end, |_| alive);
                    (kept, at) = (Vec::new(), end);
                    stopped = still;
                }
            }
        }
        let (read, ..) = memory.read_from(at);
        prop_assert_eq!(&read, &kept);
    }
}

#[test]
fn the_place_of_a_stopped_writer_is_passed_until_it_comes_back_and_counted_once() {
    let memory = Memory::new();
    let ring = memory.ring();
    let (mut at, mut lost) = (0, 0);
    let mut round = |at: &mut u64| {
        for value in 0..40 {
            put(&ring, &[value; 20]).expect("room");
            let (records, more, end) = memory.read_from(*at);
            assert_eq!(records, [[value; 20]]);
            ring.free(end, |_| true);
            (*at, lost) = (end, lost + more);
        }
        lost
    };
    let mut stopped = Writer::new(ring, ring.claim(Owner::UNKNOWN, 3).expect("room"), 3);
    assert!(ring.abandon(0));
    assert_eq!(round(&mut at), 1);
    stopped.put(7);
    assert_eq!(round(&mut at), 1, "for many rounds");
    assert_eq!(ring.hole.load(Ordering::Relaxed) % WORDS as u64, 0);
    assert!(!stopped.commit(Owner::UNKNOWN));
    assert_eq!(round(&mut at), 1);
    assert_eq!(ring.hole.load(Ordering::Relaxed), 0, "it is free again");
}

#[test]
fn a_damaged_word_of_the_hole_costs_room_and_no_record() {
    for bit in 0..64 {
        let memory = Memory::new();
        let ring = memory.ring();
        let mut at = 0;
        (0..7).for_each(|value| put(&ring, &[value; 20]).expect("room"));
        memory.0[header::RING_HOLE].fetch_xor(1 << bit, Ordering::Relaxed);
        assert_eq!(tend(&memory, &mut at).0.len(), 7);
        for value in 0..100 {
            put(&ring, &[value; 20]).unwrap_or_else(|refused| panic!("bit {bit}: {refused:?}"));
            assert_eq!(tend(&memory, &mut at).0, [[value; 20]], "bit {bit}");
        }
    }
}
