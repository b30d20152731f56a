//! What only the inside can set up: shifted clocks, slots by hand.

use std::sync::Arc;

use super::{Collector, Snapshot, Value};
use crate::{Calls, Identity, MIN_SEGMENT_BYTES, Options, Place, Registry};

const HOUR: u64 = 3_600_000_000_000;

fn registry(root: &std::path::Path) -> (Place, Arc<Registry>) {
    let place = Place::open_with_shared_memory(root, "svc", root).expect("a place");
    let options = Options { segment_bytes: MIN_SEGMENT_BYTES, ..Options::default() };
    let registry = Registry::open(&place, Identity::new("svc"), options).expect("a registry");
    (place, registry)
}

fn duration(snapshot: &Snapshot) -> (f64, u64) {
    let family = snapshot.families.iter().find(|family| &*family.name == "svc_request_duration_seconds");
    let Value::Distribution(distribution) = &family.expect("a family").series[0].value else {
        panic!("no distribution")
    };
    let exemplar = distribution.exemplars.iter().flatten().next().expect("an exemplar");
    (distribution.sum, exemplar.unix_nanos)
}

/// Durations come from the monotonic clock; the wall clock only says when an exemplar was taken. A step of
/// it shows as a step of the offset that `beat` writes.
#[test]
fn a_step_of_the_wall_clock_moves_exemplars_and_no_duration() {
    let root = tempfile::tempdir().expect("a directory");
    let (place, registry) = registry(root.path());
    let calls = Calls::new(&registry).expect("request metrics");
    let operation = calls.operation("op");
    operation.start::<&str>([]).finish();
    let running = operation.start::<&str>([]);
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
