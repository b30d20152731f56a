//! Calls, stages and chunks through their public doors: every outcome and every request metric.
#![allow(clippy::expect_used)]

mod common;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use auscult_core::snapshot::Snapshot;
use auscult_core::{
    Call, CallFuture, Calls, Identity, LATENCY_BUCKETS, Options, Outcome, RATIO_BUCKETS, REQUEST_ID_BYTES,
    Registry, RequestId, Seconds, Status, current_call, enter,
};
use common::*;

struct Service {
    home: Home,
    calls: Arc<Calls>,
}

impl Service {
    fn new() -> Self {
        let home = Home::new();
        let calls = home.calls();
        Self { home, calls }
    }

    fn with(options: Options) -> Self {
        let home = Home::new();
        let calls = Calls::new(&home.registry_with(options)).expect("request metrics");
        Self { home, calls }
    }

    fn snapshot(&self) -> Snapshot {
        self.home.snapshot(self.calls.registry())
    }

    /// Finished calls of the operation `op` with this outcome.
    fn count(&self, outcome: Outcome) -> f64 {
        let labels = [("operation", "op"), ("status", outcome.status().name()), ("outcome", outcome.name())];
        value(&self.snapshot(), "svc_request", &labels).unwrap_or(0.0)
    }

    fn finished(&self) -> f64 {
        total(&self.snapshot(), "svc_request", &[])
    }

    fn in_flight(&self) -> f64 {
        value(&self.snapshot(), "svc_requests_in_flight", &[("operation", "op")]).expect("known")
    }

    fn start(&self) -> Call {
        self.calls.operation("op").start::<&str>([])
    }

    fn observed(&self, name: &str) -> (u64, f64) {
        let snapshot = self.snapshot();
        let name = format!("svc_{name}");
        match series(&snapshot, &name, &[("operation", "op")]) {
            Some(_) => {
                let distribution = distribution(&snapshot, &name, &[("operation", "op")]);
                (distribution.count(), distribution.sum)
            }
            None => (0, 0.0),
        }
    }
}

/// Lets at least this much time pass, working.
fn work(millis: u64) {
    let end = Instant::now() + Duration::from_millis(millis);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

#[track_caller]
fn assert_between(value: f64, low: f64, high: f64) {
    assert!((low..=high).contains(&value), "{value} is not between {low} and {high}");
}

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
    for outcome in [Error, Oom, Poisoned, Empty, Silent, Truncated, Timeout, Died] {
        assert_eq!(outcome.status().name(), "error");
    }
    assert_eq!(Ok.status().name(), "success");
    assert_eq!((Cancelled.status().name(), Abandoned.status().name()), ("cancelled", "cancelled"));
    assert_eq!(Outcome::from_name("nonsense"), None);
}

