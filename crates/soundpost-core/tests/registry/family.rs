//! Names and series of a family.

use std::sync::Arc;

use soundpost_core::snapshot::MetricKind;
use soundpost_core::{Merge, Options, Registry, ServiceIdentity, Spec, Unit};

use crate::common::*;
use crate::counter;

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
    let identity = ServiceIdentity::new("svc").label("env", "prod").expect("a label");
    let registry = Registry::open(&home.place("svc"), identity, Options::default()).expect("a registry");
    let error = registry.family(Spec::counter("voices").labels(&["env"])).err().expect("refused");
    assert!(error.is_conflict() && error.to_string().contains("\"env\""), "{error}");
    let voices = registry.family(Spec::counter("voices")).expect("a family");
    voices.counter(&[]).expect("a counter").increment();
    assert_eq!(value(&home.snapshot(&registry), "voices", &[("env", "prod")]), Some(1.0));
    // Through the facade the metric's own label wins.
    counter(&registry.metrics_recorder(), "own", &[("env", "test")]).increment(1);
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
fn family_registered_again_keeps_its_first_traits() {
    let home = Home::new();
    let registry = home.registry();
    let latency =
        |bounds: &[f64]| Spec::histogram("latency_seconds", bounds).unit(Unit::Seconds).help("One.");
    registry.family(latency(&[1.0, 2.0]).labels(&["a", "b"])).expect("a family");
    let again = [
        latency(&[1.0, 2.0]).help("Another.").labels(&["a", "b"]),
        latency(&[1.0, 3.0]).labels(&["b", "a"]),
        Spec::histogram("latency_seconds", &[1.0, 2.0]).labels(&["a", "b"]),
        latency(&[1.0, 2.0]).merge(Merge::Max).labels(&["a", "b"]),
        latency(&[1.0, 2.0]).labels(&["a", "b"]),
    ];
    for spec in again {
        let family = registry.family(spec).expect("the first");
        let values = if &*family.labels()[0] == "a" { ["1", "2"] } else { ["2", "1"] };
        family.histogram(&values).expect("a histogram").observe(1.5);
    }
    let snapshot = home.snapshot(&registry);
    let labels = [("a", "1"), ("b", "2")];
    assert_eq!(distribution(&snapshot, "latency_seconds", &labels).counts, [0, 5, 0]);
    assert_eq!(family(&snapshot, "latency_seconds").help.as_ref(), "One.");
    assert_eq!(errors(&snapshot, "metric"), 4.0);
    assert_eq!(registry.diagnostics().notices(0).iter().filter(|notice| notice.warning).count(), 4);
}

#[test]
fn family_of_another_kind_or_label_set_is_refused() {
    let home = Home::new();
    let registry = home.registry();
    registry.family(Spec::gauge("depth").labels(&["a"])).expect("a family");
    for (part, spec) in [
        ("kind", Spec::counter("depth").labels(&["a"])),
        ("labels", Spec::gauge("depth")),
        ("labels", Spec::gauge("depth").labels(&["a", "b"])),
    ] {
        let error = registry.family(spec).err().expect("refused");
        assert!(error.is_conflict() && error.to_string().contains(part), "{part}: {error}");
    }
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
    for name in ["svc_up", "svc_build_info", "svc_requests_in_flight", "soundpost_series"] {
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
    one.counter(&[]).expect("a counter").increment();
    two.counter(&[]).expect("a counter").increment_by(0.5);
    let info = registry.family(Spec::info("model_info").labels(&["name"])).expect("an info");
    assert_eq!(info.name(), "model");
    let snapshot = home.snapshot(&registry);
    assert_eq!(value(&snapshot, "voices", &[]), Some(1.5));
    assert_eq!(family(&snapshot, "model").kind, MetricKind::Info);
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
fn notices_have_no_characters_that_terminals_obey() {
    let home = Home::new();
    let registry = home.registry();
    registry.diagnostics().warn("sink", "a\u{1b}[2J\r\nb\u{9b}\u{202e}\u{e0041} 情");
    registry.diagnostics().info_once("sink", "c\u{7}");
    let notices = registry.diagnostics().notices(0);
    let texts: Vec<&str> = notices.iter().map(|notice| notice.message.as_str()).collect();
    assert_eq!(texts, [r"a\u{1b}[2J\r\nb\u{9b}\u{202e}\u{e0041} 情", r"c\u{7}"]);
}
