//! Tests that need internals: shifted clocks and slots set by hand.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::{Collector, MetricValue, RingReader, Snapshot};
use crate::{Calls, MIN_SEGMENT_BYTES, Options, Registry, ServiceDir, ServiceIdentity};

const HOUR: u64 = 3_600_000_000_000;

fn registry(root: &std::path::Path) -> (ServiceDir, Arc<Registry>) {
    let place = ServiceDir::open_with_shared_memory(root, "svc", root).expect("a place");
    let options = Options { segment_bytes: MIN_SEGMENT_BYTES, ..Options::default() };
    let registry = Registry::open(&place, ServiceIdentity::new("svc"), options).expect("a registry");
    (place, registry)
}

fn duration(snapshot: &Snapshot) -> (f64, u64) {
    let family = snapshot.families.iter().find(|family| &*family.name == "svc_request_duration_seconds");
    let MetricValue::Distribution(distribution) = &family.expect("a family").series[0].value else {
        panic!("no distribution")
    };
    let exemplar = distribution.exemplars.iter().flatten().next().expect("an exemplar");
    (distribution.sum, exemplar.unix_nanos)
}

/// Durations use the monotonic clock; the wall clock only dates exemplars. A step of it appears as a step of
/// the offset that `beat` writes.
#[test]
fn a_step_of_the_wall_clock_moves_exemplars_and_no_duration() {
    let root = tempfile::tempdir().expect("a directory");
    let (place, registry) = registry(root.path());
    let calls = Calls::new(&registry).expect("request metrics");
    let operation = calls.operation("op");
    operation.start().finish();
    let running = operation.start();
    let mut collector = Collector::new(place, registry.clone());
    let (sum, taken) = duration(&collector.snapshot());
    assert!(sum >= 0.0);
    for step in [HOUR, HOUR.wrapping_neg()] {
        registry.segment().shift_wall_clock(step);
        let (now, moved) = duration(&collector.snapshot());
        assert_eq!(now, sum);
        assert_eq!(moved, taken.wrapping_add(step));
        registry.segment().shift_wall_clock(step.wrapping_neg());
    }
    registry.segment().shift_wall_clock(HOUR);
    registry.beat();
    running.finish();
    let (sum, taken) = duration(&collector.snapshot());
    assert!((0.0..60.0).contains(&sum), "{sum}");
    assert!(taken.abs_diff(crate::clock::unix_nanos()) < HOUR, "the beat follows the clock");
}

/// The writer is stopped in its record, or its liveness is unknown.
#[test]
fn unfinished_record_delays_later_ones_for_a_limited_time() {
    let root = tempfile::tempdir().expect("a directory");
    let (place, registry) = registry(root.path());
    let calls = Calls::new(&registry).expect("request metrics");
    let (reserved, is_reserved) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel::<()>();
    let (segment, writer) = (registry.segment().clone(), registry.clone());
    let stopped = std::thread::spawn(move || {
        let goes_on = std::sync::Mutex::new(goes_on);
        let appended = segment.ring().append(segment.owner(), 1, |_| {
            reserved.send(()).expect("heard");
            let _ = goes_on.lock().expect("alone").recv();
        });
        writer.count_event(appended.map(|()| Default::default()));
    });
    is_reserved.recv().expect("it has a place");
    let operation = calls.operation("op");
    (0..3).for_each(|_| operation.start().finish());
    let mut drain = RingReader::new(place, registry.clone());
    drain.attach(|_| Ok::<_, ()>(None)).expect("nothing is asked");
    assert!(drain.read(100, |_| true).records.is_empty(), "it is waited for");
    let deadline = Instant::now() + Duration::from_secs(20);
    let drained = loop {
        let drained = drain.read(100, |_| true);
        if !drained.is_empty() {
            break drained;
        }
        assert!(Instant::now() < deadline, "still held up");
        std::thread::yield_now();
    };
    assert_eq!((drained.records.len(), drained.lost), (3, 1));
    // The writer resumes and appends its record again.
    go_on.send(()).expect("heard");
    is_reserved.recv().expect("once more");
    go_on.send(()).expect("heard");
    stopped.join().expect("it ends");
    let late = drain.read(100, |_| true);
    assert_eq!((late.records.len(), late.lost), (0, 1), "no call, but read");
    assert_eq!(registry.events_recorded(), late.positions[0].1);
}
