//! Tests of GELF frames with a JSON parser.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::*;
use crate::format::fixtures::{ORIGIN, bare_call, call, event, given, logged, owned, said};
use crate::format::record::{Fields, Value};

fn frame(event: &Event<'_>) -> (String, Losses) {
    let mut out = Vec::new();
    let losses = push(&mut out, &ORIGIN, event, FRAME - 1);
    (String::from_utf8(out).unwrap(), losses)
}

fn with<'a>(fields: &[(&'a str, Value<'a>)]) -> Event<'a> {
    let fields = fields.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
    Event { fields: Fields::Given(fields), ..said("m") }
}

/// Returns the part of a frame of [`said`] after its common head.
fn fields_of(event: &Event<'_>) -> (String, Losses) {
    let (frame, losses) = frame(event);
    let head = "{\"version\":\"1.1\",\"host\":\"gpu-1\",\"short_message\":\"m\",\"timestamp\":1767323045.678901,\
                \"level\":4,\"_node_id\":\"pod-a\",\"_service\":\"cosyvoice3\",\"_version\":\"V 23\"";
    (frame.strip_prefix(head).unwrap().to_owned(), losses)
}

#[test]
fn a_call_is_a_frame() {
    let call = call();
    let (frame, losses) = frame(&Event::of_call(&call));
    assert_eq!(
        frame,
        "{\"version\":\"1.1\",\"host\":\"gpu-1\",\"short_message\":\"Audio generation failed\",\
         \"full_message\":\"Audio generation failed\\nCUDA out of memory:\\n\\\"2 GiB\\\"\",\
         \"timestamp\":1767323045.678901,\"level\":3,\"_node_id\":\"pod-a\",\"_service\":\"cosyvoice3\",\
         \"_version\":\"V 23\",\"_request_id\":\"req-7d8e9f\",\"_operation\":\"synthesize\",\"_status\":\"error\",\
         \"_outcome\":\"oom\",\"_duration_ms\":940.0,\"_busy_ms\":924.0,\"_queue_ms\":1.5,\"_audio_seconds\":4.2,\
         \"_rtf\":0.22,\"_char_count\":37,\"_chunks\":3,\"_gpu_memory_peak_mb\":3072.0,\
         \"_gpu_memory_delta_mb\":-1.0,\"_gpu_memory_used_gb\":0.9990234375,\"_pid\":7,\
         \"_emotion\":\"angry, very\",\"_error\":\"CUDA out of memory:\\n\\\"2 GiB\\\"\",\"_seed\":1}"
    );
    assert_eq!(losses, Losses::default());
}

#[test]
fn unmeasured_values_are_omitted_and_none_is_repeated() {
    let call = bare_call();
    let (frame, losses) = frame(&Event::of_call(&call));
    assert!(!frame.contains("audio_seconds") && !frame.contains("chunks"), "{frame}");
    assert_eq!(frame.matches("char_count").count(), 1, "{frame}");
    assert_eq!(losses, Losses::default());
}

#[test]
fn logged_exception_is_readable_and_searchable() {
    let row = logged();
    let (frame, losses) = frame(&Event::of_log(&row));
    let read: Map<String, Json> = serde_json::from_str(&frame).unwrap();
    assert_eq!(read["short_message"], "Number 7 failed");
    let full = "Number 7 failed\nTraceback:\n  File \"a.py\"\nRuntimeError: CUDA out of memory";
    assert_eq!(read["full_message"], full);
    assert_eq!(
        (&read["_error"], &read["_error_type"]),
        (&json!("CUDA out of memory"), &json!("RuntimeError"))
    );
    assert_eq!(read["_version"], ORIGIN.version);
    assert!(!read.contains_key("_traceback") && !read.contains_key("_version_"), "{frame}");
    assert_eq!(losses, Losses::default());
}

