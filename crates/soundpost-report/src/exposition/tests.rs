//! Whole expositions.

use std::sync::Arc;

use soundpost_core::Unit;
use soundpost_core::snapshot::{
    Distribution, Exemplar, Labels, MetricFamily, MetricKind, MetricSeries, MetricValue, Snapshot,
};

use super::{openmetrics, text};

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| (Arc::from(*name), Arc::from(*value))).collect()
}

fn series(pairs: &[(&str, &str)], value: MetricValue) -> MetricSeries {
    MetricSeries { labels: labels(pairs), value }
}

fn family(name: &str, kind: MetricKind, unit: Unit, help: &str, series: Vec<MetricSeries>) -> Snapshot {
    Snapshot { families: vec![MetricFamily { name: name.into(), kind, help: help.into(), unit, series }] }
}

fn gauge(value: f64) -> Snapshot {
    family("g", MetricKind::Gauge, Unit::None, "", vec![series(&[], MetricValue::Float(value))])
}

fn distribution(bounds: &[f64], counts: &[u64], sum: f64) -> Distribution {
    Distribution { bounds: bounds.into(), counts: counts.to_vec(), sum, exemplars: vec![] }
}

fn histogram(distribution: Distribution) -> Snapshot {
    let value = MetricValue::Distribution(distribution);
    family("h", MetricKind::Histogram, Unit::None, "", vec![series(&[], value)])
}

fn with_exemplar(request_id: &str, unix_nanos: u64) -> Snapshot {
    let exemplar = Exemplar { request_id: request_id.into(), value: 7.0, unix_nanos };
    histogram(Distribution { exemplars: vec![None, Some(exemplar)], ..distribution(&[1.0], &[0, 1], 7.0) })
}

/// Returns one family of each kind.
fn every_kind() -> Snapshot {
    let exemplar =
        |value| Exemplar { request_id: "req-7d8e9f".into(), value, unix_nanos: 1_767_323_045_678_000_000 };
    let duration = Distribution {
        exemplars: vec![Some(exemplar(0.2)), None, None, Some(exemplar(31.5))],
        ..distribution(&[0.25, 1.0, 30.0], &[2, 0, 5, 1], 104.25)
    };
    let families = [
        family(
            "audio_seconds",
            MetricKind::Counter,
            Unit::Seconds,
            "Audio produced.",
            vec![
                series(&[("operation", "clone")], MetricValue::Float(12.5)),
                series(&[("operation", "synthesize")], MetricValue::Float(3600.0)),
            ],
        ),
        family(
            "build",
            MetricKind::Info,
            Unit::None,
            "What runs.",
            vec![series(&[("commit", "0a1b2c3"), ("version", "V23")], MetricValue::Float(1.0))],
        ),
        family("queue", MetricKind::Gauge, Unit::None, "", vec![series(&[], MetricValue::Float(-3.0))]),
        family(
            "request",
            MetricKind::Counter,
            Unit::None,
            "Calls.",
            vec![series(&[("operation", "synthesize"), ("status", "success")], MetricValue::Int(u64::MAX))],
        ),
        family(
            "request_duration_seconds",
            MetricKind::Histogram,
            Unit::Seconds,
            "Start to finish.",
            vec![series(&[("operation", "synthesize")], MetricValue::Distribution(duration))],
        ),
        family(
            "size_bytes",
            MetricKind::Summary,
            Unit::Bytes,
            "Sizes.",
            vec![series(&[], MetricValue::Distribution(distribution(&[], &[4], 1e9)))],
        ),
        family(
            "state",
            MetricKind::StateSet,
            Unit::None,
            "Where it is.",
            vec![
                series(&[("state", "busy")], MetricValue::Float(1.0)),
                series(&[("state", "idle")], MetricValue::Float(0.0)),
            ],
        ),
        family("without_series", MetricKind::Gauge, Unit::None, "Never seen.", vec![]),
    ];
    Snapshot { families: families.into_iter().flat_map(|snapshot| snapshot.families).collect() }
}

#[test]
fn every_kind_in_text() {
    assert_eq!(
        text(&every_kind()),
        r#"# HELP audio_seconds_total Audio produced.
# TYPE audio_seconds_total counter
audio_seconds_total{operation="clone"} 12.5
audio_seconds_total{operation="synthesize"} 3600
# HELP build_info What runs.
# TYPE build_info gauge
build_info{commit="0a1b2c3",version="V23"} 1
# TYPE queue gauge
queue -3
# HELP request_total Calls.
# TYPE request_total counter
request_total{operation="synthesize",status="success"} 18446744073709551615
# HELP request_duration_seconds Start to finish.
# TYPE request_duration_seconds histogram
request_duration_seconds_bucket{operation="synthesize",le="0.25"} 2
request_duration_seconds_bucket{operation="synthesize",le="1"} 2
request_duration_seconds_bucket{operation="synthesize",le="30"} 7
request_duration_seconds_bucket{operation="synthesize",le="+Inf"} 8
request_duration_seconds_sum{operation="synthesize"} 104.25
request_duration_seconds_count{operation="synthesize"} 8
# HELP size_bytes Sizes.
# TYPE size_bytes summary
size_bytes_sum 1e+09
size_bytes_count 4
# HELP state Where it is.
# TYPE state gauge
state{state="busy"} 1
state{state="idle"} 0
"#
    );
}

