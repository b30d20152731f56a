//! Calls: written, read, and filtered.

use std::time::Duration;

use proptest::prelude::*;
use soundpost_core::{FieldValue, FinishedCall, Outcome, StageTime, Status};
use soundpost_store::{Batch, CallFilter, DeathKey, Order, Reader};

use super::support::*;

fn any_call() -> impl Strategy<Value = FinishedCall> {
    let value = prop_oneof![
        any::<String>().prop_map(FieldValue::Text),
        any::<i64>().prop_map(FieldValue::Int),
        (proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO)
            .prop_map(FieldValue::Float),
        any::<bool>().prop_map(FieldValue::Bool),
    ];
    let stage = (any::<u32>(), any::<u32>(), 0..1_u64 << 50);
    let texts = ("[0-9a-fA-F]{32}|.*", any::<String>(), proptest::option::of(any::<String>()));
    let maps = (
        proptest::collection::btree_map(any::<String>(), any::<String>(), 0..4),
        proptest::collection::btree_map(any::<String>(), value, 0..6),
        proptest::collection::btree_map(any::<String>(), stage, 0..4),
    );
    let numbers = (0..1_u64 << 62, 0..1_u64 << 40, any::<u64>(), 0..Outcome::ALL.len());
    (texts, maps, numbers).prop_map(
        |(
            (request_id, operation, died_in),
            (labels, fields, stages),
            (ended, duration, segment, outcome),
        )| {
            FinishedCall {
                request_id,
                operation,
                died_in,
                labels: labels.into_iter().collect(),
                fields: fields.into_iter().collect(),
                stages: stages
                    .into_iter()
                    .map(|(name, (count, failures, nanos))| StageTime { name, count, failures, nanos })
                    .collect(),
                ended_unix: ended,
                ended: 5 + duration,
                started: 5,
                segment,
                outcome: Outcome::ALL[outcome],
                ..call("")
            }
        },
    )
}

proptest! {
    #[test]
    fn calls_read_equal_calls_written(calls in proptest::collection::vec(any_call(), 1..4)) {
        let place = directory();
        write_calls(&mut open(place.path()), &calls);
        let wanted: Vec<_> = (1..).zip(&calls).map(|(sequence, call)| row(sequence, call)).collect();
        prop_assert_eq!(all_calls(place.path()), wanted);
    }
}

#[test]
fn non_finite_numbers_are_read_as_nan() {
    let place = directory();
    let fields = vec![("gain".to_owned(), FieldValue::Float(f64::INFINITY))];
    write_calls(&mut open(place.path()), &[FinishedCall { fields, audio_seconds: f64::NAN, ..call("a") }]);
    let found = all_calls(place.path());
    assert!(matches!(found[0].call.fields[0].1, FieldValue::Float(number) if number.is_nan()));
    assert_eq!(found[0].call.audio_seconds, 0.0);
}

#[test]
fn a_call_that_died_is_stored_once() {
    let place = directory();
    let key = |slot| DeathKey { segment: u64::MAX, slot, sequence: 1 << 63 };
    let died = [(key(1), call("a")), (key(2), call("b")), (key(1), call("a"))];
    let mut store = open(place.path());
    store.write(&Batch { died: &died, ..Batch::default() }).unwrap();
    drop(store);
    open(place.path())
        .write(&Batch { died: &died, records: &recorded(&[call("c")]), ..Batch::default() })
        .unwrap();
    assert_eq!(all_request_ids(place.path()), ["a", "b", "c"]);
}

#[test]
fn segment_cursors_are_stored_and_deleted() {
    let place = directory();
    let mut store = open(place.path());
    assert_eq!(store.segment_cursor(7).unwrap(), None);
    let cursors = [(7, 10), (u64::MAX, u64::MAX)];
    store.write(&Batch { cursors: &cursors, ..Batch::default() }).unwrap();
    store.write(&Batch { cursors: &[(7, 20)], ..Batch::default() }).unwrap();
    drop(store);
    let mut store = open(place.path());
    assert_eq!(store.segment_cursor(7).unwrap(), Some(20));
    assert_eq!(store.segment_cursor(u64::MAX).unwrap(), Some(u64::MAX));
    store.forget_segment(7).unwrap();
    assert_eq!(store.segment_cursor(7).unwrap(), None);
}