#[test]
fn errors_are_classified_by_class_and_text() {
    let cases: [(&[&str], &str, Outcome); 18] = [
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
        (&["SystemExit"], "", Outcome::Cancelled),
        (&["CancelledError"], "CUDA out of memory", Outcome::Cancelled),
        (&["RuntimeError"], "out of patience", Outcome::Error),
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
                let state = call.state().clone();
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
    let begin = || service.calls.operation("op").begin::<&str>([]).streaming(false);
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
    operation.start::<&str>([]).finish();
    let silent = operation.start::<&str>([]);
    silent.audio(Seconds(0.0));
    silent.finish();
    assert_eq!(service.count(Outcome::Empty), 2.0);
    let chunk = operation.start::<&str>([]);
    chunk.chunk(Seconds(0.0));
    chunk.finish();
    let audio = operation.start::<&str>([]);
    audio.audio(Seconds(2.0));
    audio.finish();
    assert_eq!(service.count(Outcome::Ok), 2.0);
    let late = service.start();
    late.expects_output();
    late.finish();
    assert_eq!(service.count(Outcome::Empty), 3.0);
}

#[test]
fn the_request_metrics_of_a_call_are_exact() {
    let service = Service::new();
    let begin = service.calls.operation("op").begin::<&str>([]);
    let call = begin.queued(Duration::from_millis(250)).request_id("req-1").start();
    assert_eq!(service.in_flight(), 1.0);
    call.field("char_count", 128);
    call.chunk(Seconds(0.0));
    for _ in 0..4 {
        call.chunk(Seconds(0.5));
    }
    call.audio(Seconds(0.25));
    work(2);
    call.finish();
    let snapshot = service.snapshot();
    let op = [("operation", "op")];
    assert_eq!(service.count(Outcome::Ok), 1.0);
    assert_eq!(value(&snapshot, "svc_audio_seconds", &op), Some(2.25));
    assert_eq!(value(&snapshot, "svc_characters", &op), Some(128.0));
    let queue = distribution(&snapshot, "svc_request_queue_seconds", &op);
    assert_eq!((queue.count(), queue.sum, &*queue.bounds), (1, 0.25, &LATENCY_BUCKETS[..]));
    let busy = distribution(&snapshot, "svc_request_busy_seconds", &op);
    let durations = distribution(
        &snapshot,
        "svc_request_duration_seconds",
        &[("operation", "op"), ("status", "success")],
    );
    assert_eq!((busy.count(), durations.count()), (1, 1));
    assert_eq!(busy.sum, durations.sum, "never suspended");
    assert_between(durations.sum, 0.002, 60.0);
    assert_eq!(service.observed("chunk_gap_seconds").0, 4);
    let (count, first) = service.observed("time_to_first_audio_seconds");
    assert_eq!(count, 1);
    assert_between(first, 0.0, durations.sum);
    let factor = distribution(&snapshot, "svc_real_time_factor", &op);
    assert_eq!((factor.count(), &*factor.bounds), (1, &RATIO_BUCKETS[..]));
    assert!((factor.sum - busy.sum / 2.25).abs() < 1e-9);
    assert_eq!(service.observed("playback_underrun_seconds"), (1, 0.0));
    assert_eq!(service.in_flight(), 0.0);
    let exemplar = durations.exemplars.iter().flatten().next().expect("an exemplar");
    assert_eq!((&*exemplar.request_id, exemplar.value), ("req-1", durations.sum));
    assert!(!factor.exemplars.is_empty());
}

#[test]
fn what_a_call_did_not_have_is_not_recorded() {
    let service = Service::new();
    service.start().finish();
    for name in [
        "request_queue_seconds",
        "time_to_first_audio_seconds",
        "chunk_gap_seconds",
        "playback_underrun_seconds",
        "real_time_factor",
    ] {
        assert_eq!(service.observed(name).0, 0, "{name}");
    }
    let snapshot = service.snapshot();
    assert_eq!(value(&snapshot, "svc_audio_seconds", &[("operation", "op")]), None);
    assert_eq!(value(&snapshot, "svc_characters", &[("operation", "op")]), None);
}

#[test]
fn busy_time_stops_while_the_consumer_has_the_chunk() {
    let service = Service::new();
    let call = service.start();
    work(4);
    call.hand_over(Seconds(0.5));
    work(40);
    call.suspend();
    call.resume();
    work(4);
    call.finish();
    let (_, busy) = service.observed("request_busy_seconds");
    let snapshot = service.snapshot();
    let labels = [("operation", "op"), ("status", "success")];
    let duration = distribution(&snapshot, "svc_request_duration_seconds", &labels).sum;
    assert_between(busy, 0.008, duration - 0.039);
    let (_, factor) = service.observed("real_time_factor");
    assert!((factor - busy / 0.5).abs() < 1e-9, "busy time, not duration: {factor}");
}

#[test]
fn a_call_that_ends_while_suspended_was_busy_until_then() {
    let service = Service::new();
    let call = service.start();
    work(2);
    call.suspend();
    work(30);
    call.finish();
    let (_, busy) = service.observed("request_busy_seconds");
    assert_between(busy, 0.002, 0.029);
}

#[test]
fn the_underrun_is_the_worst_moment_of_playback() {
    let service = Service::new();
    let call = service.start();
    call.chunk(Seconds(0.0));
    work(20);
    call.chunk(Seconds(0.005));
    work(30);
    call.chunk(Seconds(10.0));
    work(2);
    call.chunk(Seconds(0.1));
    call.finish();
    let (count, underrun) = service.observed("playback_underrun_seconds");
    assert_eq!(count, 1);
    assert_between(underrun, 0.025, 5.0);
    let (_, first) = service.observed("time_to_first_audio_seconds");
    assert_between(first, 0.020, 5.0);
}

#[test]
fn audio_that_cannot_be_is_rejected_and_the_chunk_still_counts() {
    let service = Service::new();
    let call = service.start();
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        call.chunk(Seconds(bad));
        call.audio(Seconds(bad));
    }
    call.chunk(Seconds(1.0));
    call.finish();
    let snapshot = service.snapshot();
    assert_eq!(rejected(&snapshot), 6.0);
    assert_eq!(value(&snapshot, "svc_audio_seconds", &[("operation", "op")]), Some(1.0));
    assert_eq!(service.observed("chunk_gap_seconds").0, 3);
}