#[test]
fn every_kind_in_openmetrics() {
    assert_eq!(
        openmetrics(&every_kind()),
        r#"# TYPE audio_seconds counter
# UNIT audio_seconds seconds
# HELP audio_seconds Audio produced.
audio_seconds_total{operation="clone"} 12.5
audio_seconds_total{operation="synthesize"} 3600.0
# TYPE build info
# HELP build What runs.
build_info{commit="0a1b2c3",version="V23"} 1
# TYPE queue gauge
queue -3.0
# TYPE request counter
# HELP request Calls.
request_total{operation="synthesize",status="success"} 18446744073709551615
# TYPE request_duration_seconds histogram
# UNIT request_duration_seconds seconds
# HELP request_duration_seconds Start to finish.
request_duration_seconds_bucket{operation="synthesize",le="0.25"} 2 # {request_id="req-7d8e9f"} 0.2 1767323045.678
request_duration_seconds_bucket{operation="synthesize",le="1.0"} 2
request_duration_seconds_bucket{operation="synthesize",le="30.0"} 7
request_duration_seconds_bucket{operation="synthesize",le="+Inf"} 8 # {request_id="req-7d8e9f"} 31.5 1767323045.678
request_duration_seconds_sum{operation="synthesize"} 104.25
request_duration_seconds_count{operation="synthesize"} 8
# TYPE size_bytes summary
# UNIT size_bytes bytes
# HELP size_bytes Sizes.
size_bytes_sum 1e+09
size_bytes_count 4
# TYPE state stateset
# HELP state Where it is.
state{state="busy"} 1
state{state="idle"} 0
# EOF
"#
    );
}

#[test]
fn nothing_is_a_valid_exposition() {
    assert_eq!(text(&Snapshot::default()), "");
    assert_eq!(openmetrics(&Snapshot::default()), "# EOF\n");
}

