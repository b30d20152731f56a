//! Tests of the bisection against simulated receivers.

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

/// A receiver that refuses batches with a bad record or with more than `most` records.
struct Receiver {
    bad: BTreeSet<usize>,
    most: usize,
    /// Replies before it examines a batch, the last first.
    moods: Vec<Option<Verdict>>,
    has: Vec<usize>,
    requests: usize,
}

impl Receiver {
    fn new(bad: impl IntoIterator<Item = usize>) -> Self {
        let bad = bad.into_iter().collect();
        Self { bad, most: usize::MAX, moods: vec![], has: vec![], requests: 0 }
    }

    fn take(&mut self, batch: Range<usize>) -> Answer {
        self.requests += 1;
        if let Some(mood) = self.moods.pop().flatten() {
            return Answer::none(mood);
        }
        if batch.len() > self.most {
            return Answer::none(Verdict::TooLarge("too large".into()));
        }
        if batch.clone().any(|record| self.bad.contains(&record)) {
            return Answer::none(Verdict::Refused("bad".into()));
        }
        self.has.extend(batch.clone());
        Answer::taken(batch.len(), Losses::default())
    }

    /// Delivers `records` records. Returns the bisection and the number of waits.
    fn deliver(&mut self, records: usize) -> (BatchBisect, usize) {
        let (mut delivery, mut waits) = (BatchBisect::new(records), 0);
        while let Some(batch) = delivery.next() {
            assert_eq!(batch.start, delivery.settled(), "records are settled in their order");
            waits += usize::from(delivery.apply(self.take(batch)) != Step::Continue);
        }
        (delivery, waits)
    }
}

#[test]
fn bad_record_in_a_thousand_is_found_with_21_requests() {
    let mut most = 0;
    for bad in 0..1000 {
        let mut receiver = Receiver::new([bad]);
        let (delivery, waits) = receiver.deliver(1000);
        let good: Vec<_> = (0..1000).filter(|record| *record != bad).collect();
        assert_eq!(receiver.has, good);
        assert_eq!(delivery.rejected(), Rejected { refused: 1, ..Rejected::default() });
        assert_eq!((delivery.settled(), waits), (1000, 0));
        most = most.max(receiver.requests);
    }
    assert!(most <= 21, "{most} requests");
}

#[test]
fn single_record_that_is_too_large_is_rejected() {
    let mut receiver = Receiver { most: 0, ..Receiver::new([]) };
    let (delivery, _) = receiver.deliver(3);
    assert_eq!(delivery.rejected(), Rejected { too_large: 3, ..Rejected::default() });
    assert_eq!((delivery.settled(), receiver.has.len()), (3, 0));
}

#[test]
fn empty_batch_sends_nothing() {
    assert_eq!(BatchBisect::new(0).next(), None);
}

#[test]
fn settled_records_are_not_sent_again() {
    let mut delivery = BatchBisect::new(10);
    let later = Verdict::later("gone");
    let some = Answer {
        settled: 4,
        rejected: Rejected { refused: 1, ..Rejected::default() },
        ..Answer::none(later.clone())
    };
    assert_eq!(delivery.apply(some), Step::Wait(later));
    assert_eq!((delivery.settled(), delivery.rejected().total(), delivery.next()), (4, 1, Some(4..10)));
    assert_eq!(delivery.apply(Answer::taken(6, Losses { records: 2, ..Losses::default() })), Step::Continue);
    assert_eq!(delivery.next(), None);
    let rejected = Rejected { refused: 1, empty: 2, too_large: 0 };
    assert_eq!((delivery.settled(), delivery.rejected()), (10, rejected));
}

#[test]
fn removed_records_are_not_sent_again() {
    let mut delivery = BatchBisect::new(8);
    let refused = || Answer::none(Verdict::Faulty("bad".into()));
    for halves in [0..8, 0..4, 0..2, 0..1] {
        assert_eq!(delivery.next(), Some(halves));
        assert_eq!(delivery.apply(refused()), Step::Continue);
    }
    assert_eq!(delivery.take_settled(), (1, Rejected { refused: 1, ..Rejected::default() }));
    assert_eq!((delivery.settled(), delivery.rejected().total(), delivery.next()), (0, 0, Some(0..1)));
    assert_eq!(delivery.apply(Answer::taken(1, Losses::default())), Step::Continue);
    assert_eq!(delivery.next(), Some(1..3));
    assert_eq!(delivery.take_settled(), (1, Rejected::default()));
    for rest in [0..2, 2..6] {
        assert_eq!(delivery.next(), Some(rest.clone()));
        assert_eq!(delivery.apply(Answer::taken(rest.len(), Losses::default())), Step::Continue);
    }
    assert_eq!((delivery.next(), delivery.take_settled().0), (None, 6));
}

#[test]
fn only_candidates_are_halved() {
    let mut delivery = BatchBisect::new(100);
    let refused = |suspects| Answer { suspects, ..Answer::none(Verdict::Refused("bad".into())) };
    assert_eq!(delivery.apply(Answer { settled: 10, ..refused(2) }), Step::Continue);
    assert_eq!(delivery.next(), Some(10..11));
    assert_eq!(delivery.apply(Answer::taken(1, Losses::default())), Step::Continue);
    assert_eq!(delivery.next(), Some(11..12));
    assert_eq!(delivery.apply(refused(1)), Step::Continue);
    assert_eq!(delivery.next(), Some(12..100));
    assert_eq!(delivery.apply(refused(1)), Step::Continue);
    assert_eq!(delivery.next(), Some(13..100));
    let rejected = Rejected { refused: 2, ..Rejected::default() };
    assert_eq!((delivery.settled(), delivery.rejected()), (13, rejected));
}

fn mood() -> impl Strategy<Value = Option<Verdict>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(Verdict::Misconfigured("no".into()))),
        1 => Just(Some(Verdict::later("later"))),
    ]
}

proptest! {
    #[test]
    fn good_records_arrive_once_and_in_order(
        records in 0usize..200,
        bad in btree_set(0usize..200, 0..20),
        most in 1usize..200,
        moods in vec(mood(), 0..50),
    ) {
        let mut receiver = Receiver { most, moods: moods.clone(), ..Receiver::new(bad.iter().copied()) };
        let (delivery, waits) = receiver.deliver(records);
        let good: Vec<_> = (0..records).filter(|record| !bad.contains(record)).collect();
        let refused = (records - good.len()) as u64;
        prop_assert_eq!(&receiver.has, &good);
        prop_assert_eq!(delivery.rejected(), Rejected { refused, ..Rejected::default() });
        prop_assert_eq!(delivery.settled(), records);
        prop_assert!(waits <= moods.iter().flatten().count());
    }
}
