//! Prints what the encoders make of texts, so that it can be held against real servers: see `tests/servers`.
//!
//! The argument is the format; standard input is a JSON list of texts. Each text is the value of a field, of a tag, part
//! of a name, and a message, of a record that has its place in the list as `number`.

#![allow(clippy::unwrap_used, reason = "a tool of the tests, which fail with it")]

use std::io::{Read as _, Write as _};

use soundpost_sinks::format::Losses;
use soundpost_sinks::format::record::{Event, Fields, Level, Origin, Point, Said, Value};
use soundpost_sinks::graylog::gelf;
use soundpost_sinks::influxdb::line_protocol as influx;
use soundpost_sinks::json_lines::lines as jsonl;
use soundpost_sinks::loki::push as loki;

const ORIGIN: Origin<'_> =
    Origin { host: "gpu 1", labels: &[], instance: "pod-a", service: "cosyvoice3", version: "V 23" };

fn main() {
    let format = std::env::args().nth(1).unwrap_or_default();
    let mut texts = String::new();
    std::io::stdin().read_to_string(&mut texts).unwrap();
    let texts: Vec<String> = serde_json::from_str(&texts).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let now = i64::try_from(now).unwrap();
    let events: Vec<Event<'_>> = (now..).zip(&texts).map(|(at, text)| event(at, at - now, text)).collect();

    let mut out = Vec::new();
    let mut losses = Losses::default();
    match format.as_str() {
        "influx" => {
            for (at, text) in (now..).zip(&texts) {
                losses += push_point(&mut out, at, at - now, text);
            }
        }
        "gelf" => {
            for event in &events {
                losses += gelf::push(&mut out, &ORIGIN, event, gelf::FRAME - 1);
                out.push(0);
            }
        }
        "jsonl" => {
            for event in &events {
                losses += jsonl::push(&mut out, &ORIGIN, event);
            }
        }
        "loki-protobuf" => {
            out = loki::Encoder::default().protobuf(&ORIGIN, &events, loki::Extras::Metadata).unwrap().0
        }
        "loki-json" => out = loki::Encoder::default().json(&ORIGIN, &events, loki::Extras::Metadata).0,
        "loki-logfmt" => {
            out = loki::Encoder::default().protobuf(&ORIGIN, &events, loki::Extras::Logfmt).unwrap().0
        }
        _ => panic!("{format:?} is no format"),
    }
    assert_eq!(losses.records, 0, "records were left out");
    std::io::stdout().write_all(&out).unwrap();
}

fn push_point(out: &mut Vec<u8>, unix_nanos: i64, number: i64, text: &str) -> Losses {
    let (number, name) = (number.to_string(), format!("t{text}"));
    let point = Point {
        measurement: "nasty",
        tags: vec![("number".into(), &*number), ("value".into(), text), ((&*name).into(), "named")],
        fields: vec![
            ("text".into(), text.into()),
            (format!("f{text}").into(), Value::Int(7)),
            ("max".into(), Value::Unsigned(u64::MAX)),
            ("min".into(), Value::Int(i64::MIN)),
            ("tiny".into(), Value::Float(5e-324)),
            ("huge".into(), Value::Float(f64::MAX)),
            ("nan".into(), Value::Float(f64::NAN)),
        ],
        unix_nanos,
    };
    influx::push(out, &point)
}

fn event(unix_nanos: i64, number: i64, text: &str) -> Event<'_> {
    Event {
        unix_nanos,
        level: Level::ALL[usize::try_from(number).unwrap() % Level::ALL.len()],
        message: text.into(),
        detail: vec![("duration", Said::Text("1s"))],
        trace: "",
        logger: "nasty",
        file: "a b.py",
        line: Some(1),
        thread: "main",
        request_id: "req-1",
        operation: "synthesize",
        fields: Fields::Given(vec![
            ("number".into(), Value::Int(number)),
            ("text".into(), text.into()),
            (format!("f{text}").into(), "named".into()),
            ("max".into(), Value::Unsigned(u64::MAX)),
            ("min".into(), Value::Int(i64::MIN)),
            ("huge".into(), Value::Float(f64::MAX)),
            ("yes".into(), Value::Bool(true)),
            ("nan".into(), Value::Float(f64::NAN)),
        ]),
    }
}
