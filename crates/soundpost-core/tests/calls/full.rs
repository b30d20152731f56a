//! A segment that clients fill with label values.

use super::*;

/// Returns the sum of a family over all its series.
fn all(snapshot: &Snapshot, name: &str) -> f64 {
    total(snapshot, name, &[])
}

#[test]
fn full_segment_keeps_sums_right_and_is_unhealthy() {
    let service = Service::with(Options { series_limit: 1_000_000, ..small() });
    let registry = service.calls.registry().clone();
    let operation = service.calls.operation("op").labels(["client", "voice"]).expect("labels");
    let other =
        service.calls.operation("other").labels(["a_label_with_a_name_that_is_not_short"]).expect("labels");
    let users = registry.family(Spec::counter("users").labels(&["user"])).expect("a family");
    assert_eq!(value(&service.snapshot(), "svc_unhealthy", &[("reason", "segment_full")]), None);
    for index in 0..4000 {
        let client = format!("{index}-{}", "x".repeat(index % 700));
        let call = operation.start_with([client.as_str(), "en"]);
        call.chunk(Seconds(0.5));
        drop(call.stage(&client));
        call.finish();
        let call = other.start_with([client.as_str()]);
        call.audio(Seconds(1.0));
        call.end(Outcome::Error);
        users.counter(&[&client]).expect("a counter").increment();
    }
    let running = operation.start_with(["running", "en"]);
    let snapshot = service.snapshot();
    assert_eq!(all(&snapshot, "svc_request"), 8000.0);
    assert_eq!(all(&snapshot, "svc_request_duration_seconds"), 8000.0);
    assert_eq!(all(&snapshot, "svc_stage_duration_seconds"), 4000.0);
    assert_eq!(all(&snapshot, "svc_audio_seconds"), 6000.0);
    assert_eq!(all(&snapshot, "users"), 4000.0);
    assert_eq!(all(&snapshot, "svc_requests_in_flight"), 1.0);
    assert_eq!(value(&snapshot, "svc_unhealthy", &[("reason", "segment_full")]), Some(1.0));
    assert!(errors(&snapshot, "segment") > 0.0 && errors(&snapshot, "label") > 0.0);
    assert_well_formed(&snapshot);
    running.finish();
}

#[test]
fn metric_without_room_records_nothing_and_is_counted() {
    let service = Service::with(small());
    let registry = service.calls.registry();
    let make = |index| registry.family(Spec::histogram(&format!("h{index}"), &[1.0]).labels(&["a"]));
    for index in 0..5000 {
        make(index).expect("no error").histogram(&["x"]).expect("a histogram").observe(1.0);
    }
    make(4999).expect("again").histogram(&["x"]).expect("a histogram").observe(1.0);
    assert!(registry.family(Spec::gauge("h4999")).is_err(), "another kind");
    let snapshot = service.snapshot();
    assert!(find_family(&snapshot, "h4999").is_none());
    assert_eq!(all(&snapshot, "h0"), 1.0);
    assert!(errors(&snapshot, "segment") > 0.0);
    assert_eq!(value(&snapshot, "svc_unhealthy", &[("reason", "segment_full")]), Some(1.0));
    service.start().finish();
    assert_eq!(service.finished(), 1.0, "its room was reserved");
}

#[test]
fn threads_that_end_in_a_call_free_its_slot() {
    let service = Service::with(small());
    for _ in 0..200 {
        std::thread::scope(|scope| {
            let operation = service.calls.operation("op");
            scope.spawn(move || operation.start().chunk(Seconds(1.0)));
        });
    }
    assert_eq!(service.count(Outcome::Abandoned), 200.0);
    assert_eq!(service.in_flight(), 0.0);
}
