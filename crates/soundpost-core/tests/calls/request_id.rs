//! Request ids, and those of a traceparent.

use soundpost_core::{REQUEST_ID_BYTES, RequestId};

use crate::Service;

#[test]
fn request_ids_are_the_callers_or_made() {
    let service = Service::new();
    let begin = || service.calls.operation("op").begin();
    assert_eq!(begin().request_id(" req-7d8e9f\n").start().request_id(), "req-7d8e9f");
    let long = "é".repeat(100);
    assert_eq!(begin().request_id(&long).start().request_id(), "é".repeat(REQUEST_ID_BYTES / 2));
    for blank in ["", " ", "\t\r\n"] {
        let made = begin().request_id(blank).start();
        let id = made.request_id();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(begin().traceparent(trace).start().request_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(begin().request_id("mine").traceparent(trace).start().request_id(), "mine");
    assert_eq!(begin().traceparent(trace).request_id("mine").start().request_id(), "mine");
    let other = begin().traceparent("nonsense").start();
    assert_eq!(other.request_id().len(), 32);
}

/// <https://www.w3.org/TR/trace-context/#traceparent-header>
#[test]
fn traceparents_are_read_by_the_specification() {
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let valid = [
        format!("00-{trace}-{parent}-01"),
        format!("00-{trace}-{parent}-00"),
        format!("00-{trace}-{parent}-ff"),
        format!(" 00-{trace}-{parent}-01\t"),
        format!("01-{trace}-{parent}-01"),
        format!("cc-{trace}-{parent}-01-what-the-future-will-be-like"),
        format!("fe-{trace}-{parent}-01-"),
    ];
    for header in valid {
        let id = RequestId::from_traceparent(&header).unwrap_or_else(|| panic!("{header:?} is valid"));
        assert_eq!(id.as_str(), trace);
    }
    let zeros = "0".repeat(32);
    let invalid = [
        String::new(),
        "-".to_owned(),
        "---".to_owned(),
        format!("ff-{trace}-{parent}-01"),
        format!("00-{zeros}-{parent}-01"),
        format!("00-{trace}-{}-01", "0".repeat(16)),
        format!("00-{}-{parent}-01", trace.to_uppercase()),
        format!("00-{trace}-{}-01", parent.to_uppercase()),
        format!("0x-{trace}-{parent}-01"),
        format!("00-{}-{parent}-01", &trace[1..]),
        format!("00-{trace}0-{parent}-01"),
        format!("00-{trace}-{}-01", &parent[1..]),
        format!("00-{trace}-{parent}-1"),
        format!("00-{trace}-{parent}-001"),
        format!("00-{trace}-{parent}-0G"),
        format!("00-{trace}-{parent}"),
        format!("00-{trace}-{parent}-01-extra"),
        format!("00-{trace}-{parent}-01-"),
        format!("01-{trace}-{parent}-01what"),
        format!("00_{trace}_{parent}_01"),
        format!("00-{}-{parent}-01", "é".repeat(16)),
        format!("0-{trace}-{parent}-01"),
        format!("000-{trace}-{parent}-01"),
    ];
    for header in invalid {
        assert_eq!(RequestId::from_traceparent(&header), None, "{header:?}");
    }
}

#[test]
fn random_ids_never_repeat_over_threads() {
    let ids: Vec<Vec<String>> = std::thread::scope(|scope| {
        let make = || (0..20_000).map(|_| RequestId::random().to_string()).collect();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|thread| thread.join().expect("ids")).collect()
    });
    let mut all: Vec<String> = ids.into_iter().flatten().collect();
    all.sort();
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(all.iter().all(|id| id.len() == 32));
}
