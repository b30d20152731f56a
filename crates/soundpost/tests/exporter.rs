//! Tests with metrics-exporter-prometheus: its recorder is kept, its rendering is appended, and both formats agree.
#![allow(clippy::unwrap_used)]
#![cfg(feature = "metrics-exporter-prometheus")]

mod common;

use std::collections::BTreeSet;

use common::{Directory, Ending, samples, value};
use metrics_exporter_prometheus::PrometheusBuilder;
use soundpost::Seconds;

/// The process has one global recorder, so one test covers it.
#[test]
fn recorder_of_the_exporter_is_kept_and_written_to() {
    let builder = PrometheusBuilder::new().set_buckets(&soundpost::LATENCY_BUCKETS).unwrap();
    let exporter = builder.install_recorder().unwrap();
    let directory = Directory::new();
    let telemetry = directory.serving("kept").through_facade().start().unwrap();
    let _ending = Ending(telemetry.clone());
    let operation = telemetry.operation("synthesize").labels(["voice"]).unwrap();
    let call = operation.start_with(["en"]);
    call.field("char_count", 42);
    call.chunk(Seconds(0.5));
    let in_flight = r#"kept_requests_in_flight{voice="en",operation="synthesize"}"#;
    assert_eq!(value(&exporter.render(), in_flight), Some(1.0));
    call.finish();
    metrics::counter!("hosts_own_total").increment(7);

    let (theirs, ours) = (exporter.render(), telemetry.render());
    assert_eq!(value(&theirs, in_flight), Some(0.0));
    assert_eq!(value(&theirs, "hosts_own_total"), Some(7.0));
    assert!(samples(&ours, "hosts_own_total").is_empty(), "the host's recorder was not replaced");
    for sample in [
        r#"kept_request_total{operation="synthesize",outcome="ok",status="success",voice="en"}"#,
        r#"kept_characters_total{operation="synthesize",voice="en"}"#,
        r#"kept_audio_seconds_total{operation="synthesize",voice="en"}"#,
        r#"kept_request_duration_seconds_count{operation="synthesize",status="success",voice="en"}"#,
        r#"kept_request_duration_seconds_bucket{operation="synthesize",status="success",voice="en",le="0.01"}"#,
    ] {
        assert!(value(&ours, sample).is_some(), "{sample} in\n{ours}");
        assert_eq!(value(&theirs, sample), value(&ours, sample), "{sample}");
    }
}

#[test]
fn rendering_of_the_exporter_is_appended_once() {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        metrics::counter!("theirs_total").increment(1);
        metrics::counter!("both_total").increment(1);
    });
    let directory = Directory::new();
    let telemetry = directory.serving("appends").append(recorder.handle()).start().unwrap();
    let _ending = Ending(telemetry.clone());
    telemetry.family(soundpost::Spec::counter("both")).unwrap().counter(&[]).unwrap().increment_by(5.0);
    let (head, text) = common::get(
        &telemetry.address().unwrap(),
        "/metrics",
        "Accept: application/openmetrics-text; version=1.0.0\r\n",
    );
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    assert_eq!(value(&text, "theirs_total"), Some(1.0));
    assert_eq!(samples(&text, "both_total"), ["both_total 5"]);
}

/// Records the same facade calls with both, and compares the samples.
#[test]
fn rendered_text_equals_that_of_the_exporter() {
    let bounds = [0.1, 1.0, 10.0];
    let theirs = PrometheusBuilder::new().set_buckets(&bounds).unwrap().build_recorder();
    let directory = Directory::new();
    let place = soundpost_core::ServiceDir::open(directory.path(), "differential").unwrap();
    let buckets = vec![("wait_seconds".to_owned(), bounds.to_vec())];
    let options = soundpost_core::Options { buckets, ..Default::default() };
    let identity = soundpost_core::ServiceIdentity::new("differential");
    let registry = soundpost_core::Registry::open(&place, identity, options).unwrap();
    let record = || {
        metrics::describe_counter!("jobs_total", "Jobs \\ with a\nnewline and a \"quote\"");
        for (index, voice) in
            ["plain", "", "sp ace", "ünï", "qu\"ote", "back\\slash", "new\nline"].iter().enumerate()
        {
            metrics::counter!("jobs_total", "voice" => *voice, "kind" => "x").increment(index as u64);
            metrics::gauge!("depth", "voice" => *voice).set(index as f64 * -1.5e-7);
            metrics::histogram!("wait_seconds", "voice" => *voice).record(index as f64);
        }
        metrics::gauge!("limits").set(f64::INFINITY);
        metrics::counter!("absolute_total").absolute(1 << 60);
    };
    metrics::with_local_recorder(&theirs, record);
    metrics::with_local_recorder(&registry.metrics_recorder(), record);
    let mut collector = soundpost_core::snapshot::Collector::new(place, registry);
    let ours = soundpost_report::exposition::text(&collector.snapshot());
    let names = ["jobs_total", "depth", "wait_seconds", "limits", "absolute_total"];
    let (ours, theirs) = (canonical(&ours, &names), canonical(&theirs.handle().render(), &names));
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), 7 * (1 + 1 + 6) + 2);
    collector.end_run();
}

/// Returns the samples with sorted labels and numeric values.
fn canonical(text: &str, names: &[&str]) -> BTreeSet<String> {
    let ours = |line: &&str| !line.starts_with('#') && names.iter().any(|name| line.starts_with(name));
    text.lines().filter(ours).map(canonical_line).collect()
}

fn canonical_line(line: &str) -> String {
    let (series, number) = line.rsplit_once(' ').unwrap();
    let number: f64 = number.parse().unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let mut pairs = Vec::new();
    let mut rest = labels.trim_end_matches('}');
    while let Some((label, after)) = rest.split_once("=\"") {
        let mut end = 0;
        let bytes = after.as_bytes();
        while bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let mut text = after[..end].to_owned();
        if let (true, Ok(bound)) = (label == "le", text.parse::<f64>()) {
            text = bound.to_string();
        }
        pairs.push(format!("{label}={text}"));
        rest = after[end + 1..].trim_start_matches(',');
    }
    pairs.sort();
    format!("{name}{pairs:?} {number}")
}
