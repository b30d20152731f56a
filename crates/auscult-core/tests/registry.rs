//! The registry through its public doors: validation, units, limits, gauges, exemplars.
#![allow(clippy::expect_used)]

mod common;

use std::sync::Arc;

use auscult_core::snapshot::Kind;
use auscult_core::{
    BYTES_BUCKETS, Facade, Identity, LATENCY_BUCKETS, Merge, OVERFLOW, Options, RATIO_BUCKETS, Registry,
    Spec, Unit,
};
use common::*;
use metrics::{Key, Label, Level, Metadata, Recorder};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

fn key(name: &str, labels: &[(&str, &str)]) -> Key {
    let labels: Vec<Label> =
        labels.iter().map(|(name, value)| Label::new((*name).to_owned(), (*value).to_owned())).collect();
    Key::from_parts(name.to_owned(), labels)
}

fn counter(facade: &Facade, name: &str, labels: &[(&str, &str)]) -> metrics::Counter {
    facade.register_counter(&key(name, labels), &METADATA)
}

fn gauge(facade: &Facade, name: &str) -> metrics::Gauge {
    facade.register_gauge(&key(name, &[]), &METADATA)
}

fn histogram(facade: &Facade, name: &str) -> metrics::Histogram {
    facade.register_histogram(&key(name, &[]), &METADATA)
}