#[test]
fn an_idle_call_is_reaped_as_abandoned_once() {
    let service = Service::new();
    let (idle, busy) = (service.start(), service.start());
    work(20);
    busy.progress();
    let reaped = service.calls.reap_idle(Duration::from_millis(15));
    assert_eq!(reaped, 1);
    assert_eq!(service.count(Outcome::Abandoned), 1.0);
    assert_eq!(service.in_flight(), 1.0);
    assert_eq!(service.calls.reap_idle(Duration::from_secs(3600)), 0);
    idle.finish();
    assert!(!idle.is_active());
    drop(idle);
    busy.finish();
    assert_eq!((service.finished(), service.count(Outcome::Ok)), (2.0, 1.0));
    assert_eq!(service.in_flight(), 0.0);
    // The slot of the reaped call is free again.
    service.start().finish();
    assert_eq!(service.finished(), 3.0);
}

#[test]
fn every_way_to_make_progress_keeps_a_call_from_being_reaped() {
    let service = Service::new();
    let limit = Duration::from_millis(200);
    let moves: [&dyn Fn(&Call); 6] = [
        &|call| call.progress(),
        &|call| call.chunk(Seconds(0.0)),
        &|call| call.hand_over(Seconds(0.1)),
        &|call| call.resume(),
        &|call| drop(call.stage("s")),
        &|call| std::mem::forget(call.stage("s")),
    ];
    for (index, step) in moves.into_iter().enumerate() {
        let call = service.start();
        work(210);
        step(&call);
        let started = Instant::now();
        let reaped = service.calls.reap_idle(limit);
        assert!(reaped == 0 || started.elapsed() > limit, "move {index}");
        call.finish();
    }
}

#[test]
fn stalled_seconds_show_the_longest_wait() {
    let service = Service::new();
    let (first, second) = (service.start(), service.start());
    work(30);
    second.progress();
    let stalled =
        || value(&service.snapshot(), "svc_request_stalled_seconds", &[("operation", "op")]).expect("known");
    assert_between(stalled(), 0.030, 60.0);
    first.finish();
    second.finish();
    assert_eq!(stalled(), 0.0);
}

#[test]
fn request_ids_are_the_callers_or_made() {
    let service = Service::new();
    let begin = || service.calls.operation("op").begin::<&str>([]);
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

#[test]
fn stages_are_timed_also_nested_overlapping_failing_and_repeated() {
    let service = Service::new();
    let call = service.start();
    {
        let _outer = call.stage("outer");
        let _inner = call.stage("inner");
        work(2);
    }
    let (first, second) = (call.stage("a"), call.stage("b"));
    drop(first);
    second.fail();
    drop(second);
    drop(call.stage("a"));
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _stage = call.stage("panics");
        panic!("on purpose");
    }));
    assert!(caught.is_err());
    call.finish();
    let late = call.stage("late");
    drop(late);
    let snapshot = service.snapshot();
    let stage = |name: &'static str| [("operation", "op"), ("stage", name)];
    for (name, count) in [("outer", 1), ("inner", 1), ("a", 2), ("b", 1), ("panics", 1), ("late", 1)] {
        let times = distribution(&snapshot, "svc_stage_duration_seconds", &stage(name));
        assert_eq!(times.count(), count, "{name}");
    }
    assert!(distribution(&snapshot, "svc_stage_duration_seconds", &stage("outer")).sum >= 0.002);
    for (name, count) in [("a", 0.0), ("b", 1.0), ("panics", 1.0)] {
        assert_eq!(value(&snapshot, "svc_stage_failure", &stage(name)), Some(count), "{name}");
    }
}

#[test]
fn stages_outlive_their_call_and_need_none() {
    let service = Service::new();
    let call = service.start();
    let stage = call.stage("s");
    call.finish();
    drop(call);
    drop(stage);
    drop(service.calls.stage("alone"));
    let snapshot = service.snapshot();
    let alone = [("operation", "unknown"), ("stage", "alone")];
    assert_eq!(distribution(&snapshot, "svc_stage_duration_seconds", &alone).count(), 1);
    let with = [("operation", "op"), ("stage", "s")];
    assert_eq!(distribution(&snapshot, "svc_stage_duration_seconds", &with).count(), 1);
    assert_eq!(service.finished(), 1.0);
}