#[test]
fn filters_find_matching_calls() {
    let place = directory();
    let labels = |emotion: &str| vec![("emotion".to_owned(), emotion.to_owned())];
    let made = |id: &str, outcome, seconds: u64| FinishedCall {
        outcome,
        ended_unix: NOW + seconds * SECOND,
        ended: 1_000 * SECOND + (10 - seconds) * SECOND,
        ..call(id)
    };
    let calls = [
        made("a", Outcome::Ok, 1),
        FinishedCall { labels: labels("angry"), ..made("b", Outcome::Oom, 2) },
        FinishedCall { operation: "clone".to_owned(), ..made("c", Outcome::Abandoned, 3) },
        FinishedCall { labels: vec![], ..made("d", Outcome::Ok, 4) },
    ];
    write_calls(&mut open(place.path()), &calls);
    let all = CallFilter::default;
    let found = |filter: CallFilter| newest(place.path(), filter).concat();
    assert_eq!(found(all()), "dcba");
    assert_eq!(found(CallFilter { order: Order::Oldest, limit: Some(3), ..all() }), "abc");
    assert_eq!(found(CallFilter { order: Order::Slowest, limit: Some(2), ..all() }), "ab");
    assert_eq!(found(CallFilter { since: Some(NOW + 2 * SECOND), ..all() }), "dcb");
    assert_eq!(found(CallFilter { until: Some(NOW + 2 * SECOND), ..all() }), "a");
    assert_eq!(found(CallFilter { outcome: Some(Outcome::Oom), ..all() }), "b");
    assert_eq!(found(CallFilter { outcome: Some(Outcome::Ok), ..all() }), "da");
    assert_eq!(found(CallFilter { status: Some(Status::Error), ..all() }), "b");
    assert_eq!(found(CallFilter { status: Some(Status::Cancelled), ..all() }), "c");
    assert_eq!(found(CallFilter { status: Some(Status::Success), ..all() }), "da");
    assert_eq!(found(CallFilter { operation: Some("clone".to_owned()), ..all() }), "c");
    assert_eq!(found(CallFilter { request_id: Some("d".to_owned()), ..all() }), "d");
    assert_eq!(found(CallFilter { labels: labels("angry"), ..all() }), "b");
    assert_eq!(found(CallFilter { labels: labels("' OR 1 = 1 --"), ..all() }), "");
    assert_eq!(found(CallFilter { min_duration: Some(Duration::from_secs(8)), ..all() }), "ba");
    let summary = reader(place.path()).summary(&all()).unwrap();
    assert_eq!(summary.calls, [(Outcome::Ok, 2), (Outcome::Oom, 1), (Outcome::Abandoned, 1)].into());
    assert_eq!((summary.total(), summary.ended), (4, Some((NOW + SECOND, NOW + 4 * SECOND))));
    let failed = CallFilter { status: Some(Status::Error), ..all() };
    assert_eq!(reader(place.path()).summary(&failed).unwrap().total(), 1);
}

#[test]
fn readers_read_new_calls_without_a_writer() {
    let place = directory();
    assert!(Reader::open(place.path()).unwrap().is_none());
    assert!(Reader::open(&place.path().join("nowhere")).unwrap().is_none());
    let mut store = open(place.path());
    let reader = reader(place.path());
    for number in 1..=5 {
        write_calls(&mut store, &[call("x")]);
        assert_eq!(reader.calls(&CallFilter::default()).unwrap().len(), number);
        assert_eq!(reader.last_sequence().unwrap(), number as u64);
    }
    drop(store);
    assert_eq!(reader.calls(&CallFilter::default()).unwrap().len(), 5);
    drop(reader);
    assert_eq!(all_calls(place.path()).len(), 5);
}