/// The message of the error that registering gives.
#[track_caller]
fn refusal(registry: &Arc<Registry>, spec: Spec) -> String {
    match registry.family(spec) {
        Ok(family) => panic!("{} was registered", family.name()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn names_that_cannot_be_exposed_are_refused_with_a_name_that_can() {
    let home = Home::new();
    let registry = home.registry();
    let cases = [
        ("", "\"_\""),
        ("voices loaded", "\"voices_loaded\""),
        ("9lives", "\"_9lives\""),
        ("naïve", "\"na_ve\""),
        ("a\0b", "\"a_b\""),
        ("a\nb", "\"a_b\""),
        ("语音", "\"__\""),
    ];
    for (name, fix) in cases {
        let message = refusal(&registry, Spec::gauge(name));
        assert!(message.contains(&format!("{name:?}")) && message.contains(fix), "{message}");
    }
    let long = "x".repeat(5000);
    assert!(refusal(&registry, Spec::gauge(&long)).contains("not a name"));
    assert!(registry.family(Spec::gauge("ns:rule")).is_ok(), "colons are allowed");
}

#[test]
fn labels_that_cannot_be_exposed_are_refused() {
    let home = Home::new();
    let registry = home.registry();
    for label in ["le", "quantile", "__name__", "__x", "", "a-b", "1a", "é", "a b", "a\0"] {
        let message = refusal(&registry, Spec::counter("voices").labels(&[label]));
        assert!(message.contains("\"voices\"") && message.contains(&format!("{label:?}")), "{message}");
    }
    let message = refusal(&registry, Spec::counter("voices").labels(&["a", "b", "a"]));
    assert!(message.contains("\"a\" is given twice"), "{message}");
    let message = refusal(&registry, Spec::gauge("g").labels(&["pid"]).merge(Merge::PerProcess));
    assert!(message.contains("\"pid\""), "{message}");
}

#[test]
fn a_label_of_the_whole_service_is_refused_on_a_metric() {
    let home = Home::new();
    let identity = Identity::new("svc").label("env", "prod").expect("a label");
    let registry = Registry::open(&home.place("svc"), identity, Options::default()).expect("a registry");
    let error = registry.family(Spec::counter("voices").labels(&["env"])).err().expect("refused");
    assert!(error.is_conflict() && error.to_string().contains("\"env\""), "{error}");
    let voices = registry.family(Spec::counter("voices")).expect("a family");
    voices.counter(&[]).expect("a counter").inc(1.0);
    assert_eq!(value(&home.snapshot(&registry), "voices", &[("env", "prod")]), Some(1.0));
    // Through the facade the metric's own label wins.
    counter(&registry.facade(), "own", &[("env", "test")]).increment(1);
    assert_eq!(value(&home.snapshot(&registry), "own", &[("env", "test")]), Some(1.0));
}

#[test]
fn bounds_must_be_finite_and_ascending() {
    let home = Home::new();
    let registry = home.registry();
    let many: Vec<f64> = (0..257).map(f64::from).collect();
    let cases: [&[f64]; 7] =
        [&[], &[f64::INFINITY], &[1.0, 1.0], &[2.0, 1.0], &[f64::NAN], &[f64::NEG_INFINITY, 1.0], &many];
    for bounds in cases {
        let message = refusal(&registry, Spec::histogram("latency", bounds));
        assert!(message.contains("\"latency\""), "{bounds:?}: {message}");
    }
    assert!(registry.family(Spec::histogram("fine", &[1.0, 2.0, f64::INFINITY])).is_ok());
}

#[test]
fn a_family_has_one_kind_help_unit_merge_rule_and_buckets() {
    let home = Home::new();
    let registry = home.registry();
    let help = |spec: Spec| spec.help("One.");
    registry.family(help(Spec::gauge("depth"))).expect("a family");
    registry.family(help(Spec::histogram("latency", &[1.0, 2.0]).unit(Unit::Seconds))).expect("a family");
    let cases = [
        ("kind", Spec::counter("depth")),
        ("help", Spec::gauge("depth").help("Another.")),
        ("merge rule", help(Spec::gauge("depth").merge(Merge::Max))),
        ("unit", help(Spec::histogram("latency_seconds", &[1.0, 2.0]))),
        ("bucket bounds", help(Spec::histogram("latency", &[1.0, 3.0]).unit(Unit::Seconds))),
    ];
    for (what, spec) in cases {
        let error = registry.family(spec).err().unwrap_or_else(|| panic!("another {what} was taken"));
        assert!(error.is_conflict() && error.to_string().contains(what), "{what}: {error}");
    }
    // The same again, or without the help, is the same family.
    for spec in [help(Spec::gauge("depth")), Spec::gauge("depth")] {
        registry.family(spec).expect("the same").gauge(&[]).expect("a gauge").inc(1.0);
    }
    assert_eq!(value(&home.snapshot(&registry), "depth", &[]), Some(2.0));
}

#[test]
fn families_never_meet_on_the_wire() {
    let bounds = [1.0];
    let pairs: [(Spec, Spec); 9] = [
        (Spec::histogram("x", &bounds), Spec::gauge("x_sum")),
        (Spec::histogram("x", &bounds), Spec::gauge("x_bucket")),
        (Spec::histogram("x", &bounds), Spec::gauge("x_count")),
        (Spec::histogram("x", &bounds), Spec::counter("x_created")),
        (Spec::counter("x"), Spec::gauge("x_total")),
        (Spec::counter("x"), Spec::gauge("x")),
        (Spec::summary("x"), Spec::counter("x_count")),
        (Spec::info("x"), Spec::gauge("x_info")),
        (Spec::summary("x"), Spec::histogram("x", &bounds)),
    ];
    for (first, second) in pairs {
        for (one, other) in [(first.clone(), second.clone()), (second, first)] {
            let home = Home::new();
            let registry = home.registry_with(small());
            registry.family(one.clone()).expect("the first");
            let error = registry.family(other.clone()).err();
            let error = error.unwrap_or_else(|| panic!("{one:?} and {other:?} both stand"));
            assert!(error.is_conflict() && error.to_string().contains('x'), "{error}");
        }
    }
}

#[test]
fn names_that_only_a_snapshot_has_are_kept() {
    let home = Home::new();
    let registry = home.registry();
    for name in ["svc_up", "svc_build_info", "svc_requests_in_flight", "auscult_series"] {
        assert!(refusal(&registry, Spec::gauge(name)).contains(name));
    }
    assert!(refusal(&registry, Spec::info("svc_build")).contains("svc_build"));
    assert_well_formed(&home.snapshot(&registry));
}

#[test]
fn the_total_and_info_suffixes_are_the_familys_and_not_the_names() {
    let home = Home::new();
    let registry = home.registry();
    let one = registry.family(Spec::counter("voices_total")).expect("a family");
    let two = registry.family(Spec::counter("voices")).expect("the same");
    assert_eq!((one.name(), two.name()), ("voices", "voices"));
    one.counter(&[]).expect("a counter").inc(1.0);
    two.counter(&[]).expect("a counter").inc(0.5);
    let info = registry.family(Spec::info("model_info").labels(&["name"])).expect("an info");
    assert_eq!(info.name(), "model");
    let snapshot = home.snapshot(&registry);
    assert_eq!(value(&snapshot, "voices", &[]), Some(1.5));
    assert_eq!(family(&snapshot, "model").kind, Kind::Info);
}

#[test]
fn the_wrong_number_of_values_or_kind_of_handle_is_an_error() {
    let home = Home::new();
    let registry = home.registry();
    let voices = registry.family(Spec::counter("voices").labels(&["language"])).expect("a family");
    for values in [&[][..], &["en", "zh"][..]] {
        let message = voices.counter(values).err().expect("refused").to_string();
        assert!(message.contains("voices") && message.contains("language"), "{message}");
        assert!(voices.remove(values).is_err());
    }
    assert!(voices.gauge(&["en"]).is_err() && voices.histogram(&["en"]).is_err());
}

#[test]
fn through_the_facade_two_names_exposed_alike_are_a_counted_fault() {
    let home = Home::new();
    let registry = home.registry();
    let facade = registry.facade();
    counter(&facade, "a.b", &[]).increment(1);
    counter(&facade, "a_b", &[]).increment(10);
    counter(&facade, "a.b", &[]).increment(1);
    let snapshot = home.snapshot(&registry);
    assert_eq!(value(&snapshot, "a_b", &[]), Some(2.0), "the first keeps the name");
    assert_eq!(errors(&snapshot, "facade"), 1.0);
}

#[test]
fn through_the_facade_refused_labels_are_counted_and_drop_nothing_else() {
    let home = Home::new();
    let registry = home.registry();
    let facade = registry.facade();
    let refused: [&[(&str, &str)]; 3] = [&[("le", "1")], &[("__x", "1")], &[("a-b", "1"), ("a_b", "2")]];
    for labels in refused {
        counter(&facade, "x", labels).increment(1);
    }
    counter(&facade, "x", &[("http.method", "GET")]).increment(3);
    let snapshot = home.snapshot(&registry);
    assert_eq!(errors(&snapshot, "facade"), 3.0);
    assert_eq!(total(&snapshot, "x", &[]), 3.0);
    assert_eq!(value(&snapshot, "x", &[("http_method", "GET")]), Some(3.0));
    assert_well_formed(&snapshot);
}

#[test]
fn labels_are_one_set_in_any_order() {
    let home = Home::new();
    let registry = home.registry();
    let facade = registry.facade();
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
        voices.counter(&[odd]).expect("a counter").inc(1.0);
        assert_eq!(value(&home.snapshot(&registry), "voices", &[("v", odd)]), Some(1.0), "{odd:?}");
    }
    let long = "é".repeat(4000);
    voices.counter(&[&long]).expect("a counter").inc(1.0);
    voices.counter(&[&long]).expect("the same").inc(1.0);
    let kept = "é".repeat(512);
    assert_eq!(value(&home.snapshot(&registry), "voices", &[("v", &kept)]), Some(2.0));
}

#[test]
fn beyond_the_limit_the_overflow_series_takes_the_rest_exactly() {
    let home = Home::new();
    let registry = home.registry_with(Options { series_limit: 100, ..Options::default() });
    let facade = registry.facade();
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
    assert_eq!(value(&snapshot, "auscult_series_overflow", &[]), Some(4900.0));
    assert_eq!(value(&snapshot, "other", &[("user", "1")]), Some(1.0), "a limit of each family by itself");
    // What had a series keeps it.
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
        sessions.counter(&[&id]).expect("a counter").inc(1.0);
        if id != "49" {
            sessions.remove(&[&id]).expect("removed");
            sessions.remove(&[&id]).expect("and again, which changes nothing");
        }
    }
    let snapshot = home.snapshot(&registry);
    assert_eq!(value(&snapshot, "sessions", &[("id", "49")]), Some(1.0));
    assert_eq!(family(&snapshot, "sessions").series.len(), 1);
    assert_eq!(value(&snapshot, "auscult_series_overflow", &[]), Some(0.0));
    // Those that come back count again.
    for id in ["1", "2"] {
        sessions.counter(&[id]).expect("a counter").inc(1.0);
    }
    sessions.counter(&["new"]).expect("the overflow").inc(1.0);
    let snapshot = home.snapshot(&registry);
    assert_eq!(value(&snapshot, "sessions", &[("id", OVERFLOW)]), Some(1.0));
}

#[test]
fn what_is_not_finite_is_rejected_and_counted() {
    let home = Home::new();
    let registry = home.registry();
    let spec = |name: &str| Spec::histogram(name, &[1.0]);
    let histogram_typed = registry.family(spec("h")).expect("a family").histogram(&[]).expect("a histogram");
    let counter_typed =
        registry.family(Spec::counter("c")).expect("a family").counter(&[]).expect("a counter");
    let gauge_typed = registry.family(Spec::gauge("g")).expect("a family").gauge(&[]).expect("a gauge");
    let facade = registry.facade();
    let (facade_gauge, facade_histogram) = (gauge(&facade, "fg"), histogram(&facade, "fh"));
    let mut expected = 0.0;
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        histogram_typed.observe(bad);
        histogram_typed.observe_with_exemplar(bad, "id");
        counter_typed.inc(bad);
        gauge_typed.inc(bad);
        gauge_typed.dec(bad);
        facade_gauge.increment(bad);
        facade_gauge.decrement(bad);
        facade_histogram.record(bad);
        facade_histogram.record_many(bad, 3);
        expected += 8.0 + 3.0;
    }
    counter_typed.inc(-1.0);
    expected += 1.0;
    histogram_typed.observe(0.5);
    counter_typed.inc(0.25);
    gauge_typed.inc(1.5);
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
fn units_of_the_facade_become_base_units() {
    use metrics::Unit as Given;
    let home = Home::new();
    let registry = home.registry();
    let facade = registry.facade();
    let describe = |name: &'static str, unit| {
        facade.describe_histogram(name.into(), Some(unit), "H.".into());
        facade.describe_gauge(format!("{name}_g").into(), Some(unit), "G.".into());
        facade.describe_counter(format!("{name}_c").into(), Some(unit), "C.".into());
    };
    describe("took_milliseconds", Given::Milliseconds);
    describe("load", Given::Percent);
    describe("size", Given::Kibibytes);
    describe("plain_seconds", Given::Seconds);
    describe("things", Given::Count);
    histogram(&facade, "took_milliseconds").record(300.0);
    histogram(&facade, "load").record(50.0);
    histogram(&facade, "size").record(2.0);
    histogram(&facade, "plain_seconds").record(1.0);
    gauge(&facade, "took_milliseconds_g").set(1500.0);
    gauge(&facade, "load_g").set(12.5);
    gauge(&facade, "size_g").set(3.0);
    counter(&facade, "took_milliseconds_c", &[]).increment(250);
    counter(&facade, "size_c", &[]).increment(1);
    counter(&facade, "things_c", &[]).increment(1);
    let snapshot = home.snapshot(&registry);
    let took = distribution(&snapshot, "took_seconds", &[]);
    assert_eq!((took.sum, &*took.bounds), (0.3, &LATENCY_BUCKETS[..]), "300 ms are exactly 0.3 s");
    assert_eq!(took.counts[4], 0);
    assert_eq!(took.counts.iter().position(|count| *count == 1), Some(5), "in the bucket up to 0.3");
    let load = distribution(&snapshot, "load_ratio", &[]);
    assert_eq!((load.sum, &*load.bounds), (0.5, &RATIO_BUCKETS[..]));
    let size = distribution(&snapshot, "size_bytes", &[]);
    assert_eq!((size.sum, &*size.bounds), (2048.0, &BYTES_BUCKETS[..]));
    assert_eq!(distribution(&snapshot, "plain_seconds", &[]).sum, 1.0);
    assert_eq!(value(&snapshot, "took_milliseconds_g_seconds", &[]), Some(1.5));
    assert_eq!(value(&snapshot, "load_g_ratio", &[]), Some(0.125));
    assert_eq!(value(&snapshot, "size_g_bytes", &[]), Some(3072.0));
    assert_eq!(value(&snapshot, "took_milliseconds_c_seconds", &[]), Some(0.25));
    assert_eq!(value(&snapshot, "size_c_bytes", &[]), Some(1024.0));
    assert_eq!(value(&snapshot, "things_c", &[]), Some(1.0));
    assert_eq!(family(&snapshot, "took_seconds").unit, Unit::Seconds);
    assert_eq!(&*family(&snapshot, "took_seconds").help, "H.");
}

