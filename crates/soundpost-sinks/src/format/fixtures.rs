//! Records for the tests of several encoders.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use soundpost_core::{FieldValue, FinishedCall, GpuUse, LogEvent, Outcome};
use soundpost_store::{CallRow, EventRow};

use super::record::{Event, Field, Fields, Level, Origin, Value};

pub(crate) const ORIGIN: Origin<'_> =
    Origin { host: "gpu-1", labels: &[], instance: "pod-a", service: "cosyvoice3", version: "V 23" };

/// Returns a call that failed.
pub(crate) fn call() -> CallRow {
    let text = |text: &str| FieldValue::Text(text.to_owned());
    let call = FinishedCall {
        ended_unix: 1_767_323_045_678_901_234,
        request_id: "req-7d8e9f".into(),
        operation: "synthesize".into(),
        outcome: Outcome::Oom,
        ended: 940_000_000,
        busy: 924_000_000,
        queued: Some(1_500_000),
        audio_seconds: 4.2,
        characters: 37,
        chunks: 3,
        streaming: true,
        pid: 7,
        gpu: Some(GpuUse {
            memory_before: 1 << 30,
            memory_peak: 3 << 30,
            memory_delta: -(1 << 20),
            of_process: true,
            ..GpuUse::default()
        }),
        labels: vec![("emotion".into(), "angry, very".into())],
        fields: vec![
            ("error".into(), text("CUDA out of memory:\n\"2 GiB\"")),
            ("seed".into(), FieldValue::Int(1)),
        ],
        ..FinishedCall::default()
    };
    CallRow { sequence: 41_005, call }
}

/// Returns the call with this sequence number and as many characters.
pub(crate) fn numbered_call(sequence: u64) -> CallRow {
    CallRow { sequence, call: FinishedCall { characters: sequence, ..call().call } }
}

/// Returns a call that measured only its time, with its characters as a field.
pub(crate) fn bare_call() -> CallRow {
    let count = ("char_count".into(), FieldValue::Int(37));
    let CallRow { sequence, call } = call();
    CallRow { sequence, call: FinishedCall { audio_seconds: 0.0, chunks: 0, fields: vec![count], ..call } }
}

/// Returns a logged exception.
pub(crate) fn logged() -> EventRow {
    let text = |name: &str, text: &str| (name.to_owned(), FieldValue::Text(text.to_owned()));
    let event = LogEvent {
        unix_nanos: 1_767_323_045_678_901_234,
        level: Level::Error,
        message: "Number 7 failed".into(),
        logger: "tts".into(),
        file: String::new(),
        line: None,
        thread: String::new(),
        request_id: String::new(),
        operation: String::new(),
        origin: None,
        pid: 7,
        segment: 1,
        fields: vec![
            text("error_type", "RuntimeError"),
            text("error", "CUDA out of memory"),
            text("traceback", "Traceback:\n  File \"a.py\"\nRuntimeError: CUDA out of memory"),
            text("version", ORIGIN.version),
        ],
    };
    EventRow { sequence: 1, event }
}

/// Generates texts with special characters of the formats, and others.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let nasty = proptest::sample::select(
        "\\\",= \n\r\t\0#'_a\u{7f}\u{85}\u{2028}\u{feff}é😀".chars().collect::<Vec<_>>(),
    );
    vec(prop_oneof![4 => nasty, 1 => any::<char>()], 0..12).prop_map(String::from_iter)
}

pub(crate) fn value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        text().prop_map(|text| Value::Text(text.into())),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::Unsigned),
        any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        any::<bool>().prop_map(Value::Bool),
    ]
}

/// The owned parts of an event: texts (message, trace, logger, file, thread, request id, operation), fields, time,
/// level, line.
pub(crate) type Owned = ([String; 7], Vec<(String, Value<'static>)>, i64, Level, Option<u32>);

pub(crate) fn owned() -> impl Strategy<Value = Owned> {
    let level = proptest::sample::select(Level::ALL.to_vec());
    let texts = [text(), text(), text(), text(), text(), text(), text()];
    (texts, vec((text(), value()), 0..5), any::<i64>(), level, option::of(any::<u32>()))
}

pub(crate) fn event((texts, fields, unix_nanos, level, line): &Owned) -> Event<'_> {
    let [message, trace, logger, file, thread, request_id, operation] = texts;
    Event {
        unix_nanos: *unix_nanos,
        level: *level,
        message: message.into(),
        detail: vec![],
        trace,
        logger,
        file,
        line: *line,
        thread,
        request_id,
        operation,
        fields: Fields::Given(fields.iter().map(|(name, value)| (name.into(), value.clone())).collect()),
    }
}

/// Returns an event with nothing but a message.
pub(crate) fn said(message: &str) -> Event<'_> {
    Event {
        unix_nanos: 1_767_323_045_678_901_234,
        level: Level::Warning,
        message: message.into(),
        detail: vec![],
        trace: "",
        logger: "",
        file: "",
        line: None,
        thread: "",
        request_id: "",
        operation: "",
        fields: Fields::Given(vec![]),
    }
}

/// Returns the fields of an event.
pub(crate) fn given<'e, 'a>(event: &'e Event<'a>) -> &'e [Field<'a>] {
    match &event.fields {
        Fields::Given(fields) => fields,
        fields => panic!("{fields:?}"),
    }
}
