//! Measurements of a call.

use std::time::{Duration, Instant};

use soundpost_core::{Call, LATENCY_BUCKETS, Outcome, RATIO_BUCKETS, Seconds};

use crate::common::*;
use crate::{Service, assert_between, work};

#[test]
fn the_request_metrics_of_a_call_are_exact() {
    let service = Service::new();
    let begin = service.calls.operation("op").begin();
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
fn absent_measurements_are_not_recorded() {
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
