//! How calls end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use soundpost_core::{Outcome, Seconds, Status};

use crate::Service;
use crate::common::*;

#[test]
fn every_outcome_is_counted_under_its_status() {
    let service = Service::new();
    for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
        for _ in 0..=index {
            service.start().end(outcome);
        }
    }
    for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
        assert_eq!(service.count(outcome), index as f64 + 1.0, "{outcome:?}");
        assert_eq!(Outcome::from_name(outcome.name()), Some(outcome));
    }
    let snapshot = service.snapshot();
    for status in Status::ALL {
        let labels = [("operation", "op"), ("status", status.name())];
        let durations = distribution(&snapshot, "svc_request_duration_seconds", &labels);
        assert_eq!(durations.count() as f64, total(&snapshot, "svc_request", &labels), "{status:?}");
    }
    assert_eq!(value(&snapshot, "svc_unhealthy", &[("reason", "poisoned")]), Some(1.0));
    assert_well_formed(&snapshot);
}

#[test]
fn statuses_are_those_of_the_vocabulary() {
    use Outcome::*;
    for outcome in [Error, Oom, Poisoned, Empty, Silent, Truncated, Timeout, Died, Corrupt] {
        assert_eq!(outcome.status().name(), "error");
    }
    assert_eq!(Invalid.status().name(), "rejected");
    assert_eq!(Ok.status().name(), "success");
    assert_eq!((Cancelled.status().name(), Abandoned.status().name()), ("cancelled", "cancelled"));
    assert_eq!(Outcome::from_name("nonsense"), None);
}

#[test]
fn errors_are_classified_by_class_and_text() {
    let cases: [(&[&str], &str, Outcome); 21] = [
        (&["RuntimeError"], "boom", Outcome::Error),
        (&[], "", Outcome::Error),
        (&["torch.cuda.OutOfMemoryError", "OutOfMemoryError", "RuntimeError"], "", Outcome::Oom),
        (&["RuntimeError"], "CUDA out of memory. Tried to allocate 2 GiB", Outcome::Oom),
        (&["RuntimeError"], "CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate", Outcome::Oom),
        (&["RuntimeException"], "Failed to allocate memory for requested buffer", Outcome::Oom),
        (&["MemoryError"], "", Outcome::Oom),
        (&["ValueError", "MemoryError"], "", Outcome::Oom),
        (&["RuntimeError"], "CUDA error: device-side assert triggered", Outcome::Poisoned),
        (&["RuntimeError"], "CUDA error: an illegal memory access was encountered", Outcome::Poisoned),
        (&["RuntimeError"], "CUDA error: unspecified launch failure", Outcome::Poisoned),
        (&["TimeoutError"], "", Outcome::Timeout),
        (&["asyncio.TimeoutError", "TimeoutError"], "", Outcome::Timeout),
        (&["CancelledError"], "", Outcome::Cancelled),
        (&["KeyboardInterrupt"], "", Outcome::Cancelled),
        (&["GreenletExit"], "", Outcome::Cancelled),
        (&["SystemExit"], "", Outcome::Cancelled),
        (&["CancelledError"], "CUDA out of memory", Outcome::Cancelled),
        (&["RuntimeError"], "out of patience", Outcome::Error),
        (&["ValidationError", "ValueError"], "1 validation error for Request", Outcome::Invalid),
        (&["ValidationError"], "CUDA out of memory", Outcome::Oom),
    ];
    for (classes, text, expected) in cases {
        assert_eq!(Outcome::classify(classes, text), expected, "{classes:?} {text:?}");
    }
}

