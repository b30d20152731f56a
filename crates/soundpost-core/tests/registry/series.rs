//! Series, and what is observed in them.

use soundpost_core::{OVERFLOW, Options, Spec};

use crate::common::*;
use crate::{counter, gauge, histogram};

#[test]
fn labels_are_one_set_in_any_order() {
    let home = Home::new();
    let registry = home.registry();
    let facade = registry.metrics_recorder();
    counter(&facade, "x", &[("a", "1"), ("b", "2")]).increment(1);
    counter(&facade, "x", &[("b", "2"), ("a", "1")]).increment(1);
    let typed = registry.family(Spec::gauge("g").labels(&["b", "a"])).expect("a family");
    typed.gauge(&["2", "1"]).expect("a gauge").set(7.0);
    let snapshot = home.snapshot(&registry);
    assert_eq!(value(&snapshot, "x", &[("a", "1"), ("b", "2")]), Some(2.0));
    assert_eq!(value(&snapshot, "g", &[("a", "1"), ("b", "2")]), Some(7.0));
}

#[test]
fn label_values_may_be_anything_and_long_ones_are_cut_at_a_character() {
    let home = Home::new();
    let registry = home.registry();
    let voices = registry.family(Spec::counter("voices").labels(&["v"])).expect("a family");
    for odd in ["", "\0", "\n\"\\", "语音", "{}", " "] {
        voices.counter(&[odd]).expect("a counter").increment();
        assert_eq!(value(&home.snapshot(&registry), "voices", &[("v", odd)]), Some(1.0), "{odd:?}");
    }
    let long = "é".repeat(4000);
    voices.counter(&[&long]).expect("a counter").increment();
    voices.counter(&[&long]).expect("the same").increment();
    let kept = "é".repeat(128);
    let snapshot = home.snapshot(&registry);
    assert_eq!(value(&snapshot, "voices", &[("v", &kept)]), Some(2.0));
    assert_eq!(errors(&snapshot, "label"), 1.0);
}

#[test]
fn beyond_the_limit_the_overflow_series_takes_the_rest_exactly() {
    let home = Home::new();
    let registry = home.registry_with(Options { series_limit: 100, ..Options::default() });
    let facade = registry.metrics_recorder();
    for index in 0..5000 {
        counter(&facade, "hits", &[("user", &index.to_string())]).increment(2);
    }
    counter(&facade, "other", &[("user", "1")]).increment(1);
    let snapshot = home.snapshot(&registry);
    let hits = family(&snapshot, "hits");
    assert_eq!(hits.series.len(), 101, "the limit and the overflow series");
    assert_eq!(value(&snapshot, "hits", &[("user", OVERFLOW)]), Some(2.0 * 4900.0));
    assert_eq!(value(&snapshot, "hits", &[("user", "99")]), Some(2.0));
    assert_eq!(total(&snapshot, "hits", &[]), 10_000.0, "nothing is lost");
    assert_eq!(value(&snapshot, "soundpost_series_overflow", &[]), Some(4900.0));
    assert_eq!(value(&snapshot, "other", &[("user", "1")]), Some(1.0), "a limit of each family by itself");
    // Existing series stay.
    counter(&facade, "hits", &[("user", "7")]).increment(1);
    assert_eq!(value(&home.snapshot(&registry), "hits", &[("user", "7")]), Some(3.0));
}

#[test]
fn a_removed_series_leaves_room_for_another() {
    let home = Home::new();
    let registry = home.registry_with(Options { series_limit: 2, ..Options::default() });
    let sessions = registry.family(Spec::counter("sessions").labels(&["id"])).expect("a family");
    for id in 0..50 {
        let id = id.to_string();
        sessions.counter(&[&id]).expect("a counter").increment();
        if id != "49" {
            sessions.remove(&[&id]).expect("removed");
            sessions.remove(&[&id]).expect("and again, which changes nothing");
        }
    }
    let snapshot = home.snapshot(&registry);
    assert_eq!(value(&snapshot, "sessions", &[("id", "49")]), Some(1.0));
    assert_eq!(family(&snapshot, "sessions").series.len(), 1);
    assert_eq!(value(&snapshot, "soundpost_series_overflow", &[]), Some(0.0));
    // Those that come back count again.
    for id in ["1", "2"] {
        sessions.counter(&[id]).expect("a counter").increment();
    }
    sessions.counter(&["new"]).expect("the overflow").increment();
    let snapshot = home.snapshot(&registry);
    assert_eq!(value(&snapshot, "sessions", &[("id", OVERFLOW)]), Some(1.0));
}