#[test]
fn every_unit_of_the_facade_ends_in_its_suffix() {
    use metrics::Unit as Given;
    let units = [
        (Given::Microseconds, 2e6, 2.0, "_seconds"),
        (Given::Nanoseconds, 5e9, 5.0, "_seconds"),
        (Given::Mebibytes, 1.0, 1_048_576.0, "_bytes"),
        (Given::Gibibytes, 1.0, 1_073_741_824.0, "_bytes"),
        (Given::Tebibytes, 1.0, 1_099_511_627_776.0, "_bytes"),
        (Given::Bytes, 7.0, 7.0, "_bytes"),
        (Given::BitsPerSecond, 7.0, 7.0, ""),
        (Given::CountPerSecond, 7.0, 7.0, ""),
    ];
    let home = Home::new();
    let registry = home.registry();
    let facade = registry.facade();
    for (index, (unit, recorded, exposed, suffix)) in units.into_iter().enumerate() {
        let name = format!("m{index}");
        facade.describe_gauge(name.clone().into(), Some(unit), "".into());
        gauge(&facade, &name).set(recorded);
        assert_eq!(value(&home.snapshot(&registry), &format!("{name}{suffix}"), &[]), Some(exposed));
    }
}

#[test]
fn help_may_come_late_and_a_unit_may_not() {
    let home = Home::new();
    let registry = home.registry();
    let facade = registry.facade();
    counter(&facade, "c", &[]).increment(1);
    let mut collector = home.collector(&registry);
    assert_eq!(&*family(&collector.snapshot(), "c").help, "");
    facade.describe_counter("c".into(), None, "Late.".into());
    assert_eq!(&*family(&collector.snapshot(), "c").help, "Late.");
    assert_eq!(&*family(&home.snapshot(&registry), "c").help, "Late.", "for new readers, too");
    histogram(&facade, "h").record(1.0);
    facade.describe_histogram("h".into(), Some(metrics::Unit::Milliseconds), "H.".into());
    histogram(&facade, "h").record(1.0);
    let snapshot = collector.snapshot();
    assert_eq!(distribution(&snapshot, "h", &[]).sum, 2.0, "the unit it had");
    assert_eq!(&*family(&snapshot, "h").help, "H.");
    assert_eq!(errors(&snapshot, "facade"), 1.0);
}

