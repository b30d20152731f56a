//! The registry through its public doors: validation, units, limits, gauges, exemplars.
#![allow(clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
mod facade;
mod family;
mod series;

use std::sync::Arc;

use common::*;
use metrics::{Key, Label, Level, Metadata, Recorder};
use soundpost_core::{Merge, MetricsRecorder, Options, Registry, ServiceIdentity, Spec};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

fn key(name: &str, labels: &[(&str, &str)]) -> Key {
    let labels: Vec<Label> =
        labels.iter().map(|(name, value)| Label::new((*name).to_owned(), (*value).to_owned())).collect();
    Key::from_parts(name.to_owned(), labels)
}

fn counter(facade: &MetricsRecorder, name: &str, labels: &[(&str, &str)]) -> metrics::Counter {
    facade.register_counter(&key(name, labels), &METADATA)
}

fn gauge(facade: &MetricsRecorder, name: &str) -> metrics::Gauge {
    facade.register_gauge(&key(name, &[]), &METADATA)
}

fn histogram(facade: &MetricsRecorder, name: &str) -> metrics::Histogram {
    facade.register_histogram(&key(name, &[]), &METADATA)
}

#[test]
fn a_full_segment_is_counted_and_takes_nothing_down() {
    let home = Home::new();
    let registry = home.registry_with(Options { series_limit: 1_000_000, ..small() });
    let facade = registry.metrics_recorder();
    let kept = counter(&facade, "kept", &[]);
    for index in 0..5000 {
        counter(&facade, "c", &[("l", &index.to_string())]).increment(1);
        histogram(&facade, &format!("h{index}")).record(1.0);
    }
    kept.increment(1);
    let snapshot = home.snapshot(&registry);
    assert_eq!(value(&snapshot, "kept", &[]), Some(1.0));
    let exposed = family(&snapshot, "c").series.len();
    assert!(exposed > 10, "{exposed} series fitted");
    assert!(errors(&snapshot, "segment") > 0.0);
    assert_well_formed(&snapshot);
}

#[test]
fn the_size_of_the_segment_is_checked() {
    let home = Home::new();
    for segment_bytes in [0, 1, soundpost_core::MIN_SEGMENT_BYTES - 1, soundpost_core::MAX_SEGMENT_BYTES + 1]
    {
        let options = Options { segment_bytes, ..Options::default() };
        let error =
            Registry::open(&home.place("svc"), ServiceIdentity::new("svc"), options).err().expect("refused");
        assert!(error.is_config() && error.to_string().contains("segment_bytes"), "{error}");
    }
}

#[test]
fn many_threads_count_exactly_and_lanes_pass_from_thread_to_thread() {
    let home = Home::new();
    let registry = home.registry();
    let facade = Arc::new(registry.metrics_recorder());
    let family = registry.family(Spec::histogram("h", &[1.0])).expect("a family");
    let floats = registry.family(Spec::counter("f")).expect("a family").counter(&[]).expect("a counter");
    let (rounds, threads, each) = (20_u64, 8_u64, 500_u64);
    for _ in 0..rounds {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let h = family.histogram(&[]).expect("a histogram");
                    for index in 0..each {
                        counter(&facade, "c", &[]).increment(1);
                        floats.increment_by(0.5);
                        h.observe(if index % 2 == 0 { 0.5 } else { 2.0 });
                    }
                });
            }
        });
    }
    let snapshot = home.snapshot(&registry);
    let expected = rounds * threads * each;
    assert_eq!(value(&snapshot, "c", &[]), Some(expected as f64));
    assert_eq!(value(&snapshot, "f", &[]), Some(expected as f64 * 0.5));
    let h = distribution(&snapshot, "h", &[]);
    assert_eq!(h.counts, [expected / 2, expected / 2]);
    assert_eq!(h.sum, expected as f64 * 1.25);
}