#[test]
fn stage_names_beyond_the_limit_overflow() {
    let service = Service::with(Options { series_limit: 10, ..Options::default() });
    let call = service.start();
    for index in 0..50 {
        drop(call.stage(&format!("s{index}")));
    }
    call.finish();
    assert_eq!(total(&service.snapshot(), "svc_stage_duration_seconds", &[]), 50.0);
    let overflow = total(&service.snapshot(), "svc_stage_duration_seconds", &[("stage", "overflow")]);
    assert_eq!(overflow, 40.0);
}

#[test]
fn more_calls_than_slots_are_all_counted() {
    let service = Service::with(small());
    let calls: Vec<Call> = (0..100).map(|_| service.start()).collect();
    assert_between(service.in_flight(), 8.0, 100.0);
    for call in &calls {
        call.chunk(Seconds(1.0));
        assert!(call.is_active());
    }
    for call in &calls[..90] {
        call.finish();
        call.end(Outcome::Error);
    }
    drop(calls);
    assert_eq!((service.count(Outcome::Ok), service.count(Outcome::Abandoned)), (90.0, 10.0));
    assert_eq!(value(&service.snapshot(), "svc_audio_seconds", &[("operation", "op")]), Some(100.0));
    assert_eq!(service.in_flight(), 0.0);
}

#[test]
fn labels_of_an_operation_are_on_all_its_metrics() {
    let service = Service::new();
    let operation = service.calls.try_operation("op", &["voice", "emotion"]).expect("an operation");
    let call = operation.start(["anna", "sad"]);
    call.chunk(Seconds(1.0));
    drop(call.stage("s"));
    call.finish();
    operation.start(["anna", "sad"]).finish();
    let snapshot = service.snapshot();
    let labels = [("voice", "anna"), ("emotion", "sad"), ("operation", "op")];
    let all = |extra: &[(&'static str, &'static str)]| [&labels[..], extra].concat();
    let ok = all(&[("status", "success"), ("outcome", "ok")]);
    assert_eq!(value(&snapshot, "svc_request", &ok), Some(2.0));
    assert_eq!(distribution(&snapshot, "svc_stage_duration_seconds", &all(&[("stage", "s")])).count(), 1);
    assert_eq!(value(&snapshot, "svc_requests_in_flight", &labels), Some(0.0));
    assert_eq!(value(&snapshot, "svc_audio_seconds", &labels), Some(1.0));
    assert_well_formed(&snapshot);
}

#[test]
fn a_wrong_number_of_label_values_is_counted_and_the_call_recorded() {
    let service = Service::new();
    let operation = service.calls.operation("op").labels(["voice"]);
    operation.start::<&str>([]).finish();
    operation.start(["anna", "surplus"]).finish();
    operation.start(["anna"]).finish();
    let snapshot = service.snapshot();
    assert_eq!(total(&snapshot, "svc_request", &[]), 3.0);
    assert_eq!(total(&snapshot, "svc_request", &[("voice", "anna")]), 2.0);
    assert_eq!(total(&snapshot, "svc_request", &[("voice", "")]), 1.0);
    assert_eq!(errors(&snapshot, "labels"), 2.0);
}

#[test]
fn labels_an_operation_cannot_have_are_refused() {
    let service = Service::new();
    for label in ["operation", "status", "outcome", "stage", "le", "quantile", "__x", "a-b", ""] {
        let error = service.calls.try_operation("op", &[label]).err().expect("refused");
        assert!(error.is_config() && error.to_string().contains(&format!("{label:?}")), "{error}");
    }
    assert!(service.calls.try_operation("op", &["a", "a"]).is_err());
    // The door that cannot fail goes on without them.
    service.calls.operation("op").labels(["le"]).start::<&str>([]).finish();
    assert_eq!(service.count(Outcome::Ok), 1.0);
    assert_eq!(errors(&service.snapshot(), "labels"), 1.0);
}

#[test]
fn label_sets_of_calls_beyond_the_limit_overflow() {
    let service = Service::with(Options { series_limit: 20, ..Options::default() });
    let operation = service.calls.operation("op").labels(["user"]);
    for index in 0..500 {
        operation.start([index.to_string()]).finish();
    }
    let snapshot = service.snapshot();
    assert_eq!(total(&snapshot, "svc_request", &[]), 500.0, "every call is counted");
    assert!(family(&snapshot, "svc_request").series.len() <= 22);
    assert!(family(&snapshot, "svc_requests_in_flight").series.len() <= 22);
    assert!(value(&snapshot, "auscult_series_overflow", &[]) > Some(400.0));
}

