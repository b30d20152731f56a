//! Loki's push API: protobuf with snappy, and JSON.
//!
//! Source: <https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs> and Loki's
//! `pkg/push/push.proto`; bounds are those that Loki has by default.

mod entry;
mod protobuf;

use super::escape;
use super::json::push_text;
use super::losses::Losses;
use super::record::{Event, Level, Origin};
use entry::Entry;

/// Longest value of a label, bytes.
const LABEL_VALUE: usize = 1024;

/// Where that goes which is neither a label nor the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extras {
    /// Structured metadata, as Loki has it from 3.0 on.
    Metadata,
    /// The end of the line, as logfmt.
    Line,
}

/// The body of a push request: protobuf with snappy's block format, `Content-Type: application/x-protobuf`. There is
/// one stream for each level, oldest first. `None` if it would be longer than snappy can be, 4 GiB.
///
/// Names of fields are cleaned and made distinct; lines, values, and how many there are, are bounded.
pub fn protobuf(origin: &Origin<'_>, events: &[Event<'_>], extras: Extras) -> Option<(Vec<u8>, Losses)> {
    let mut losses = Losses::default();
    let (mut request, mut stream, mut entry) = (Vec::new(), Vec::new(), Entry::default());
    for level in Level::ALL {
        let events = of_level(events, level);
        if events.is_empty() {
            continue;
        }
        stream.clear();
        protobuf::push_bytes(&mut stream, protobuf::LABELS, selector(&labels(origin, level)).as_bytes());
        for event in events {
            entry.set(origin, event, extras, &mut losses);
            protobuf::push_entry(&mut stream, event.unix_nanos, &entry);
        }
        protobuf::push_bytes(&mut request, protobuf::STREAMS, &stream);
    }
    losses += of_labels(origin);
    Some((snap::raw::Encoder::new().compress_vec(&request).ok()?, losses))
}

/// The body of a push request as JSON, for servers that take nothing else; as [`protobuf`] in all else.
pub fn json(origin: &Origin<'_>, events: &[Event<'_>], extras: Extras) -> (Vec<u8>, Losses) {
    let mut losses = Losses::default();
    let mut out = b"{\"streams\":[".to_vec();
    let mut entry = Entry::default();
    for level in Level::ALL {
        let events = of_level(events, level);
        if events.is_empty() {
            continue;
        }
        out.extend_from_slice(b"{\"stream\":{");
        for (name, value) in labels(origin, level) {
            push_pair(&mut out, name, &value);
        }
        close(&mut out, b"},\"values\":[");
        for event in events {
            entry.set(origin, event, extras, &mut losses);
            out.extend_from_slice(b"[\"");
            out.extend_from_slice(itoa::Buffer::new().format(event.unix_nanos).as_bytes());
            out.extend_from_slice(b"\",");
            push_text(&mut out, entry.line(), usize::MAX / 2, &mut losses);
            if extras == Extras::Metadata {
                out.extend_from_slice(b",{");
                entry.pairs().for_each(|(name, value)| push_pair(&mut out, name, value));
                close(&mut out, b"}");
            }
            out.extend_from_slice(b"],");
        }
        close(&mut out, b"]},");
    }
    close(&mut out, b"]}");
    losses += of_labels(origin);
    (out, losses)
}

/// Appends `"name":"value",`.
fn push_pair(out: &mut Vec<u8>, name: &str, value: &str) {
    // Both are as short as they have to be.
    let mut none = Losses::default();
    push_text(out, name, usize::MAX / 2, &mut none);
    out.push(b':');
    push_text(out, value, usize::MAX / 2, &mut none);
    out.push(b',');
}

/// Appends the end of a list, in place of the comma after its last entry.
fn close(out: &mut Vec<u8>, end: &[u8]) {
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.extend_from_slice(end);
}

/// Events of a level, oldest first, which is the order that a stream must have.
fn of_level<'e, 'a>(events: &'e [Event<'a>], level: Level) -> Vec<&'e Event<'a>> {
    let mut events: Vec<_> = events.iter().filter(|event| event.level == level).collect();
    events.sort_by_key(|event| event.unix_nanos);
    events
}

/// The labels of a stream; one bad label would cost the whole request.
fn labels(origin: &Origin<'_>, level: Level) -> Vec<(&'static str, String)> {
    let labels = [("instance", origin.instance), ("job", origin.service), ("level", level.name())];
    let present = labels.into_iter().filter(|(_, value)| !value.is_empty());
    present.map(|(name, value)| (name, label_value(value))).collect()
}

/// A value without what Loki's parser of labels gives up on: it takes U+FFFD for a sign of invalid UTF-8.
fn label_value(value: &str) -> String {
    let cut = &value[..value.floor_char_boundary(LABEL_VALUE)];
    cut.chars().map(|c| if c.is_control() || c == '\u{fffd}' { '_' } else { c }).collect()
}

/// What the labels lost, in all streams of a request together.
fn of_labels(origin: &Origin<'_>) -> Losses {
    let mut losses = Losses::default();
    for value in [origin.instance, origin.service] {
        let written = label_value(value);
        let cut = &value[..value.floor_char_boundary(LABEL_VALUE)];
        losses.shortened += u64::from(cut.len() < value.len());
        losses.cleaned += u64::from(cut != written);
    }
    losses
}

/// The labels as protobuf has them: `{job="cosyvoice3",level="info"}`.
fn selector(labels: &[(&'static str, String)]) -> String {
    let mut out = String::from("{");
    for (index, (name, value)) in labels.iter().enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        out.push_str(name);
        out.push_str("=\"");
        escape::push_value(&mut out, value);
        out.push('"');
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests;