#[test]
fn two_registries_of_one_process_do_not_mix() {
    let (one, other) = (Home::new(), Home::new());
    let (first, second) = (one.registry(), other.registry());
    counter(&first.metrics_recorder(), "c", &[]).increment(1);
    counter(&second.metrics_recorder(), "c", &[]).increment(2);
    counter(&first.metrics_recorder(), "c", &[]).increment(1);
    assert_eq!(value(&one.snapshot(&first), "c", &[]), Some(2.0));
    assert_eq!(value(&other.snapshot(&second), "c", &[]), Some(2.0));
}

#[test]
fn segments_of_one_service_are_one_snapshot_by_every_merge_rule() {
    let home = Home::new();
    let (first, second) = (home.registry(), home.registry());
    let rules = [
        ("sum", Merge::Sum, 8.0),
        ("min", Merge::Min, 3.0),
        ("max", Merge::Max, 5.0),
        ("last", Merge::Last, 3.0),
    ];
    for (name, rule, expected) in rules {
        for (registry, given) in [(&first, 5.0), (&second, 3.0)] {
            let family = registry.family(Spec::gauge(name).merge(rule)).expect("a family");
            family.gauge(&[]).expect("a gauge").set(given);
        }
        assert_eq!(value(&home.snapshot(&first), name, &[]), Some(expected), "{name}");
        assert_eq!(value(&home.snapshot(&second), name, &[]), Some(expected), "{name} from the other");
    }
    // A value that one process set is not hidden by the other's 0.
    for registry in [&first, &second] {
        let family = registry.family(Spec::gauge("lonely").merge(Merge::Min)).expect("a family");
        let gauge = family.gauge(&[]).expect("a gauge");
        if Arc::ptr_eq(registry, &first) {
            gauge.set(9.0);
        }
    }
    assert_eq!(value(&home.snapshot(&second), "lonely", &[]), Some(9.0));
}

#[test]
fn contradicting_families_are_left_out_and_counted() {
    let home = Home::new();
    let (first, second) = (home.registry(), home.registry());
    counter(&first.metrics_recorder(), "x", &[]).increment(1);
    gauge(&second.metrics_recorder(), "x_total").set(7.0);
    gauge(&second.metrics_recorder(), "fine").set(7.0);
    let mut collector = home.collector(&first);
    let snapshot = collector.snapshot();
    assert_eq!(value(&snapshot, "x", &[]), Some(1.0));
    assert!(find_family(&snapshot, "x_total").is_none(), "two samples of one name");
    assert_eq!(value(&snapshot, "fine", &[]), Some(7.0));
    assert_eq!(errors(&collector.snapshot(), "merge"), 1.0, "counted once a reader");
}

#[test]
fn an_info_shows_what_is_and_not_what_was() {
    let home = Home::new();
    let registry = home.registry();
    let info = registry.family(Spec::info("model").labels(&["name"])).expect("a family");
    info.gauge(&["a"]).expect("an info").set(1.0);
    info.gauge(&["a"]).expect("an info").set(0.0);
    info.gauge(&["b"]).expect("an info").set(1.0);
    let snapshot = home.snapshot(&registry);
    assert_eq!(value(&snapshot, "model", &[("name", "b")]), Some(1.0));
    assert!(series(&snapshot, "model", &[("name", "a")]).is_none());
}

#[test]
fn a_dropped_registry_lets_go_of_its_segment() {
    let home = Home::new();
    let registry = home.registry();
    let ended = home.registry();
    counter(&ended.metrics_recorder(), "c", &[]).increment(2);
    registry.diagnostics().warn_once("x", "a fault");
    ended.diagnostics().warn_once("x", "a fault");
    let calls = soundpost_core::Calls::new(&ended).expect("request metrics");
    let operation = calls.operation("op").labels(["voice"]).expect("labels");
    operation.start_with(["anna"]).finish();
    drop(calls.stage("s"));
    drop((operation, calls, ended));
    let mut collector = home.collector(&registry);
    assert_eq!(collector.merge_dead(), 1, "nobody holds it");
    let snapshot = collector.snapshot();
    assert_eq!(value(&snapshot, "c", &[]), Some(2.0));
    assert_eq!(total(&snapshot, "svc_request", &[]), 1.0);
    assert_eq!(errors(&snapshot, "x"), 2.0);
}