#[test]
fn describing_again_and_again_takes_no_more_room() {
    let home = Home::new();
    let registry = home.registry_with(small());
    let facade = registry.facade();
    counter(&facade, "c", &[]).increment(1);
    for _ in 0..10_000 {
        facade.describe_counter("c".into(), None, "The same help over and over.".into());
    }
    counter(&facade, "d", &[("l", "v")]).increment(1);
    let snapshot = home.snapshot(&registry);
    assert_eq!(value(&snapshot, "d", &[("l", "v")]), Some(1.0), "there is room for another");
}

#[test]
fn bounds_of_facade_histograms_can_be_given_by_name() {
    let home = Home::new();
    let buckets = vec![("rows.read".to_owned(), vec![1.0, 10.0])];
    let registry = home.registry_with(Options { buckets, ..Options::default() });
    histogram(&registry.facade(), "rows.read").record(5.0);
    assert_eq!(distribution(&home.snapshot(&registry), "rows_read", &[]).counts, [0, 1, 0]);
}

#[test]
fn absolute_counters_never_fall_and_mix_with_increments() {
    let home = Home::new();
    let registry = home.registry();
    let facade = registry.facade();
    let c = counter(&facade, "c", &[]);
    let read = || value(&home.snapshot(&registry), "c", &[]);
    c.absolute(10);
    assert_eq!(read(), Some(10.0));
    c.absolute(4);
    assert_eq!(read(), Some(10.0), "it does not fall");
    c.increment(5);
    assert_eq!(read(), Some(15.0));
    c.absolute(20);
    assert_eq!(read(), Some(20.0), "raised to, not by");
    c.absolute(u64::MAX);
    assert_eq!(read(), Some(u64::MAX as f64));
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
            counters.counter(&[value]).expect("a counter").inc(2.0);
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
    old.inc(100.0);
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
    let now = auscult_core::clock::unix_nanos();
    assert!(low.unix_nanos.abs_diff(now) < 60_000_000_000, "{} is about {now}", low.unix_nanos);
}

