//! Tests of lines with a JSON parser.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::*;
use crate::format::fixtures::{ORIGIN, call, event, given, logged, owned, said};
use crate::format::record::{Fields, Value};

fn line(event: &Event<'_>) -> (String, Losses) {
    let mut out = Vec::new();
    let losses = push(&mut out, &ORIGIN, event);
    (String::from_utf8(out).unwrap(), losses)
}

#[test]
fn a_logged_exception_has_its_traceback() {
    let row = logged();
    let (line, losses) = line(&Event::of_log(&row));
    let read: Map<String, Json> = serde_json::from_str(&line).unwrap();
    assert_eq!(read["traceback"], "Traceback:\n  File \"a.py\"\nRuntimeError: CUDA out of memory");
    assert_eq!((&read["error"], &read["version"]), (&json!("CUDA out of memory"), &json!(ORIGIN.version)));
    assert_eq!(losses, Losses::default());
}

#[test]
fn a_call_is_a_line() {
    let call = call();
    let (line, losses) = line(&Event::of_call(&call));
    assert_eq!(
        line,
        "{\"time\":\"2026-01-02T03:04:05.678901234Z\",\"level\":\"error\",\"message\":\"Audio generation failed\",\
         \"host\":\"gpu-1\",\"node_id\":\"pod-a\",\"service\":\"cosyvoice3\",\"version\":\"V 23\",\
         \"request_id\":\"req-7d8e9f\",\"operation\":\"synthesize\",\"status\":\"error\",\"outcome\":\"oom\",\
         \"duration_ms\":940.0,\"busy_ms\":924.0,\"queue_ms\":1.5,\"audio_seconds\":4.2,\"rtf\":0.22,\
         \"char_count\":37,\"chunks\":3,\"gpu_memory_peak_mb\":3072.0,\"gpu_memory_delta_mb\":-1.0,\
         \"gpu_memory_used_gb\":0.9990234375,\"pid\":7,\"emotion\":\"angry, very\",\
         \"error\":\"CUDA out of memory:\\n\\\"2 GiB\\\"\",\"seed\":1}\n"
    );
    assert_eq!(losses, Losses::default());
}

#[test]
fn losses_are_counted() {
    let names = ["level", "level", "level", "nan", "", "a\"\n", "count", "truth"];
    let mut fields: Vec<_> = names.map(|name| (name.into(), Value::Int(1))).into();
    fields[3].1 = Value::Float(f64::NAN);
    fields[6].1 = Value::Unsigned(u64::MAX);
    fields[7].1 = Value::Bool(true);
    let event =
        Event { fields: Fields::Given(fields), unix_nanos: -1, line: Some(7), ..said("\u{2028}\0\"") };
    let (line, losses) = line(&event);
    assert_eq!(
        line,
        "{\"time\":\"1969-12-31T23:59:59.999999999Z\",\"level\":\"warning\",\"message\":\"\u{2028}\\u0000\\\"\",\
         \"host\":\"gpu-1\",\"node_id\":\"pod-a\",\"service\":\"cosyvoice3\",\"version\":\"V 23\",\"line\":7,\
         \"level_\":1,\"a\\\"\\n\":1,\"count\":18446744073709551615,\"truth\":true}\n"
    );
    assert_eq!(losses, Losses { left_out: 4, cleaned: 1, ..Losses::default() });
}

#[test]
fn line_stays_within_its_limit() {
    let names: Vec<String> = (0..10_000).map(|index| format!("f{index}")).collect();
    let long = "\0".repeat(10 << 20);
    let fields = names.iter().map(|name| (name.into(), Value::from(&*long))).collect();
    let (line, losses) = line(&Event { fields: Fields::Given(fields), ..said(&long) });
    let read: Map<String, Json> = serde_json::from_str(&line).unwrap();
    assert!(line.len() <= LINE && line.len() > LINE / 2);
    let fields = read.keys().filter(|name| name.starts_with('f')).count() as u64;
    assert_eq!((losses.left_out, losses.shortened), (10_000 - fields, 1 + fields));
}

/// A simple implementation of the format's rules.
fn canonical(event: &Event<'_>) -> Map<String, Json> {
    let mut read = Map::new();
    read.insert("level".into(), event.level.name().into());
    read.insert("message".into(), json!(event.message));
    let own = [
        ("host", ORIGIN.host),
        ("traceback", event.trace),
        ("node_id", ORIGIN.instance),
        ("service", ORIGIN.service),
        ("version", ORIGIN.version),
        ("request_id", event.request_id),
        ("operation", event.operation),
        ("logger", event.logger),
        ("file", event.file),
        ("thread", event.thread),
    ];
    own.into_iter().filter(|(_, text)| !text.is_empty()).for_each(|(name, text)| {
        read.insert(name.into(), text.into());
    });
    event.line.map(|line| read.insert("line".into(), line.into()));
    for (name, value) in given(event).iter().filter(|(name, _)| !name.is_empty()) {
        let value = match value {
            Value::Text(text) => json!(text),
            Value::Float(number) if !number.is_finite() => continue,
            Value::Float(number) => json!(number),
            Value::Int(number) => json!(number),
            Value::Unsigned(number) => json!(number),
            Value::Bool(truth) => json!(truth),
        };
        let name = name.clone().into_owned();
        if let Some(name) = [name.clone(), name + "_"].into_iter().find(|name| !read.contains_key(name)) {
            read.insert(name, value);
        }
    }
    read
}

proptest! {
    #[test]
    fn lines_read_back(of in owned()) {
        let event = event(&of);
        let (line, _) = line(&event);
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
        let mut read: Map<String, Json> = serde_json::from_str(&line).unwrap();
        prop_assert!(read.remove("time").is_some());
        prop_assert_eq!(read, canonical(&event));
    }
}
