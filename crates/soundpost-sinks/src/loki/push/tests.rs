//! Tests of push requests with parsers of protobuf, snappy and JSON.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value as Json, json};

use super::*;
use crate::format::fixtures::{ORIGIN, call, event, given, logged, owned, said};
use crate::format::record::{Fields, Said, Value};

#[derive(Clone, PartialEq, Message)]
struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, Message)]
struct Stream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Read>,
}

#[derive(Clone, PartialEq, Message)]
struct Read {
    #[prost(message, tag = "1")]
    timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    line: String,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<Pair>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

fn decoded(body: &[u8]) -> PushRequest {
    PushRequest::decode(&*snap::raw::Decoder::new().decompress_vec(body).unwrap()).unwrap()
}

fn pushed(events: &[Event<'_>], extras: Extras) -> (PushRequest, Losses) {
    let (body, losses) = Encoder::default().protobuf(&ORIGIN, events, extras).unwrap();
    (decoded(&body), losses)
}

/// Returns the line of the only entry, and its metadata as `name=value`.
fn entry_of(event: &Event<'_>, extras: Extras) -> (String, Vec<String>, Losses) {
    let (request, losses) = pushed(std::slice::from_ref(event), extras);
    let [entry] = &request.streams[0].entries[..] else { panic!("{request:?}") };
    let pairs = entry.metadata.iter().map(|pair| format!("{}={}", pair.name, pair.value));
    (entry.line.clone(), pairs.collect(), losses)
}

/// Converts a request to the shape of the JSON form.
fn as_json(request: &PushRequest, extras: Extras) -> Json {
    let streams = request.streams.iter().map(|stream| {
        // Labels are a list of `name="value"`; JSON's escapes are those of Go.
        let labels = stream.labels.replacen('{', "{\"", 1);
        let labels: Json = ["instance", "job", "level"]
            .iter()
            .fold(labels, |labels, name| labels.replacen(&format!("{name}=\""), &format!("{name}\":\""), 1))
            .replace("\",job\"", "\",\"job\"")
            .replace("\",level\"", "\",\"level\"")
            .parse()
            .unwrap();
        let values = stream.entries.iter().map(|entry| {
            let time = entry.timestamp.unwrap();
            let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
            let pairs = entry.metadata.iter().map(|pair| (pair.name.clone(), json!(pair.value)));
            let mut value = vec![json!(nanos.to_string()), json!(entry.line)];
            value.extend((extras == Extras::Metadata).then(|| Json::Object(pairs.collect())));
            Json::Array(value)
        });
        json!({"stream": labels, "values": values.collect::<Vec<_>>()})
    });
    json!({"streams": streams.collect::<Vec<_>>()})
}

#[test]
fn a_call_is_an_entry() {
    let call = call();
    let event = Event::of_call(&call);
    let (body, losses) = Encoder::default().json(&ORIGIN, [&event], Extras::Metadata);
    assert_eq!(
        String::from_utf8(body).unwrap(),
        "{\"streams\":[{\"stream\":{\"instance\":\"pod-a\",\"job\":\"cosyvoice3\",\"level\":\"error\"},\
         \"values\":[[\"1767323045678901234\",\"[ERROR] 2026-01-02T03:04:05.678Z Audio generation failed \
         duration=0.94s audio=4.20s rtf=0.22 outcome=oom \
         error=\\\"CUDA out of memory:\\\\n\\\\\\\"2 GiB\\\\\\\"\\\"\",{\"host\":\"gpu-1\",\
         \"version\":\"V 23\",\"request_id\":\"req-7d8e9f\",\"operation\":\"synthesize\",\"status\":\"error\",\
         \"outcome\":\"oom\",\"duration_ms\":\"940.0\",\"busy_ms\":\"924.0\",\"queue_ms\":\"1.5\",\
         \"audio_seconds\":\"4.2\",\"rtf\":\"0.22\",\"char_count\":\"37\",\"chunks\":\"3\",\
         \"gpu_memory_peak_mb\":\"3072.0\",\"gpu_memory_delta_mb\":\"-1.0\",\
         \"gpu_memory_used_gb\":\"0.9990234375\",\"pid\":\"7\",\"emotion\":\"angry, very\",\
         \"error\":\"CUDA out of memory:\\n\\\"2 GiB\\\"\",\"seed\":\"1\"}]]}]}"
    );
    assert_eq!(losses, Losses::default());
    let (line, pairs, _) = entry_of(&event, Extras::Logfmt);
    assert_eq!(
        line,
        "[ERROR] 2026-01-02T03:04:05.678Z Audio generation failed duration=0.94s audio=4.20s rtf=0.22 \
         outcome=oom error=\"CUDA out of memory:\\n\\\"2 GiB\\\"\" host=gpu-1 version=\"V 23\" \
         request_id=req-7d8e9f operation=synthesize status=error duration_ms=940.0 busy_ms=924.0 queue_ms=1.5 \
         audio_seconds=4.2 char_count=37 chunks=3 gpu_memory_peak_mb=3072.0 gpu_memory_delta_mb=-1.0 \
         gpu_memory_used_gb=0.9990234375 pid=7 emotion=\"angry, very\" seed=1"
    );
    assert_eq!(pairs, [""; 0]);
}

#[test]
fn streams_have_one_level_and_ordered_entries() {
    let at = |unix_nanos, level, message| Event { unix_nanos, level, ..said(message) };
    let events = [
        at(3, Level::Error, "d"),
        at(2, Level::Info, "b"),
        at(1, Level::Error, "c"),
        at(1, Level::Info, "a"),
    ];
    let (request, _) = pushed(&events, Extras::Metadata);
    let lines = |stream: &Stream| -> String {
        stream.entries.iter().filter_map(|entry| entry.line.chars().last()).collect()
    };
    let read: Vec<_> = request.streams.iter().map(|stream| (stream.labels.as_str(), lines(stream))).collect();
    assert_eq!(
        read,
        [
            ("{instance=\"pod-a\",job=\"cosyvoice3\",level=\"info\"}", "ab".to_owned()),
            ("{instance=\"pod-a\",job=\"cosyvoice3\",level=\"error\"}", "cd".to_owned()),
        ]
    );
    assert_eq!(Encoder::default().json(&ORIGIN, &[], Extras::Metadata).0, b"{\"streams\":[]}");
}

#[test]
fn special_characters_are_escaped() {
    for (service, expected) in [
        ("a\",level=\"x", r#"a\",level=\"x"#),
        (r"\", r"\\"),
        ("a\nb\0\u{85}", "a_b__"),
        ("\u{fffd}", "_"),
        ("\u{2028}😀", "\u{2028}😀"),
    ] {
        let origin = Origin { service, instance: "", ..ORIGIN };
        let (body, _) = Encoder::default().protobuf(&origin, [said("m")], Extras::Metadata).unwrap();
        let labels = &decoded(&body).streams[0].labels;
        assert_eq!(*labels, format!("{{job=\"{expected}\",level=\"warning\"}}"));
    }
    for (message, expected) in [
        ("a=b", r#"msg="a=b""#),
        ("x\nlevel=info", r#"msg="x\nlevel=info""#),
        ("say \"x\" \\", r#"msg="say \"x\" \\""#),
        ("plain text", "plain text"),
    ] {
        let (line, _, _) = entry_of(&said(message), Extras::Logfmt);
        let rest = "host=gpu-1 version=\"V 23\"";
        assert_eq!(line, format!("[WARNING] 2026-01-02T03:04:05.678Z {expected} {rest}"));
        let (line, _, _) = entry_of(&said(message), Extras::Metadata);
        assert_eq!(line, format!("[WARNING] 2026-01-02T03:04:05.678Z {message}"));
    }
    for (name, value, pair, in_line) in [
        ("a", Value::from("x b=\"1\"\n"), "a=x b=\"1\"\n", r#"a="x b=\"1\"\n""#),
        ("a b=c", Value::Int(1), "a_b_c=1", "a_b_c=1"),
        ("1a", Value::Int(i64::MIN), "_1a=-9223372036854775808", "_1a=-9223372036854775808"),
        ("é", Value::Unsigned(u64::MAX), "_=18446744073709551615", "_=18446744073709551615"),
        ("level", Value::from("x"), "level_=x", "level_=x"),
        ("host", Value::from("x"), "host_=x", "host_=x"),
        ("a", Value::Float(f64::NAN), "a=NaN", "a=NaN"),
        ("a", Value::Bool(true), "a=true", "a=true"),
    ] {
        let event = Event { fields: Fields::Given(vec![(name.into(), value)]), ..said("m") };
        assert_eq!(entry_of(&event, Extras::Metadata).1[2..], [pair]);
        let (line, _, _) = entry_of(&event, Extras::Logfmt);
        assert_eq!(line.split_once("version=\"V 23\" ").unwrap().1, in_line);
    }
}

#[test]
fn line_has_each_field_once() {
    let fields = vec![("outcome".into(), Value::from("oom")), ("duration".into(), Value::from("long"))];
    let detail = vec![("duration", Said::Rounded(0.9414, "s")), ("outcome", Said::Text("oom"))];
    let (line, _, losses) =
        entry_of(&Event { fields: Fields::Given(fields), detail, ..said("m") }, Extras::Logfmt);
    let rest = "m duration=0.94s outcome=oom host=gpu-1 version=\"V 23\" duration=long";
    assert_eq!(line, format!("[WARNING] 2026-01-02T03:04:05.678Z {rest}"));
    assert_eq!(losses, Losses::default());
}

#[test]
fn losses_are_counted() {
    let long = "x".repeat(1 << 20);
    let value = "v".repeat(8 * 1024 + 1);
    let names = ["", "a", "a", "a", "1"];
    let mut fields: Vec<_> = names.map(|name| (name.into(), Value::Int(1))).into();
    fields.push(("long".into(), Value::from(&*value)));
    let event = Event { fields: Fields::Given(fields), ..said(&long) };
    for extras in [Extras::Metadata, Extras::Logfmt] {
        let (line, _, losses) = entry_of(&event, extras);
        assert!(line.len() <= 256 * 1024 && line.len() > 220 * 1024);
        assert_eq!(losses, Losses { left_out: 2, shortened: 2, cleaned: 2, ..Losses::default() });
    }
    let origin = Origin { service: &long, instance: "\0", ..ORIGIN };
    let (_, losses) = Encoder::default().json(&origin, [said("m")], Extras::Metadata);
    assert_eq!(losses, Losses { shortened: 1, cleaned: 1, ..Losses::default() });
}

#[test]
fn entry_stays_within_its_limits() {
    let names: Vec<String> = (0..10_000).map(|index| format!("f{index}")).collect();
    let long = "\0".repeat(10 << 20);
    for value in ["v", &long] {
        let fields = names.iter().map(|name| (name.into(), Value::from(value))).collect();
        let event = Event { fields: Fields::Given(fields), ..said(&long) };
        for extras in [Extras::Metadata, Extras::Logfmt] {
            let (line, pairs, losses) = entry_of(&event, extras);
            assert!(line.len() <= 256 * 1024 && pairs.len() <= 120);
            assert!(pairs.iter().map(String::len).sum::<usize>() <= 64 * 1024);
            let fields = (pairs.len() + line.matches(" f").count()) as u64;
            assert_eq!(losses.left_out, 10_000 + 2 * u64::from(extras == Extras::Metadata) - fields);
        }
    }
}

/// Returns names and values of an event, by a simple implementation of the rules.
fn canonical(event: &Event<'_>) -> Vec<(String, String)> {
    let own = [
        ("host", ORIGIN.host),
        ("version", ORIGIN.version),
        ("request_id", event.request_id),
        ("operation", event.operation),
        ("logger", event.logger),
        ("file", event.file),
        ("thread", event.thread),
    ];
    let own = own.into_iter().filter(|(_, text)| !text.is_empty());
    let mut pairs: Vec<_> = own.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    pairs.extend(event.line.map(|line| ("line".to_owned(), line.to_string())));
    for (name, value) in given(event).iter().filter(|(name, _)| !name.is_empty()) {
        let value = match value {
            Value::Text(text) if text.is_empty() => continue,
            Value::Text(text) => text.to_string(),
            Value::Float(number) if !number.is_finite() => number.to_string(),
            Value::Float(number) => json!(number).to_string().replace("e+", "e"),
            Value::Int(number) => number.to_string(),
            Value::Unsigned(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
        };
        let mut clean: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if clean.starts_with(|c: char| c.is_ascii_digit()) {
            clean.insert(0, '_');
        }
        let free = |name: &String| {
            !["instance", "job", "level"].contains(&name.as_str())
                && pairs.iter().all(|(other, _)| other != name)
        };
        let free = [clean.clone(), clean + "_"].into_iter().find(free);
        pairs.extend(free.map(|name| (name, value)));
    }
    pairs
}

#[test]
fn logged_exception_is_found_by_its_line() {
    let row = logged();
    let event = Event::of_log(&row);
    let trace = "Traceback:\n  File \"a.py\"\nRuntimeError: CUDA out of memory";
    let said = "[ERROR] 2026-01-02T03:04:05.678Z Number 7 failed error=\"CUDA out of memory\"";
    let (line, pairs, losses) = entry_of(&event, Extras::Metadata);
    assert_eq!(line, format!("{said}\n{trace}"));
    assert!(pairs.contains(&"error=CUDA out of memory".into()), "{pairs:?}");
    assert!(
        !pairs.iter().any(|pair| pair.starts_with("traceback") || pair.starts_with("version_")),
        "{pairs:?}"
    );
    assert_eq!(losses, Losses::default());
    let (line, _, losses) = entry_of(&event, Extras::Logfmt);
    assert!(line.starts_with(said), "{line}");
    assert!(line.contains(&format!(" traceback={}", json!(trace))), "{line}");
    assert_eq!(losses, Losses::default());
}

#[test]
fn traceback_is_truncated_to_the_line_limit() {
    let trace = "é\n".repeat(200_000);
    let (line, _, losses) = entry_of(&Event { trace: &trace, ..said("m") }, Extras::Metadata);
    assert!((256 * 1024 - 1..=256 * 1024).contains(&line.len()), "{}", line.len());
    assert_eq!(losses, Losses { shortened: 1, ..Losses::default() });
}

proptest! {
    #[test]
    fn requests_read_back(of in vec(owned(), 0..5), extras in proptest::bool::ANY) {
        let extras = if extras { Extras::Metadata } else { Extras::Logfmt };
        let events: Vec<_> = of.iter().map(event).collect();
        let (request, losses) = pushed(&events, extras);
        let mut expected: Vec<_> = events.iter().collect();
        expected.sort_by_key(|event| (event.level, event.unix_nanos));
        let read: Vec<_> = request.streams.iter().flat_map(|stream| &stream.entries).collect();
        prop_assert_eq!(read.len(), expected.len());
        for (read, event) in read.into_iter().zip(expected) {
            let time = read.timestamp.unwrap();
            let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
            prop_assert_eq!(nanos, i128::from(event.unix_nanos));
            prop_assert!((0..1_000_000_000).contains(&time.nanos));
            if extras == Extras::Metadata {
                let pairs = read.metadata.iter().map(|pair| (pair.name.clone(), pair.value.clone()));
                prop_assert_eq!(pairs.collect::<Vec<_>>(), canonical(event));
                let trace = if event.trace.is_empty() { String::new() } else { format!("\n{}", event.trace) };
                let end = [" ", &event.message, &trace].concat();
                prop_assert!(read.line.ends_with(&end));
            } else {
                let breaks = read.line.contains(|c: char| c < ' ');
prop_assert!(read.metadata.is_empty() && !breaks);
            }
        }
        let (body, of_json) = Encoder::default().json(&ORIGIN, &events, extras);
        prop_assert_eq!(losses, of_json);
        prop_assert_eq!(serde_json::from_slice::<Json>(&body).unwrap(), as_json(&request, extras));
    }
}
