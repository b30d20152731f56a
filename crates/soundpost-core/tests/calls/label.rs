//! Labels of calls.

use soundpost_core::{Calls, Options, Registry, Seconds, ServiceIdentity};

use crate::Service;
use crate::common::*;

#[test]
fn labels_of_an_operation_are_on_all_its_metrics() {
    let service = Service::new();
    let operation = service.calls.operation("op").labels(["voice", "emotion"]).expect("an operation");
    let call = operation.start_with(["anna", "sad"]);
    call.chunk(Seconds(1.0));
    drop(call.stage("s"));
    call.finish();
    operation.start_with(["anna", "sad"]).finish();
    let snapshot = service.snapshot();
    let labels = [("voice", "anna"), ("emotion", "sad"), ("operation", "op")];
    let all = |extra: &[(&'static str, &'static str)]| [&labels[..], extra].concat();
    let ok = all(&[("status", "success"), ("outcome", "ok")]);
    assert_eq!(value(&snapshot, "svc_request", &ok), Some(2.0));
    assert_eq!(distribution(&snapshot, "svc_stage_duration_seconds", &all(&[("stage", "s")])).count(), 1);
    assert_eq!(value(&snapshot, "svc_requests_in_flight", &labels), Some(0.0));
    assert_eq!(value(&snapshot, "svc_audio_seconds", &labels), Some(1.0));
    assert_well_formed(&snapshot);
}

#[test]
fn a_wrong_number_of_label_values_is_counted_and_the_call_recorded() {
    let service = Service::new();
    let operation = service.calls.operation("op").labels(["voice"]).expect("labels");
    operation.start().finish();
    operation.start_with(["anna", "surplus"]).finish();
    operation.start_with(["anna"]).finish();
    let snapshot = service.snapshot();
    assert_eq!(total(&snapshot, "svc_request", &[]), 3.0);
    assert_eq!(total(&snapshot, "svc_request", &[("voice", "anna")]), 2.0);
    assert_eq!(total(&snapshot, "svc_request", &[("voice", "")]), 1.0);
    assert_eq!(errors(&snapshot, "labels"), 2.0);
}

#[test]
fn labels_an_operation_cannot_have_are_refused() {
    let service = Service::new();
    for label in ["operation", "status", "outcome", "stage", "le", "quantile", "__x", "a-b", ""] {
        let error = service.calls.operation("op").labels([label]).err().expect("refused");
        assert!(error.is_config() && error.to_string().contains(&format!("{label:?}")), "{error}");
    }
    assert!(service.calls.operation("op").labels(["a", "a"]).is_err());
}

#[test]
fn label_sets_of_calls_beyond_the_limit_overflow() {
    let service = Service::with(Options { series_limit: 20, ..Options::default() });
    let operation = service.calls.operation("op").labels(["user"]).expect("labels");
    for index in 0..500 {
        operation.start_with([index.to_string()]).finish();
    }
    let snapshot = service.snapshot();
    assert_eq!(total(&snapshot, "svc_request", &[]), 500.0, "every call is counted");
    assert!(family(&snapshot, "svc_request").series.len() <= 22);
    assert!(family(&snapshot, "svc_requests_in_flight").series.len() <= 22);
    assert!(value(&snapshot, "soundpost_series_overflow", &[]) > Some(400.0));
}

#[test]
fn constant_labels_are_on_calls_in_flight_and_on_finished_ones() {
    let home = Home::new();
    let identity =
        ServiceIdentity::new("svc").label("env", "prod").expect("a label").version("1").commit("abc");
    let registry = Registry::open(&home.place("svc"), identity, Options::default()).expect("a registry");
    let calls = Calls::new(&registry).expect("request metrics");
    let call = calls.operation("op").start();
    let snapshot = home.snapshot(&registry);
    let labels = [("operation", "op"), ("env", "prod")];
    assert_eq!(value(&snapshot, "svc_requests_in_flight", &labels), Some(1.0));
    call.finish();
    assert_eq!(total(&home.snapshot(&registry), "svc_request", &labels), 1.0);
    assert_eq!(value(&snapshot, "svc_up", &[("env", "prod")]), Some(1.0));
    let build = &family(&snapshot, "svc_build").series[0];
    assert!(build.labels.iter().any(|(name, value)| &**name == "commit" && &**value == "abc"));
    assert!(calls.operation("op").labels(["env"]).is_err());
}