#[test]
fn non_finite_values_are_rejected_and_counted() {
    let home = Home::new();
    let registry = home.registry();
    let spec = |name: &str| Spec::histogram(name, &[1.0]);
    let histogram_typed = registry.family(spec("h")).expect("a family").histogram(&[]).expect("a histogram");
    let counter_typed =
        registry.family(Spec::counter("c")).expect("a family").counter(&[]).expect("a counter");
    let gauge_typed = registry.family(Spec::gauge("g")).expect("a family").gauge(&[]).expect("a gauge");
    let facade = registry.metrics_recorder();
    let (facade_gauge, facade_histogram) = (gauge(&facade, "fg"), histogram(&facade, "fh"));
    let mut expected = 0.0;
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        histogram_typed.observe(bad);
        histogram_typed.observe_with_exemplar(bad, "id");
        counter_typed.increment_by(bad);
        gauge_typed.increment_by(bad);
        gauge_typed.decrement_by(bad);
        facade_gauge.increment(bad);
        facade_gauge.decrement(bad);
        facade_histogram.record(bad);
        facade_histogram.record_many(bad, 3);
        expected += 8.0 + 3.0;
    }
    counter_typed.increment_by(-1.0);
    expected += 1.0;
    histogram_typed.observe(0.5);
    counter_typed.increment_by(0.25);
    gauge_typed.increment_by(1.5);
    facade_gauge.increment(2.5);
    facade_histogram.record_many(0.125, 4);
    let snapshot = home.snapshot(&registry);
    assert_eq!(rejected(&snapshot), expected);
    let h = distribution(&snapshot, "h", &[]);
    assert_eq!((h.counts.clone(), h.sum), (vec![1, 0], 0.5));
    assert_eq!(value(&snapshot, "c", &[]), Some(0.25));
    assert_eq!(value(&snapshot, "g", &[]), Some(1.5));
    assert_eq!(value(&snapshot, "fg", &[]), Some(2.5));
    let fh = distribution(&snapshot, "fh", &[]);
    assert_eq!((fh.count(), fh.sum), (4, 0.5));
}

#[test]
fn an_observation_on_a_bound_belongs_below_it() {
    let home = Home::new();
    let registry = home.registry();
    let family = registry.family(Spec::histogram("h", &[-1.0, 0.0, 1.0])).expect("a family");
    let h = family.histogram(&[]).expect("a histogram");
    for value in [-2.0, -1.0, -0.5, 0.0, -0.0, 1.0, 1.5, f64::MIN_POSITIVE] {
        h.observe(value);
    }
    let snapshot = home.snapshot(&registry);
    assert_eq!(distribution(&snapshot, "h", &[]).counts, [2, 3, 2, 1]);
}

#[test]
fn removed_series_are_gone_and_begin_at_zero_when_they_come_back() {
    let home = Home::new();
    let registry = home.registry();
    let counters = registry.family(Spec::counter("c").labels(&["l"])).expect("a family");
    let gauges = registry.family(Spec::gauge("g").labels(&["l"])).expect("a family");
    let histograms = registry.family(Spec::histogram("h", &[1.0]).labels(&["l"])).expect("a family");
    let mut collector = home.collector(&registry);
    let record = || {
        for value in ["a", "b"] {
            counters.counter(&[value]).expect("a counter").increment_by(2.0);
            gauges.gauge(&[value]).expect("a gauge").set(3.0);
            histograms.histogram(&[value]).expect("a histogram").observe(0.5);
        }
    };
    record();
    let old = counters.counter(&["a"]).expect("a counter");
    for family in [&counters, &gauges, &histograms] {
        family.remove(&["a"]).expect("removed");
        family.remove(&["never there"]).expect("nothing to remove");
    }
    old.increment_by(100.0);
    let snapshot = collector.snapshot();
    for name in ["c", "g", "h"] {
        assert!(series(&snapshot, name, &[("l", "a")]).is_none(), "{name} a");
        assert!(series(&snapshot, name, &[("l", "b")]).is_some(), "{name} b");
    }
    record();
    let snapshot = collector.snapshot();
    assert_eq!(value(&snapshot, "c", &[("l", "a")]), Some(2.0));
    assert_eq!(value(&snapshot, "c", &[("l", "b")]), Some(4.0));
    assert_eq!(value(&snapshot, "g", &[("l", "a")]), Some(3.0));
    assert_eq!(distribution(&snapshot, "h", &[("l", "a")]).counts, [1, 0]);
    counters.clear();
    assert!(family(&collector.snapshot(), "c").series.is_empty());
}

#[test]
fn exemplars_carry_the_request_id_of_their_bucket() {
    let home = Home::new();
    let registry = home.registry();
    let family = registry.family(Spec::histogram("h", &[1.0, 2.0]).exemplars()).expect("a family");
    let h = family.histogram(&[]).expect("a histogram");
    let mut collector = home.collector(&registry);
    h.observe(0.1);
    assert!(distribution(&collector.snapshot(), "h", &[]).exemplars.is_empty(), "none without an id");
    h.observe_with_exemplar(0.5, "first");
    h.observe_with_exemplar(5.0, &"é".repeat(100));
    let snapshot = collector.snapshot();
    let exemplars = &distribution(&snapshot, "h", &[]).exemplars;
    let (low, high) = (exemplars[0].as_ref().expect("one"), exemplars[2].as_ref().expect("one"));
    assert_eq!((&*low.request_id, low.value), ("first", 0.5));
    assert_eq!((&*high.request_id, high.value), (&*"é".repeat(32), 5.0), "64 bytes, cut at a character");
    assert!(exemplars[1].is_none());
    let now = soundpost_core::clock::unix_nanos();
    assert!(low.unix_nanos.abs_diff(now) < 60_000_000_000, "{} is about {now}", low.unix_nanos);
}
