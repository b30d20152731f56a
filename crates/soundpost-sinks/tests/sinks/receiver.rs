//! Reads the records that a server of each kind received, with independent parsers.

use std::io::Read as _;

use soundpost_core::FinishedCall;
use soundpost_sinks::format::record::Origin;
use soundpost_sinks::kinds::{Graylog, InfluxDb, Loki, LokiEncoding, Sink};
use soundpost_sinks::{Answer, Batch, BatchBisect, Step, Transport};
use soundpost_store::{CallRow, Record};
use soundpost_testkit::{Request, Server};

pub(crate) const ORIGIN: Origin<'_> =
    Origin { host: "gpu-1", labels: &[], instance: "pod-a", service: "cosyvoice3", version: "V 23" };

/// The kinds of sinks with replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Influx,
    Loki,
    LokiJson,
    Gelf,
    GelfBulk,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Influx, Self::Loki, Self::LokiJson, Self::Gelf, Self::GelfBulk];

    /// Returns a sink of this kind for a server.
    pub(crate) fn sink(self, server: &Server) -> Sink {
        let url = format!("http://{}", server.address);
        match self {
            Self::Influx => InfluxDb::new(&url).unwrap().org("o").bucket("b").into(),
            Self::Loki => Loki::new(&url).unwrap().into(),
            Self::LokiJson => Loki::new(&url).unwrap().encoding(LokiEncoding::Json).into(),
            Self::Gelf => Graylog::new(&url).unwrap().into(),
            Self::GelfBulk => Graylog::new(&url).unwrap().bulk(true).into(),
        }
    }

    /// Returns the request ids in a request, in order.
    pub(crate) fn ids(self, request: &Request) -> Vec<String> {
        match self {
            Self::Influx => {
                let text = text(request);
                let lines = influxdb_line_protocol::parse_lines(&text);
                lines
                    .map(|line| {
                        let line = line.unwrap();
                        let id = line.field_value("request_id").unwrap();
                        match id {
                            influxdb_line_protocol::FieldValue::String(id) => id.to_string(),
                            other => panic!("{other:?}"),
                        }
                    })
                    .collect()
            }
            Self::Loki => {
                let body = snap::raw::Decoder::new().decompress_vec(&request.body).unwrap();
                let push: Push = prost::Message::decode(&body[..]).unwrap();
                let entries = push.streams.into_iter().flat_map(|stream| stream.entries);
                let id =
                    |entry: Entry| entry.metadata.into_iter().find(|pair| pair.name == "request_id").unwrap();
                entries.map(|entry| id(entry).value).collect()
            }
            Self::LokiJson => {
                let push: serde_json::Value = serde_json::from_str(&text(request)).unwrap();
                let streams = push["streams"].as_array().unwrap();
                let entries = streams.iter().flat_map(|stream| stream["values"].as_array().unwrap());
                entries.map(|entry| entry[2]["request_id"].as_str().unwrap().to_owned()).collect()
            }
            Self::Gelf | Self::GelfBulk => {
                let text = text(request);
                // Graylog joins an unfinished line with the connection's next request.
                assert_eq!(text.ends_with('\n'), self == Self::GelfBulk, "{text}");
                let id = |line: &str| {
                    let frame: serde_json::Value = serde_json::from_str(line).unwrap();
                    frame["_request_id"].as_str().unwrap().to_owned()
                };
                text.lines().map(id).collect()
            }
        }
    }
}

fn text(request: &Request) -> String {
    let mut text = String::new();
    if request.header("content-encoding") == "gzip" {
        flate2::read::GzDecoder::new(&request.body[..]).read_to_string(&mut text).unwrap();
    } else {
        text = String::from_utf8(request.body.clone()).unwrap();
    }
    text
}

#[derive(Clone, PartialEq, prost::Message)]
struct Push {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Stream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Entry {
    #[prost(string, tag = "2")]
    line: String,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<Pair>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Pair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// Returns calls with the ids `r0`, `r1`, ...
pub(crate) fn calls(count: u64) -> Vec<Record> {
    (0..count).map(|index| Record::Call(call(index))).collect()
}

pub(crate) fn call(index: u64) -> CallRow {
    let call = FinishedCall {
        ended_unix: 1_767_323_045_000_000_000 + index * 1_000_000,
        request_id: format!("r{index}"),
        operation: "synthesize".into(),
        ended: 940_000_000,
        busy: 924_000_000,
        audio_seconds: 4.2,
        characters: 37,
        chunks: 1,
        pid: 7,
        labels: vec![("emotion".into(), "neutral".into())],
        ..FinishedCall::default()
    };
    CallRow { sequence: index + 1, call }
}

/// Runs a future in the runtime of a worker.
pub(crate) fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

/// Opens the transport of a sink.
pub(crate) fn opened(sink: impl Into<Sink>) -> Box<dyn Transport> {
    sink.into().open().unwrap()
}

/// Sends a batch once.
pub(crate) async fn send(transport: &mut dyn Transport, records: &[Record]) -> Answer {
    transport.deliver(Batch { origin: ORIGIN, records }).await.unwrap_or_else(Answer::none)
}

/// Delivers records without delays, in batches of the transport's size.
pub(crate) async fn deliver(transport: &mut dyn Transport, records: &[Record]) -> BatchBisect {
    let mut delivery = BatchBisect::new(records.len());
    while let Some(stretch) = delivery.next() {
        let answer = send(transport, &records[stretch]).await;
        assert_eq!(delivery.apply(answer.clone()), Step::Continue, "{answer:?}");
    }
    delivery
}
