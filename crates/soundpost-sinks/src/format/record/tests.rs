//! Tests of the fields of events.

use std::sync::Arc;

use soundpost_core::{FinishedCall, LogEvent, StageTime};
use soundpost_store::{CallRow, Entity, EventRow, VitalsRow, VitalsSample};

use super::*;
use crate::format::fixtures;
use crate::kinds::LokiExtras;

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

#[test]
fn a_record_is_shipped_with_its_own_origin() {
    let own = RecordOrigin { version: "V1".into(), instance: "pod-z".into() };
    let call = |origin| {
        let CallRow { sequence, call } = fixtures::call();
        Record::Call(CallRow { sequence, call: FinishedCall { origin, ..call } })
    };
    let log =
        |origin| Record::Event(EventRow { sequence: 2, event: LogEvent { origin, ..LogEvent::default() } });
    let load = VitalsSample { unix_nanos: 1, entity: Entity::Host, values: vec![("cpu_usage_ratio", 0.5)] };
    let vitals = |origin| {
        Record::Vitals(VitalsRow { sequence: 3, unix_nanos: 1, origin, samples: vec![load.clone()] })
    };
    let origins = [Some(Arc::new(own)), None];
    let records = origins.clone().map(|origin| [call(origin.clone()), log(origin)]).concat();
    for (record, has_own) in records.iter().zip([true, true, false, false]) {
        let event = Event::from_record(record).unwrap();
        let (mut gelf, mut line) = (Vec::new(), Vec::new());
        let _ = crate::graylog::gelf::push(&mut gelf, &fixtures::ORIGIN, &event, 8192);
        let _ = crate::json_lines::lines::push(&mut line, &fixtures::ORIGIN, &event);
        for text in [gelf, line].map(|bytes| String::from_utf8(bytes).unwrap()) {
            let (version, instance) = if has_own { ("V1", "pod-z") } else { ("V 23", "pod-a") };
            assert!(text.contains(&format!("version\":\"{version}\"")), "{text}");
            assert!(text.contains(&format!("node_id\":\"{instance}\"")) && text.contains("gpu-1"), "{text}");
        }
    }
    for (origin, host, version) in [(&origins[0], "pod-z", "V1"), (&origins[1], "pod-a", "V 23")] {
        for record in [call(origin.clone()), vitals(origin.clone())] {
            let points = Point::from_record(&fixtures::ORIGIN, &record);
            assert!(points[0].tags.contains(&("host".into(), host)), "{points:?}");
            assert!(points[0].tags.contains(&("version".into(), version)), "{points:?}");
        }
    }
    let events: Vec<_> = records.iter().filter_map(Event::from_record).collect();
    let (body, _) =
        crate::loki::push::Encoder::default().json(&fixtures::ORIGIN, &events, LokiExtras::Metadata);
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let streams = body["streams"].as_array().unwrap().iter();
    let streams: Vec<_> = streams
        .map(|stream| {
            let metadata = stream["values"].as_array().unwrap().iter().map(|value| &value[2]["version"]);
            (
                stream["stream"]["instance"].as_str().unwrap(),
                metadata.filter_map(|text| text.as_str()).collect(),
            )
        })
        .collect();
    let expected: [(&str, Vec<&str>); 4] =
        [("pod-z", vec!["V1"]), ("pod-z", vec!["V1"]), ("pod-a", vec!["V 23"]), ("pod-a", vec!["V 23"])];
    assert_eq!(streams, expected, "a stream for each instance and level");
}