#[test]
fn constant_labels_are_on_calls_in_flight_and_on_finished_ones() {
    let home = Home::new();
    let identity = Identity::new("svc").label("env", "prod").expect("a label").version("1").commit("abc");
    let registry = Registry::open(&home.place("svc"), identity, Options::default()).expect("a registry");
    let calls = Calls::new(&registry).expect("request metrics");
    let call = calls.operation("op").start::<&str>([]);
    let snapshot = home.snapshot(&registry);
    let labels = [("operation", "op"), ("env", "prod")];
    assert_eq!(value(&snapshot, "svc_requests_in_flight", &labels), Some(1.0));
    call.finish();
    assert_eq!(total(&home.snapshot(&registry), "svc_request", &labels), 1.0);
    assert_eq!(value(&snapshot, "svc_up", &[("env", "prod")]), Some(1.0));
    let build = &family(&snapshot, "svc_build").series[0];
    assert!(build.labels.iter().any(|(name, value)| &**name == "commit" && &**value == "abc"));
    assert!(calls.try_operation("op", &["env"]).is_err());
}

/// A future that is pending so many times, and then does something.
struct Steps<F>(u32, Option<F>);

impl<F: FnOnce() -> T + Unpin, T> Future for Steps<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        let call = current_call().expect("the call is current while polled");
        assert_eq!(call.operation(), "op");
        if self.0 > 0 {
            self.0 -= 1;
            return Poll::Pending;
        }
        Poll::Ready(self.1.take().expect("polled once more")())
    }
}

fn conclude(call: &Call, output: &Result<(), std::io::Error>) {
    match output {
        Ok(()) => call.finish(),
        Err(error) => call.fail(error),
    }
}

#[test]
fn a_future_is_a_call_however_it_ends() {
    let service = Service::new();
    let mut context = Context::from_waker(Waker::noop());
    let mut run = |polls: u32, steps: u32, output: fn() -> Result<(), std::io::Error>| {
        let mut future = Box::pin(CallFuture::new(service.start(), Steps(steps, Some(output)), conclude));
        let ready = (0..polls).any(|_| future.as_mut().poll(&mut context).is_ready());
        assert!(current_call().is_none(), "current only while polled");
        ready
    };
    assert!(run(3, 2, || Ok(())));
    assert!(run(1, 0, || Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "late"))));
    assert!(!run(2, 5, || Ok(())), "dropped half way");
    assert!(!run(0, 5, || Ok(())), "dropped before it was polled");
    let mut panics =
        Box::pin(CallFuture::new(service.start(), Steps(0, Some(|| panic!("on purpose"))), conclude));
    let caught = catch_unwind(AssertUnwindSafe(|| panics.as_mut().poll(&mut context)));
    assert!(caught.is_err());
    assert!(current_call().is_none());
    assert_eq!(service.count(Outcome::Error), 1.0, "an error before the future is dropped");
    drop(panics);
    for (outcome, count) in
        [(Outcome::Ok, 1.0), (Outcome::Timeout, 1.0), (Outcome::Cancelled, 2.0), (Outcome::Error, 1.0)]
    {
        assert_eq!(service.count(outcome), count, "{outcome:?}");
    }
    assert_eq!(service.finished(), 5.0);
}

#[test]
fn the_current_call_is_the_innermost_of_the_thread() {
    let service = Service::new();
    let other = service.calls.operation("other").start::<&str>([]);
    let call = service.start();
    assert!(current_call().is_none());
    {
        let _outer = enter(&call);
        assert_eq!(current_call().expect("current").request_id(), call.request_id());
        {
            let _inner = enter(&other);
            assert_eq!(current_call().expect("current").operation(), "other");
        }
        assert_eq!(current_call().expect("current").operation(), "op");
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(current_call().is_none(), "of another thread"));
        });
    }
    assert!(current_call().is_none());
}

#[test]
fn fields_are_kept_bounded() {
    let service = Service::new();
    let call = service.start();
    for index in 0..100 {
        call.field(&format!("f{index}"), index);
    }
    call.field("f0", "again");
    call.field("f1", "é".repeat(10_000));
    let fields = call.fields();
    assert_eq!(fields.len(), 64);
    assert_eq!(fields[0], ("f0".into(), "again".into()));
    assert_eq!(fields[1].1, "é".repeat(4096).into());
}

#[test]
fn unhealthy_reasons_come_and_go() {
    let service = Service::new();
    let read = || value(&service.snapshot(), "svc_unhealthy", &[("reason", "disk")]);
    service.calls.set_unhealthy("disk", true);
    assert_eq!(read(), Some(1.0));
    service.calls.set_unhealthy("disk", false);
    assert_eq!(read(), Some(0.0));
}