#[test]
fn a_full_segment_is_counted_and_takes_nothing_down() {
    let home = Home::new();
    let registry = home.registry_with(Options { series_limit: 1_000_000, ..small() });
    let facade = registry.facade();
    let kept = counter(&facade, "kept", &[]);
    for index in 0..5000 {
        counter(&facade, "c", &[("l", &index.to_string())]).increment(1);
        histogram(&facade, &format!("h{index}")).record(1.0);
    }
    let more = (0..5000).find_map(|index| registry.family(Spec::gauge(&format!("new_{index}"))).err());
    assert!(more.expect("full").to_string().contains("segment_bytes"));
    kept.increment(1);
    let snapshot = home.snapshot(&registry);
    assert_eq!(value(&snapshot, "kept", &[]), Some(1.0));
    let exposed = family(&snapshot, "c").series.len();
    assert!(exposed > 10, "{exposed} series fitted");
    assert!(errors(&snapshot, "segment") > 0.0);
    assert!(errors(&snapshot, "facade") > 0.0);
    assert_well_formed(&snapshot);
}

#[test]
fn the_size_of_the_segment_is_checked() {
    let home = Home::new();
    for segment_bytes in [0, 1, auscult_core::MIN_SEGMENT_BYTES - 1, auscult_core::MAX_SEGMENT_BYTES + 1] {
        let options = Options { segment_bytes, ..Options::default() };
        let error = Registry::open(&home.place("svc"), Identity::new("svc"), options).err().expect("refused");
        assert!(error.is_config() && error.to_string().contains("segment_bytes"), "{error}");
    }
}