#[test]
fn special_characters_are_escaped() {
    let table = [
        ("a", Value::from("x\",\"_evil\":\"1"), r#","_a":"x\",\"_evil\":\"1""#),
        ("a\":1,\"b", Value::Int(1), r#","_a__1__b":1"#),
        (
            "a",
            Value::from("\0\n\u{1b}\u{7f}\u{2028}\u{feff}😀"),
            ",\"_a\":\"\\u0000\\n\\u001b\u{7f}\u{2028}\u{feff}😀\"",
        ),
        ("情", Value::Int(1), r#","__":1"#),
        ("a.b@c-d", Value::Int(i64::MIN), r#","_a.b@c-d":-9223372036854775808"#),
        ("id", Value::Int(1), r#","_id_":1"#),
        ("timestamp", Value::Int(1), r#","_timestamp_":1"#),
        ("full_message", Value::Int(1), r#","_full_message_":1"#),
        ("service", Value::from("evil"), r#","_service_":"evil""#),
        ("a", Value::Bool(true), r#","_a":1"#),
        ("a", Value::Bool(false), r#","_a":0"#),
        ("a", Value::Float(1e308), r#","_a":1e308"#),
        ("a", Value::Float(f64::NAN), ""),
        ("a", Value::Float(f64::INFINITY), ""),
        ("a", Value::Unsigned(u64::MAX), r#","_a":9223372036854775807"#),
        ("a", Value::from(" \t"), ""),
        ("", Value::from("x"), ""),
    ];
    for (name, value, expected) in table {
        let (written, _) = fields_of(&with(&[(name, value)]));
        assert_eq!(written, format!("{expected}}}"));
    }
}

#[test]
fn losses_are_counted() {
    let long = "x".repeat(32_767);
    let name = "n".repeat(300);
    let (written, losses) = fields_of(&with(&[
        ("nan", Value::Float(f64::NAN)),
        ("", Value::Int(1)),
        ("blank", Value::from("")),
        ("a", Value::Int(1)),
        ("a", Value::Int(2)),
        ("a", Value::Int(3)),
        ("é", Value::Int(4)),
        ("big", Value::Unsigned(u64::MAX)),
        ("long", Value::from(&*long)),
        (&name, Value::Int(5)),
    ]));
    let (long, name) = (&long[1..], &name[..256]);
    let expected = format!(
        ",\"_a\":1,\"_a_\":2,\"__\":4,\"_big\":9223372036854775807,\"_long\":\"{long}\",\"_{name}\":5}}"
    );
    assert_eq!(written, expected);
    assert_eq!(losses, Losses { records: 0, left_out: 3, shortened: 2, cleaned: 2, saturated: 1 });
}

#[test]
fn required_fields_are_present() {
    let (frame, losses) = frame(&Event { unix_nanos: -1, ..said(" \n") });
    let read: Json = serde_json::from_str(&frame).unwrap();
    assert_eq!((&read["short_message"], &read["timestamp"]), (&json!("-"), &json!(0.001)));
    assert_eq!(losses, Losses { cleaned: 1, ..Losses::default() });
    let mut out = Vec::new();
    let nobody = Origin { host: "", labels: &[], instance: "", service: "", version: "" };
    let _ = push(&mut out, &nobody, &said("m"), 2048);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"version\":\"1.1\",\"host\":\"-\",\"short_message\":\"m\",\"timestamp\":1767323045.678901,\"level\":4}"
    );
}

#[test]
fn message_of_several_lines_has_a_short_and_a_full_text() {
    for (message, short, full) in [
        ("one line \n", "one line \n", None),
        ("\r\n\n", "-", None),
        ("boom\nTraceback:\n  x", "boom", Some("boom\nTraceback:\n  x")),
        ("\n \t\r\n  boom \r\nat x\n", "  boom", Some("\n \t\r\n  boom \r\nat x\n")),
    ] {
        let (frame, losses) = frame(&said(message));
        let read: Json = serde_json::from_str(&frame).unwrap();
        assert_eq!((read["short_message"].as_str(), read["full_message"].as_str()), (Some(short), full));
        assert_eq!(losses, Losses::default());
    }
    let long = ["x".repeat(FRAME / 2), "y".repeat(FRAME / 2)];
    let (frame, losses) = frame(&said(&long.join("\n")));
    let read: Json = serde_json::from_str(&frame).unwrap();
    assert_eq!(read["short_message"].as_str(), Some(&long[0][..(FRAME - 1) / 4]));
    assert_eq!(read["full_message"].as_str(), Some(&long[0][..(FRAME - 1) / 2]));
    assert_eq!(losses, Losses { shortened: 1, ..Losses::default() });
}

#[test]
fn frame_stays_within_its_limit() {
    let names: Vec<String> = (0..10_000).map(|index| format!("f{index}")).collect();
    for message in ["\0".repeat(3 << 20), "é".repeat(3 << 20), "\0".repeat(2000) + "\n\0", "m".to_owned()] {
        for limit in [2048, 2049, 65_536, FRAME - 1] {
            let fields = names.iter().map(|name| (name.into(), Value::from(&*message))).collect();
            let event = Event { fields: Fields::Given(fields), ..said(&message) };
            let mut out = Vec::new();
            let losses = push(&mut out, &ORIGIN, &event, limit);
            let read: Map<String, Json> = serde_json::from_slice(&out).unwrap();
            assert!(out.len() <= limit, "{} of {limit}", out.len());
            let fields = read.keys().filter(|name| name.starts_with("_f")).count() as u64;
            assert_eq!(losses.left_out, 10_000 - fields);
        }
    }
}

#[test]
fn long_message_is_split_into_datagrams() {
    let id = *b"12345678";
    let message: Vec<u8> = (0..1408 * 128).map(|index| (index % 251) as u8).collect();
    assert_eq!(datagrams(&message[..1420], id), Some(vec![message[..1420].to_vec()]));
    for length in [1421, 2816, 2817, message.len()] {
        let datagrams = datagrams(&message[..length], id).unwrap();
        let mut whole = Vec::new();
        for (number, datagram) in datagrams.iter().enumerate() {
            let head = [&[0x1e, 0x0f], &id[..], &[number as u8, datagrams.len() as u8]].concat();
            assert!(datagram.len() <= 1420);
            whole.extend_from_slice(datagram.strip_prefix(&head[..]).unwrap());
        }
        assert_eq!(whole, message[..length]);
    }
    assert_eq!(datagrams(&[&message[..], b"x"].concat(), id), None);
}

/// A simple implementation of the format's rules.
fn canonical(event: &Event<'_>) -> Map<String, Json> {
    let blank = |text: &str| text.chars().all(|c| c.is_whitespace() || u32::from(c) <= 32);
    let mut read = Map::new();
    let message = if blank(&event.message) { "-" } else { &event.message };
    let micros = event.unix_nanos.max(1_000_000) / 1000;
    read.insert("version".into(), "1.1".into());
    read.insert("host".into(), ORIGIN.host.into());
    let mut short = message;
    if !blank(event.trace) {
        read.insert("full_message".into(), [&event.message, event.trace].join("\n").into());
    } else if message.trim_end().contains('\n') {
        read.insert("full_message".into(), message.into());
    }
    if message.trim_end().contains('\n') {
        short = message.split('\n').map(str::trim_end).find(|line| !blank(line)).unwrap_or("-");
    }
    read.insert("short_message".into(), short.into());
    let seconds: f64 = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000).parse().unwrap();
    read.insert("timestamp".into(), seconds.into());
    read.insert("level".into(), event.level.syslog().into());
    let own = [
        ("_node_id", ORIGIN.instance),
        ("_service", ORIGIN.service),
        ("_version", ORIGIN.version),
        ("_request_id", event.request_id),
        ("_operation", event.operation),
        ("_logger", event.logger),
        ("_file", event.file),
        ("_thread", event.thread),
    ];
    own.into_iter().filter(|(_, text)| !blank(text)).for_each(|(name, text)| {
        read.insert(name.into(), text.into());
    });
    event.line.map(|line| read.insert("_line".into(), line.into()));
    for (name, value) in given(event).iter().filter(|(name, _)| !name.is_empty()) {
        let value = match value {
            Value::Text(text) if blank(text) => continue,
            Value::Text(text) => json!(text),
            Value::Float(number) if !number.is_finite() => continue,
            Value::Float(number) => json!(number),
            Value::Int(number) => json!(number),
            Value::Unsigned(number) => json!((*number).min(i64::MAX as u64)),
            Value::Bool(truth) => json!(i32::from(*truth)),
        };
        let keep = |c: char| c.is_ascii_alphanumeric() || ".@_-".contains(c);
        let name: String = ["_"]
            .into_iter()
            .map(String::from)
            .chain(name.chars().map(|c| if keep(c) { c.to_string() } else { "_".to_owned() }))
            .collect();
        let free = |name: &String| !read.contains_key(name) && name != "_id";
        if let Some(name) = [name.clone(), name + "_"].into_iter().find(free) {
            read.insert(name, value);
        }
    }
    read
}

proptest! {
    #[test]
    fn frames_read_back(of in owned()) {
        let event = event(&of);
        let (frame, losses) = frame(&event);
        prop_assert!(!frame.contains(['\0', '\n']));
        prop_assert_eq!(losses.records + losses.shortened, 0);
        prop_assert_eq!(serde_json::from_str::<Map<String, Json>>(&frame).unwrap(), canonical(&event));
    }
}
