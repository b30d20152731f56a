//! `Accept` and `Accept-Encoding`: each value leads to a response in a format that Prometheus reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soundpost_core::snapshot::Snapshot;
use soundpost_report::MetricsResponse;

fuzz_target!(|input: (&str, &str)| {
    let response = MetricsResponse::new(&Snapshot::default(), None, input.0, input.1);
    assert!(response.content_type.starts_with("text/plain") || response.content_type.contains("openmetrics"));
    assert!(response.content_encoding.is_none() || response.body.starts_with(&[0x1f, 0x8b]));
});
