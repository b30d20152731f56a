//! Telemetry for tests: disabled, captured, and scoped.
#![allow(clippy::expect_used)]

use std::sync::Barrier;
use std::time::Duration;

use soundpost::testing::Capture;
use soundpost::{FieldValue, Outcome, Seconds, Telemetry};
use tracing_subscriber::prelude::*;

#[soundpost::instrument(labels(voice = voice), fields(char_count = text.len()))]
fn synthesize(text: &str, voice: &str) -> Result<(), std::io::Error> {
    if let Some(call) = soundpost::current_call() {
        call.chunk(Seconds(0.5));
    }
    tracing::info!(voice, "synthesising");
    if text.is_empty() { Err(std::io::Error::other("no text")) } else { Ok(()) }
}

#[test]
fn capture_has_the_calls_and_log_events_of_its_scope() {
    let capture = Capture::start().expect("a capture");
    let _scope = capture.telemetry().scope();
    let _subscriber = tracing_subscriber::registry().with(capture.telemetry().layer()).set_default();
    assert!(synthesize("hello", "anna").is_ok());
    assert!(synthesize("", "otto").is_err());
    let calls = capture.calls().expect("calls");
    let shown: Vec<_> = calls.iter().map(|call| (&*call.operation, call.outcome, call.chunks)).collect();
    assert_eq!(shown, [("synthesize", Outcome::Ok, 1), ("synthesize", Outcome::Error, 1)]);
    assert_eq!(calls[0].labels, [("voice".to_owned(), "anna".to_owned())]);
    assert!(calls[0].fields.contains(&("char_count".to_owned(), FieldValue::Int(5))), "{calls:?}");
    let events = capture.log_events().expect("events");
    let of_calls: Vec<_> = events.iter().map(|event| (&*event.message, &event.request_id)).collect();
    assert_eq!(of_calls, [("synthesising", &calls[0].request_id), ("synthesising", &calls[1].request_id)]);
    assert!(capture.telemetry().render().contains("test_request_total{"));
}

#[test]
fn captures_of_two_threads_share_nothing() {
    let barrier = Barrier::new(2);
    std::thread::scope(|threads| {
        for voice in ["anna", "otto"] {
            let barrier = &barrier;
            threads.spawn(move || {
                let capture = Capture::start().expect("a capture");
                let _scope = capture.telemetry().scope();
                barrier.wait();
                for _ in 0..3 {
                    assert!(synthesize("hello", voice).is_ok());
                }
                barrier.wait();
                let calls = capture.calls().expect("calls");
                assert_eq!(calls.len(), 3);
                assert!(calls.iter().all(|call| call.labels[0].1 == voice), "{calls:?}");
            });
        }
    });
}

#[test]
fn scopes_nest_and_end() {
    let (outer, inner) = (Capture::start().expect("a capture"), Capture::start().expect("a capture"));
    let count = |capture: &Capture| capture.calls().expect("calls").len();
    {
        let _outer = outer.telemetry().scope();
        {
            let _inner = inner.telemetry().scope();
            assert!(synthesize("hello", "a").is_ok());
        }
        assert!(synthesize("hello", "a").is_ok());
    }
    // No telemetry is global here.
    assert!(soundpost::global().is_none());
    assert!(synthesize("hello", "a").is_ok());
    assert_eq!((count(&outer), count(&inner)), (1, 1));
}

#[test]
fn scopes_end_in_any_order() {
    let (outer, inner) = (Capture::start().expect("a capture"), Capture::start().expect("a capture"));
    let count = |capture: &Capture| capture.calls().expect("calls").len();
    let first = outer.telemetry().scope();
    let second = inner.telemetry().scope();
    drop(first);
    assert!(synthesize("hello", "a").is_ok());
    drop(second);
    assert!(synthesize("hello", "a").is_ok());
    assert_eq!((count(&outer), count(&inner)), (0, 1));
}

#[test]
fn disabled_telemetry_records_nothing() {
    let telemetry = Telemetry::disabled().expect("telemetry");
    assert!(!telemetry.is_enabled());
    let call = telemetry.operation("op").start();
    call.chunk(Seconds(1.0));
    call.finish();
    assert!(telemetry.family(soundpost::Spec::counter("c")).is_ok());
    assert!(telemetry.flush(Duration::from_secs(1)));
    {
        let _scope = telemetry.scope();
        let _subscriber = tracing_subscriber::registry().with(telemetry.layer()).set_default();
        assert!(synthesize("hello", "anna").is_ok());
        drop(telemetry.guard());
    }
    telemetry.set_unhealthy("reason", true);
    assert!(telemetry.snapshot().families.is_empty() && telemetry.in_flight().is_empty());
    assert!(telemetry.notices(0).is_empty() && telemetry.pids().is_empty() && !telemetry.is_reporter());
    assert!(telemetry.metrics_response("*/*").body.is_empty());
    assert_eq!((telemetry.render().as_str(), telemetry.address()), ("", None));
    assert!(!telemetry.directory().exists(), "{:?}", telemetry.directory());
    telemetry.shutdown(Duration::ZERO);
}