#[test]
fn rust_errors_are_classified_through_their_sources() {
    #[derive(Debug, thiserror::Error)]
    #[error("synthesis failed")]
    struct Outer(#[source] std::io::Error);
    let outcome = |kind, text: &str| Outcome::of_error(&Outer(std::io::Error::new(kind, text.to_owned())));
    assert_eq!(outcome(std::io::ErrorKind::TimedOut, "late"), Outcome::Timeout);
    assert_eq!(outcome(std::io::ErrorKind::Other, "CUDA out of memory"), Outcome::Oom);
    assert_eq!(outcome(std::io::ErrorKind::Other, "device-side assert"), Outcome::Poisoned);
    assert_eq!(outcome(std::io::ErrorKind::Other, "no"), Outcome::Error);
    let service = Service::new();
    let call = service.start();
    call.fail(&Outer(std::io::Error::other("CUDA out of memory")));
    assert_eq!(call.fields(), [("error".into(), "synthesis failed".into())]);
    assert_eq!(service.count(Outcome::Oom), 1.0);
}

#[test]
fn only_the_first_end_counts() {
    let service = Service::new();
    let call = service.start();
    call.finish();
    call.end(Outcome::Error);
    call.fail(&std::io::Error::other("CUDA error: device-side assert"));
    call.abandon();
    call.chunk(Seconds(1.0));
    call.characters(7);
    assert!(!call.is_active());
    drop(call);
    assert_eq!((service.count(Outcome::Ok), service.finished()), (1.0, 1.0));
    assert_eq!(service.observed("characters"), (0, 0.0));
    assert_eq!(service.observed("time_to_first_audio_seconds").0, 0);
    assert_eq!(value(&service.snapshot(), "svc_unhealthy", &[("reason", "poisoned")]), None);
}

#[test]
fn of_many_threads_that_end_a_call_one_wins() {
    let service = Service::new();
    for _ in 0..200 {
        let call = service.start();
        std::thread::scope(|scope| {
            for outcome in [Outcome::Ok, Outcome::Error, Outcome::Timeout] {
                let state = call.handle().clone();
                scope.spawn(move || state.end(outcome));
            }
        });
    }
    assert_eq!(service.finished(), 200.0);
    assert_eq!(service.in_flight(), 0.0);
}

#[test]
fn a_dropped_call_is_abandoned_and_a_panic_is_an_error() {
    let service = Service::new();
    drop(service.start());
    assert_eq!(service.count(Outcome::Abandoned), 1.0);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _call = service.start();
        panic!("on purpose");
    }));
    assert!(caught.is_err());
    assert_eq!(service.count(Outcome::Error), 1.0);
    assert_eq!(service.finished(), 2.0);
}

#[test]
fn a_result_read_from_a_call_that_does_not_stream_is_ok_when_dropped() {
    let service = Service::new();
    let begin = || service.calls.operation("op").begin().streaming(false);
    let call = begin().start();
    call.chunk(Seconds(1.5));
    drop(call);
    assert_eq!(service.count(Outcome::Ok), 1.0);
    let header = begin().start();
    header.chunk(Seconds(0.0));
    drop(header);
    assert_eq!(service.count(Outcome::Abandoned), 1.0, "a header is no audio");
    let late = service.start();
    late.chunk(Seconds(1.0));
    late.streaming(false);
    drop(late);
    assert_eq!(service.count(Outcome::Ok), 2.0);
    let streaming = service.start();
    streaming.chunk(Seconds(1.0));
    drop(streaming);
    assert_eq!(service.count(Outcome::Abandoned), 2.0);
    assert_eq!(service.observed("playback_underrun_seconds").0, 1, "only for those that stream");
}

#[test]
fn a_call_without_the_output_it_was_to_have_is_empty() {
    let service = Service::new();
    let operation = service.calls.operation("op").expects_output(true);
    operation.start().finish();
    let silent = operation.start();
    silent.audio(Seconds(0.0));
    silent.finish();
    assert_eq!(service.count(Outcome::Empty), 2.0);
    let chunk = operation.start();
    chunk.chunk(Seconds(0.0));
    chunk.finish();
    let audio = operation.start();
    audio.audio(Seconds(2.0));
    audio.finish();
    assert_eq!(service.count(Outcome::Ok), 2.0);
    let late = service.start();
    late.expects_output();
    late.finish();
    assert_eq!(service.count(Outcome::Empty), 3.0);
}
