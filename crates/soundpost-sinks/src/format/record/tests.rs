//! Tests of the fields of events.

use soundpost_core::{FinishedCall, LogEvent, StageTime};
use soundpost_store::{CallRow, EventRow};

use super::*;
use crate::format::fixtures;

fn names(event: &Event<'_>) -> Vec<String> {
    let mut names = Vec::new();
    event.fields.each(&fixtures::ORIGIN, |name, _| names.push(name.to_owned()));
    names
}

#[test]
fn a_call_has_columns_then_stages_labels_and_fields() {
    let stage = |name: &str| StageTime { name: name.into(), count: 1, failures: 0, nanos: 1_500_000 };
    let CallRow { sequence, call } = fixtures::call();
    let call = FinishedCall {
        first_audio: Some(1),
        underrun: Some(2),
        died_in: Some("llm".into()),
        stages: vec![stage("frontend"), stage("llm")],
        ..call
    };
    let call = CallRow { sequence, call };
    let event = Event::of_call(&call);
    let expected = "status outcome duration_ms busy_ms queue_ms first_audio_ms underrun_ms audio_seconds rtf \
                    char_count chunks died_in gpu_memory_peak_mb gpu_memory_delta_mb gpu_memory_used_gb pid \
                    stage_frontend_ms stage_llm_ms emotion error seed";
    assert_eq!(names(&event).join(" "), expected);
    event.fields.each(&fixtures::ORIGIN, |name, value| {
        assert!(!name.starts_with("stage_") || *value == Value::Float(1.5), "{name}: {value:?}");
    });
}

#[test]
fn fields_with_names_of_sinks_are_renamed() {
    let log = |fields: &[&str]| EventRow {
        sequence: 1,
        event: LogEvent {
            fields: fields.iter().map(|name| ((*name).into(), 7.into())).collect(),
            pid: 8,
            ..LogEvent::default()
        },
    };
    assert_eq!(names(&Event::of_log(&log(&["a"]))), ["a", "pid"]);
    let given = ["pid", "a", "time", "id", "version", "duration_ms", "stage_llm_ms", "traceback", "times"];
    let sent = [
        "pid_",
        "a",
        "time_",
        "id_",
        "version_",
        "duration_ms_",
        "stage_llm_ms_",
        "traceback_",
        "times",
        "pid",
    ];
    assert_eq!(names(&Event::of_log(&log(&given))), sent);
}