#[test]
fn many_threads_count_exactly_and_lanes_pass_from_thread_to_thread() {
    let home = Home::new();
    let registry = home.registry();
    let facade = Arc::new(registry.facade());
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
                        floats.inc(0.5);
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
    counter(&first.facade(), "c", &[]).increment(1);
    counter(&second.facade(), "c", &[]).increment(2);
    counter(&first.facade(), "c", &[]).increment(1);
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
    // What only one has set is not hidden by the other's 0.
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
fn what_two_processes_call_differently_is_left_out_and_counted() {
    let home = Home::new();
    let (first, second) = (home.registry(), home.registry());
    counter(&first.facade(), "x", &[]).increment(1);
    gauge(&second.facade(), "x_total").set(7.0);
    gauge(&second.facade(), "fine").set(7.0);
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
    counter(&ended.facade(), "c", &[]).increment(2);
    registry.fault("x", "a fault");
    ended.fault("x", "a fault");
    let calls = auscult_core::Calls::new(&ended).expect("request metrics");
    let operation = calls.operation("op").labels(["voice"]);
    operation.start(["anna"]).finish();
    drop(calls.stage("s"));
    drop((operation, calls, ended));
    let mut collector = home.collector(&registry);
    assert_eq!(collector.fold(), 1, "nobody holds it");
    let snapshot = collector.snapshot();
    assert_eq!(value(&snapshot, "c", &[]), Some(2.0));
    assert_eq!(total(&snapshot, "svc_request", &[]), 1.0);
    assert_eq!(errors(&snapshot, "x"), 2.0);
}