#[test]
fn hostile_label_values_are_escaped() {
    // Inputs for each escaping rule, and attempts to end the context.
    let table = [
        (r#"a\"b"#, r#"g{l="a\\\"b"} 1"#),
        ("a\\\nb", r#"g{l="a\\\nb"} 1"#),
        (r"\", r#"g{l="\\"} 1"#),
        (r"\\", r#"g{l="\\\\"} 1"#),
        (r"a\b", r#"g{l="a\\b"} 1"#),
        (r"a\\b", r#"g{l="a\\\\b"} 1"#),
        ("", r#"g{l=""} 1"#),
        ("\"} 1\nevil{x=\"", r#"g{l="\"} 1\nevil{x=\""} 1"#),
        ("\n# TYPE evil counter\nevil_total 1", r#"g{l="\n# TYPE evil counter\nevil_total 1"} 1"#),
        ("x\n# EOF", r#"g{l="x\n# EOF"} 1"#),
        ("\",le=\"0", r#"g{l="\",le=\"0"} 1"#),
        ("情感 😀", "g{l=\"情感 😀\"} 1"),
        ("\u{feff}\u{2028}\r\t\0", "g{l=\"\u{feff}\u{2028}\r\t\0\"} 1"),
    ];
    for (value, line) in table {
        let snapshot = family(
            "g",
            MetricKind::Gauge,
            Unit::None,
            "",
            vec![series(&[("l", value)], MetricValue::Int(1))],
        );
        assert_eq!(text(&snapshot), format!("# TYPE g gauge\n{line}\n"));
        assert_eq!(openmetrics(&snapshot), format!("# TYPE g gauge\n{line}\n# EOF\n"));
    }
}

#[test]
fn help_stays_on_its_line() {
    let help = "a \"b\" \\ c\n# TYPE evil counter";
    let snapshot = family("g", MetricKind::Gauge, Unit::None, help, vec![series(&[], MetricValue::Int(1))]);
    assert_eq!(text(&snapshot), "# HELP g a \"b\" \\\\ c\\n# TYPE evil counter\n# TYPE g gauge\ng 1\n");
    assert_eq!(
        openmetrics(&snapshot),
        "# TYPE g gauge\n# HELP g a \\\"b\\\" \\\\ c\\n# TYPE evil counter\ng 1\n# EOF\n"
    );
}

#[test]
fn gauges_have_any_value() {
    for (value, in_text, in_openmetrics) in [
        (f64::NAN, "NaN", "NaN"),
        (f64::INFINITY, "+Inf", "+Inf"),
        (f64::NEG_INFINITY, "-Inf", "-Inf"),
        (-0.0, "-0", "-0.0"),
        (0.0, "0", "0.0"),
        (1e-7, "1e-07", "1e-07"),
    ] {
        assert_eq!(text(&gauge(value)), format!("# TYPE g gauge\ng {in_text}\n"));
        assert_eq!(openmetrics(&gauge(value)), format!("# TYPE g gauge\ng {in_openmetrics}\n# EOF\n"));
    }
}

#[test]
fn openmetrics_violations_are_omitted() {
    let counter = |value| {
        family("c", MetricKind::Counter, Unit::None, "", vec![series(&[], MetricValue::Float(value))])
    };
    for value in [f64::NAN, -1.0] {
        assert_eq!(openmetrics(&counter(value)), "# TYPE c counter\n# EOF\n");
    }
    for odd in [distribution(&[-1.0, 1.0], &[1, 0, 2], 5.0), distribution(&[-1.0, 1.0], &[1, 0, 2], -5.0)] {
        assert_eq!(
            openmetrics(&histogram(odd)),
            "# TYPE h histogram\nh_bucket{le=\"-1.0\"} 1\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 3\n# EOF\n"
        );
    }
    for sum in [f64::NAN, -5.0] {
        assert_eq!(
            openmetrics(&histogram(distribution(&[], &[3], sum))),
            "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\n# EOF\n"
        );
        let value = MetricValue::Distribution(distribution(&[], &[3], sum));
        let summary = family("s", MetricKind::Summary, Unit::None, "", vec![series(&[], value)]);
        assert_eq!(openmetrics(&summary), "# TYPE s summary\ns_count 3\n# EOF\n");
    }
}

#[test]
fn unit_is_written_if_the_name_ends_in_it() {
    for (name, kind, said) in [
        ("a_seconds", MetricKind::Gauge, true),
        ("seconds", MetricKind::Gauge, false),
        ("a_seconds_max", MetricKind::Gauge, false),
        ("aseconds", MetricKind::Gauge, false),
        ("a_seconds", MetricKind::Info, false),
        ("a_seconds", MetricKind::StateSet, false),
    ] {
        let snapshot = family(name, kind, Unit::Seconds, "", vec![series(&[], MetricValue::Int(1))]);
        assert_eq!(openmetrics(&snapshot).contains("# UNIT"), said, "{name} {kind:?}");
        assert!(!text(&snapshot).contains("# UNIT"));
    }
}

#[test]
fn an_exemplar_has_at_most_128_characters_and_no_escape() {
    let bucket = |snapshot: &Snapshot| {
        let rendered = openmetrics(snapshot);
        rendered.lines().find(|line| line.contains("+Inf")).map(str::to_owned)
    };
    // Ten characters are the label's name.
    let (fits, too_long) = ("é".repeat(118), "é".repeat(119));
    assert_eq!(
        bucket(&with_exemplar(&fits, 5_000_000_000)).unwrap(),
        format!("h_bucket{{le=\"+Inf\"}} 1 # {{request_id=\"{fits}\"}} 7.0 5")
    );
    assert_eq!(bucket(&with_exemplar(&too_long, 1)).unwrap(), "h_bucket{le=\"+Inf\"} 1");
    assert_eq!(
        bucket(&with_exemplar("id } # {", 0)).unwrap(),
        r#"h_bucket{le="+Inf"} 1 # {request_id="id } # {"} 7.0"#
    );
    for odd in ["x\"} 1 # {evil=\"", "\\", "a\nb", "\0", "\u{7f}"] {
        assert_eq!(bucket(&with_exemplar(odd, 1)).unwrap(), "h_bucket{le=\"+Inf\"} 1");
    }
    assert!(!text(&with_exemplar("id", 1)).contains("request_id"));
}

#[test]
fn last_bucket_equals_the_count() {
    // Counts that do not match the bounds, as a segment that was read during a write might have them.
    for counts in [&[][..], &[1], &[1, 2], &[1, 2, 3], &[1, 2, 3, 4]] {
        let total: u64 = counts.iter().sum();
        let rendered = text(&histogram(distribution(&[1.0, 2.0], counts, 0.5)));
        assert!(rendered.contains(&format!("h_bucket{{le=\"+Inf\"}} {total}\n")));
        assert!(rendered.contains(&format!("h_count {total}\n")));
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_not_rendered() {
    let one = |kind, value| family("x", kind, Unit::None, "", vec![series(&[], value)]);
    for snapshot in [
        one(MetricKind::Histogram, MetricValue::Int(1)),
        one(MetricKind::Summary, MetricValue::Float(1.0)),
        one(MetricKind::Counter, MetricValue::Distribution(distribution(&[], &[1], 1.0))),
    ] {
        assert_eq!(text(&snapshot).lines().count(), 1);
        assert_eq!(openmetrics(&snapshot).lines().count(), 2);
    }
}
