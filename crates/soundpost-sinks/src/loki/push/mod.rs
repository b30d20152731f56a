//! Loki's push API: protobuf with snappy, and JSON.
//!
//! Source: <https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs> and Loki's
//! `pkg/push/push.proto`. The limits are Loki's defaults.

mod entry;
mod protobuf;

use std::borrow::Borrow;
use std::ops::Range;

use crate::format::decimal::push_int;
use crate::format::json::push_text;
use crate::format::losses::Losses;
use crate::format::record::{Event, Level, Origin};
use entry::Entry;
pub use entry::Extras;
use protobuf::{ENTRIES, LABELS, LINE, NANOS, SECONDS, STREAMS, TIMESTAMP};
use protobuf::{push_bytes, push_length, varint};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Maximum length of a label's value, bytes.
const LABEL_VALUE: usize = 1024;

/// Encodes bodies of push requests, with one stream for each level, oldest entry first. Buffers are reused.
///
/// Names of fields are made valid and unique. The lengths and numbers of lines and values are limited.
#[derive(Default)]
pub struct Encoder {
    entry: Entry,
    /// Encoded entries in the order of events.
    written: Vec<u8>,
    entries: Vec<Written>,
    /// Instances of the streams.
    instances: Vec<String>,
    request: Vec<u8>,
    compressed: Vec<u8>,
}

/// The place of an encoded entry, and its sort key.
struct Written {
    /// Position of the instance in [`Encoder::instances`].
    instance: usize,
    level: Level,
    unix_nanos: i64,
    place: Range<usize>,
}

impl Encoder {
    /// Returns a body of protobuf in snappy's block format, `Content-Type: application/x-protobuf`; `None` beyond
    /// snappy's limit of 4 GiB.
    pub fn protobuf<'a, E: Borrow<Event<'a>>>(
        &mut self,
        origin: &Origin<'_>,
        events: impl IntoIterator<Item = E>,
        extras: Extras,
    ) -> Option<(Vec<u8>, Losses)> {
        let losses = self.write(origin, events, extras, |out, at, entry, _| push_entry(out, at, entry));
        self.request.clear();
        let mut labels = Vec::new();
        for stream in self.entries.chunk_by(Written::is_in_stream_of) {
            labels.clear();
            push_bytes(&mut labels, LABELS, selector(&self.labels(origin, &stream[0])).as_bytes());
            let length = labels.len() + stream.iter().map(|entry| entry.place.len()).sum::<usize>();
            push_length(&mut self.request, STREAMS, length);
            self.request.extend_from_slice(&labels);
            stream
                .iter()
                .for_each(|entry| self.request.extend_from_slice(&self.written[entry.place.clone()]));
        }
        let room = snap::raw::max_compress_len(self.request.len());
        self.compressed.resize(room.max(self.compressed.len()), 0);
        let length = snap::raw::Encoder::new().compress(&self.request, &mut self.compressed).ok()?;
        Some((self.compressed[..length].to_vec(), losses))
    }

    /// Returns a body of JSON, for servers without protobuf.
    pub fn json<'a, E: Borrow<Event<'a>>>(
        &mut self,
        origin: &Origin<'_>,
        events: impl IntoIterator<Item = E>,
        extras: Extras,
    ) -> (Vec<u8>, Losses) {
        let losses = self.write(origin, events, extras, push_json);
        let mut out = b"{\"streams\":[".to_vec();
        for stream in self.entries.chunk_by(Written::is_in_stream_of) {
            out.extend_from_slice(b"{\"stream\":{");
            for (name, value) in self.labels(origin, &stream[0]) {
                push_pair(&mut out, name, &value);
            }
            close(&mut out, b"},\"values\":[");
            stream.iter().for_each(|entry| out.extend_from_slice(&self.written[entry.place.clone()]));
            close(&mut out, b"]},");
        }
        close(&mut out, b"]}");
        (out, losses)
    }

