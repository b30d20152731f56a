//! Metrics recorded through the facade of `metrics`.

use metrics::Recorder;
use soundpost_core::{BYTES_BUCKETS, LATENCY_BUCKETS, Options, RATIO_BUCKETS, Unit};

use crate::common::*;
use crate::{counter, gauge, histogram};

#[test]
fn through_the_facade_two_names_exposed_alike_are_a_counted_fault() {
    let home = Home::new();
    let registry = home.registry();
    let facade = registry.metrics_recorder();
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
    let facade = registry.metrics_recorder();
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
fn units_of_the_facade_become_base_units() {
    use metrics::Unit as Given;
    let home = Home::new();
    let registry = home.registry();
    let facade = registry.metrics_recorder();
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
    let facade = registry.metrics_recorder();
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
    let facade = registry.metrics_recorder();
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
    let facade = registry.metrics_recorder();
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
    histogram(&registry.metrics_recorder(), "rows.read").record(5.0);
    assert_eq!(distribution(&home.snapshot(&registry), "rows_read", &[]).counts, [0, 1, 0]);
}

#[test]
fn absolute_counters_never_fall_and_mix_with_increments() {
    let home = Home::new();
    let registry = home.registry();
    let facade = registry.metrics_recorder();
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
