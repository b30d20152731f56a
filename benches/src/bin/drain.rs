//! Rate at which each sink ships stored records to a receiver on this machine that accepts everything, and its thread's
//! share of a core.
//!
//! ```sh
//! cargo run --release -p soundpost-benches --bin drain [RECORDS]
//! ```
//!
//! `STORE_DIRECTORY` sets the store's directory; the default is in the target directory, because `/tmp` may be memory.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use soundpost::Telemetry;
use soundpost::sink::{Graylog, InfluxDb, JsonLines, Loki, Sink};
use soundpost_benches::threads_cpu;
use soundpost_core::{FieldValue, FinishedCall, Level, LogEvent, Outcome, ServiceDir};
use soundpost_store::{Batch, Limits, Reader, RecordKinds, RingEvent, Store};

const SERVICE: &str = "bench";
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    let records = std::env::args().nth(1).map_or(200_000, |records| records.parse().unwrap());
    let parent = std::env::var("STORE_DIRECTORY").unwrap_or_else(|_| "target".to_owned());
    let root = tempfile::tempdir_in(parent).unwrap();
    let http = format!("http://{}", serve(answer));
    let tcp = format!("tcp://{}", serve(swallow));
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp_url = format!("udp://{}", udp.local_addr().unwrap());
    std::thread::spawn(move || while udp.recv(&mut [0; 2000]).is_ok() {});
    let lines = root.path().join("lines.jsonl");
    let sinks: [(&str, Sink); 7] = [
        ("InfluxDB", InfluxDb::new(&http).unwrap().database("d").into()),
        ("Loki", Loki::new(&http).unwrap().into()),
        ("GELF over HTTP", Graylog::new(&http).unwrap().into()),
        ("GELF over HTTP, bulk", Graylog::new(&http).unwrap().bulk(true).into()),
        ("GELF over TCP", Graylog::new(&tcp).unwrap().into()),
        ("GELF over UDP", Graylog::new(&udp_url).unwrap().into()),
        ("JSON lines", JsonLines::new(lines).unwrap().into()),
    ];
    for (number, (what, sink)) in sinks.into_iter().enumerate() {
        measure(&root.path().join(number.to_string()), what, sink, records);
    }
}

/// Serves each connection in a thread; returns the address.
fn serve(each: fn(TcpStream)) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || each(stream));
        }
    });
    address
}

fn swallow(mut stream: TcpStream) {
    let mut taken = vec![0; 256 * 1024];
    while stream.read(&mut taken).is_ok_and(|read| read > 0) {}
}

/// Answers each request with success.
fn answer(stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
            if let Some(("content-length", value)) = line.to_ascii_lowercase().trim().split_once(": ") {
                length = value.parse().unwrap();
            }
            line.clear();
        }
        if line.is_empty() || std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink()).is_err()
        {
            return;
        }
        if stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_err() {
            return;
        }
    }
}

/// Prints the sink's time for so many records: calls for InfluxDB, log events for the others.
fn measure(root: &Path, what: &str, sink: Sink, records: u64) {
    let points = what == "InfluxDB";
    let place = ServiceDir::open(root, SERVICE).unwrap();
    let (mut store, _) = Store::open(place.directory(), Limits::default()).unwrap();
    let kinds = if points { RecordKinds::POINTS } else { RecordKinds::LOGS };
    store.add_sink(sink.name(), kinds).unwrap();
    let record = |number| if points { RingEvent::Call(call(number)) } else { RingEvent::Log(event(number)) };
    for first in (0..records).step_by(1000) {
        let records: Vec<_> = (first..records.min(first + 1000)).map(record).collect();
        store.write(&Batch { records: &records, ..Batch::default() }).unwrap();
    }
    drop(store);
    let begun = Instant::now();
    let builder = Telemetry::builder(SERVICE).directory(root).listen(None).facade(false).start_event(false);
    let telemetry = builder.sink(sink).start().unwrap();
    let reader = Reader::open(place.directory()).unwrap().unwrap();
    let delivered = || reader.sinks().unwrap().first().map_or(0, |sink| sink.delivered);
    while delivered() < records {
        assert!(begun.elapsed() < PATIENCE, "{what}: {} of {records}", delivered());
        std::thread::sleep(Duration::from_millis(5));
    }
    let took = begun.elapsed().as_secs_f64();
    let of_sink = |(name, seconds): (&String, &f64)| name.starts_with("soundpost-sink").then_some(*seconds);
    let used: f64 = threads_cpu().iter().filter_map(of_sink).sum();
    let (rate, share) = (records as f64 / took, 100.0 * used / took);
    println!(
        "{what:<24} {rate:>9.0}/s   {share:>3.0} % of a core   {:.1} us each",
        1e6 * used / records as f64
    );
    telemetry.shutdown(PATIENCE);
}

/// Returns a call with a label and 6 fields.
fn call(number: u64) -> FinishedCall {
    FinishedCall {
        request_id: format!("{number:032x}"),
        operation: "inference_zero_shot".to_owned(),
        labels: vec![("emotion".to_owned(), "happy".to_owned())],
        outcome: Outcome::Ok,
        pid: 4711,
        segment: 1,
        ended_unix: soundpost_core::clock::unix_nanos(),
        started: 5_000_000_000,
        ended: 5_900_000_000 + number,
        busy: 800_000_000,
        queued: Some(1_000_000),
        first_audio: Some(300_000_000),
        underrun: None,
        chunks: 5,
        audio_seconds: 4.2,
        characters: 50 + number % 100,
        streaming: true,
        fields: fields(number),
        ..FinishedCall::default()
    }
}

/// Returns a log event with 6 fields.
fn event(number: u64) -> LogEvent {
    LogEvent {
        unix_nanos: soundpost_core::clock::unix_nanos(),
        level: Level::Info,
        message: "chunk handed over to the vocoder".to_owned(),
        logger: "cosyvoice.flow".to_owned(),
        file: "/srv/tts/cosyvoice/flow.py".to_owned(),
        line: Some(217),
        thread: "MainThread".to_owned(),
        request_id: format!("{number:032x}"),
        operation: "inference_zero_shot".to_owned(),
        origin: None,
        pid: 4711,
        segment: 1,
        fields: fields(number),
    }
}

fn fields(number: u64) -> Vec<(String, FieldValue)> {
    vec![
        ("voice".to_owned(), FieldValue::Text(format!("voice-{}", number % 50))),
        ("chunk".to_owned(), FieldValue::Int((number % 100) as i64)),
        ("tokens".to_owned(), FieldValue::Int((number % 4096) as i64)),
        ("seconds".to_owned(), FieldValue::Float((number % 10_000) as f64 / 1000.0)),
        ("cached".to_owned(), FieldValue::Bool(number.is_multiple_of(2))),
        ("device".to_owned(), FieldValue::Text("cuda:0".to_owned())),
    ]
}