    /// Encodes the entries, and sorts them by stream and time.
    fn write<'a, E: Borrow<Event<'a>>>(
        &mut self,
        origin: &Origin<'_>,
        events: impl IntoIterator<Item = E>,
        extras: Extras,
        push: impl Fn(&mut Vec<u8>, i64, &Entry, &mut Losses),
    ) -> Losses {
        self.written.clear();
        self.entries.clear();
        self.instances.clear();
        let mut losses = of_label(origin.service);
        for event in events {
            let event = event.borrow();
            let start = self.written.len();
            let origin = &event.origin(origin);
            let known = self.instances.iter().position(|known| known == origin.instance);
            let instance = known.unwrap_or_else(|| {
                losses += of_label(origin.instance);
                self.instances.push(origin.instance.to_owned());
                self.instances.len() - 1
            });
            self.entry.set(origin, event, extras, &mut losses);
            push(&mut self.written, event.unix_nanos, &self.entry, &mut losses);
            let place = start..self.written.len();
            self.entries.push(Written { instance, level: event.level, unix_nanos: event.unix_nanos, place });
        }
        self.entries.sort_by_key(|entry| (entry.instance, entry.level, entry.unix_nanos));
        losses
    }

    /// Returns the labels of an entry's stream. Loki rejects the whole request for one invalid label.
    fn labels(&self, origin: &Origin<'_>, entry: &Written) -> Vec<(&'static str, String)> {
        let instance = &*self.instances[entry.instance];
        let labels = [("instance", instance), ("job", origin.service), ("level", entry.level.name())];
        let present = labels.into_iter().filter(|(_, value)| !value.is_empty());
        present.map(|(name, value)| (name, label_value(value))).collect()
    }
}

impl Written {
    fn is_in_stream_of(&self, other: &Self) -> bool {
        (self.instance, self.level) == (other.instance, other.level)
    }
}

/// Appends an entry to a stream.
pub(crate) fn push_entry(out: &mut Vec<u8>, unix_nanos: i64, entry: &Entry) {
    let seconds = unix_nanos.div_euclid(NANOS_PER_SECOND).cast_unsigned();
    let nanos = unix_nanos.rem_euclid(NANOS_PER_SECOND).cast_unsigned();
    let time = 2 + varint(seconds) + varint(nanos);
    let line = entry.line().len();
    let rest = 1 + varint(line as u64) + line + entry.metadata().len();
    push_length(out, ENTRIES, 2 + time + rest);
    push_length(out, TIMESTAMP, time);
    protobuf::push_int(out, SECONDS, seconds);
    protobuf::push_int(out, NANOS, nanos);
    push_bytes(out, LINE, entry.line());
    out.extend_from_slice(entry.metadata());
}

/// Appends `["time","line",{"name":"value"}],`.
fn push_json(out: &mut Vec<u8>, unix_nanos: i64, entry: &Entry, losses: &mut Losses) {
    out.extend_from_slice(b"[\"");
    push_int(out, unix_nanos);
    out.extend_from_slice(b"\",");
    push_text(out, str::from_utf8(entry.line()).unwrap_or_default(), usize::MAX / 2, losses);
    if let Some(pairs) = entry.metadata_pairs() {
        out.extend_from_slice(b",{");
        pairs.for_each(|(name, value)| push_pair(out, name, value));
        close(out, b"}");
    }
    out.extend_from_slice(b"],");
}

/// Appends `"name":"value",`.
fn push_pair(out: &mut Vec<u8>, name: &str, value: &str) {
    // Both lengths are already limited.
    let mut none = Losses::default();
    push_text(out, name, usize::MAX / 2, &mut none);
    out.push(b':');
    push_text(out, value, usize::MAX / 2, &mut none);
    out.push(b',');
}

/// Appends the end of a list, replacing a trailing comma.
fn close(out: &mut Vec<u8>, end: &[u8]) {
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.extend_from_slice(end);
}

/// Returns a valid label value. Loki's parser rejects U+FFFD as invalid UTF-8.
fn label_value(value: &str) -> String {
    let cut = &value[..value.floor_char_boundary(LABEL_VALUE)];
    cut.chars().map(|c| if c.is_control() || c == '\u{fffd}' { '_' } else { c }).collect()
}

/// Returns the losses of a label, counted once for all streams of a request.
fn of_label(value: &str) -> Losses {
    let written = label_value(value);
    let cut = &value[..value.floor_char_boundary(LABEL_VALUE)];
    Losses {
        shortened: u64::from(cut.len() < value.len()),
        cleaned: u64::from(cut != written),
        ..Losses::default()
    }
}

/// Returns the labels in protobuf's form: `{job="cosyvoice3",level="info"}`.
fn selector(labels: &[(&'static str, String)]) -> String {
    let mut out = String::from("{");
    for (index, (name, value)) in labels.iter().enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        out.push_str(name);
        out.push_str("=\"");
        for character in value.chars() {
            // Control characters are already replaced by `label_value`.
            if matches!(character, '\\' | '"') {
                out.push('\\');
            }
            out.push(character);
        }
        out.push('"');
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests;
