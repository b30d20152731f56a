//! Records per second that the sinks' encoders write on one core; arguments select encoders by name.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use nix::sys::time::TimeValLike as _;
use nix::time::{ClockId, clock_gettime};
use soundpost_benches::{fields, mixed, request_id, stages};
use soundpost_core::{FinishedCall, GpuUse};
use soundpost_sinks::format::Losses;
use soundpost_sinks::format::record::{Event, Fields, Level, Origin, Point, Value};
use soundpost_sinks::graylog::gelf;
use soundpost_sinks::influxdb::line_protocol as influx;
use soundpost_sinks::json_lines::lines as jsonl;
use soundpost_sinks::loki::push as loki;
use soundpost_sinks::loki::push::Extras;
use soundpost_store::CallRow;

const ORIGIN: Origin<'_> = Origin {
    host: "gpu-node-17",
    labels: &[],
    instance: "tts-5d8f9c7b6-x2k4q",
    service: "cosyvoice3",
    version: "V23",
};

/// Number of records in a request, and in a timed round.
const ROUND: usize = 1000;

/// Time of each measurement.
const TIME: Duration = Duration::from_secs(2);

/// Returns a call with a label, three stages, 6 fields and a GPU.
fn call(number: u64) -> CallRow {
    let mixed = mixed(number);
    let call = FinishedCall {
        ended_unix: 1_767_323_045_678_901_234 + number * 1_000_003,
        request_id: request_id(mixed),
        operation: "inference_zero_shot".to_owned(),
        ended: 900_000_000 + mixed % 1_000_000_000,
        busy: 800_000_000 + mixed % 1_000_000_000,
        queued: Some(1_000_000 + mixed % 1_000_000),
        first_audio: Some(300_000_000 + mixed % 100_000_000),
        audio_seconds: (mixed % 100_000) as f64 / 10_000.0,
        characters: 50 + mixed % 100,
        chunks: 3 + mixed % 10,
        streaming: true,
        pid: 4711,
        gpu: Some(GpuUse {
            memory_before: 20 << 30,
            memory_peak: (20 << 30) + mixed % (1 << 30),
            memory_delta: (mixed % (1 << 20)) as i64,
            of_process: true,
            ..GpuUse::default()
        }),
        labels: vec![("emotion".to_owned(), "happy".to_owned())],
        fields: fields(mixed),
        stages: stages(mixed),
        ..FinishedCall::default()
    };
    CallRow { sequence: number, call }
}

/// Returns a log event with 6 fields.
fn event(number: u64) -> Event<'static> {
    let mixed = mixed(number);
    Event {
        unix_nanos: 1_767_323_045_678_901_234 + number as i64,
        level: Level::Info,
        message: "chunk handed over to the vocoder".into(),
        detail: vec![],
        trace: "",
        logger: "cosyvoice.flow",
        file: "/srv/tts/cosyvoice/flow.py",
        line: Some(217),
        thread: "MainThread",
        request_id: "4f1d0c3b2a19087f6e5d4c3b2a190807",
        operation: "inference_zero_shot",
        fields: Fields::Given(vec![
            ("voice".into(), Value::Text(format!("voice-{}", mixed % 50).into())),
            ("chunk".into(), Value::Int((mixed % 100) as i64)),
            ("tokens".into(), Value::Int((mixed % 4096) as i64)),
            ("seconds".into(), Value::Float((mixed % 10_000) as f64 / 1000.0)),
            ("cached".into(), Value::Bool(mixed.is_multiple_of(2))),
            ("device".into(), "cuda:0".into()),
        ]),
    }
}

/// Returns the CPU time of this thread in seconds, independent of other work on the machine.
fn busy() -> f64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().num_nanoseconds() as f64 / 1e9
}

/// Prints the records per second of the median round and of the fastest.
fn rate(what: &str, of: usize, mut round: impl FnMut() -> usize) {
    if std::env::args().nth(1).is_some_and(|wanted| !what.contains(&*wanted)) {
        return;
    }
    let (begun, mut times, mut bytes) = (Instant::now(), Vec::new(), 0);
    while begun.elapsed() < TIME {
        let before = busy();
        bytes = black_box(round());
        times.push(busy() - before);
    }
    times.sort_by(f64::total_cmp);
    let a_second = |time: f64| (of as f64 / time) as u64;
    let (median, fastest) = (a_second(times[times.len() / 2]), a_second(times[0]));
    println!("{what:<66} {median:>9}/s   at most {fastest:>9}/s   {:>5} bytes each", bytes / of);
}

/// Measures records that are appended one after the other.
fn lines<T>(what: &str, records: &[T], push: impl Fn(&mut Vec<u8>, &T) -> Losses) {
    let mut out = Vec::new();
    rate(what, records.len(), || {
        out.clear();
        let mut losses = Losses::default();
        records.iter().for_each(|record| losses += push(&mut out, record));
        assert_eq!(black_box(losses), Losses::default());
        out.len()
    });
}

fn main() {
    let calls: Vec<_> = (0..ROUND as u64).map(call).collect();
    let events: Vec<_> = (0..ROUND as u64).map(event).collect();
    let points: Vec<_> = calls.iter().map(|call| Point::of_call(&ORIGIN, call)).collect();
    lines("Influx: the point of a call", &points, |out, point| influx::push(out, point));
    lines("Influx: from the stored call", &calls, |out, call| {
        influx::push(out, &Point::of_call(&ORIGIN, call))
    });
    lines("GELF: an event with 6 fields", &events, |out, event| gelf::push(out, &ORIGIN, event, gelf::FRAME));
    lines("GELF: from the stored call", &calls, |out, call| {
        gelf::push(out, &ORIGIN, &Event::of_call(call), gelf::FRAME)
    });
    lines("JSON lines: an event with 6 fields", &events, |out, event| jsonl::push(out, &ORIGIN, event));
    lines("JSON lines: from the stored call", &calls, |out, call| {
        jsonl::push(out, &ORIGIN, &Event::of_call(call))
    });
    let mut encoder = loki::Encoder::default();
    for (name, extras) in [("metadata", Extras::Metadata), ("all in the line", Extras::Logfmt)] {
        rate(&format!("Loki, protobuf and snappy, {name}: an event with 6 fields"), ROUND, || {
            encoder.protobuf(&ORIGIN, &events, extras).unwrap().0.len()
        });
    }
    rate("Loki, protobuf and snappy, metadata: from the stored call", ROUND, || {
        encoder.protobuf(&ORIGIN, calls.iter().map(Event::of_call), Extras::Metadata).unwrap().0.len()
    });
    rate("Loki, JSON, metadata: an event with 6 fields", ROUND, || {
        encoder.json(&ORIGIN, &events, Extras::Metadata).0.len()
    });
}
