//! An entry of a stream: its line, names and values.

use std::ops::Range;

use super::protobuf;
use crate::format::decimal::{push_float, push_hundredths, push_int};
use crate::format::json::TEXT;
use crate::format::losses::Losses;
use crate::format::moment::push_rfc3339;
use crate::format::names::{Alphabet, Name, Reserved, UsedNames, alphabet, push_allowed};
use crate::format::record::{Event, Origin, Said, Value};

/// Where fields are stored that are neither a label nor part of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extras {
    /// Structured metadata, from Loki 3.0 on.
    Metadata,
    /// At the end of the line, as logfmt.
    Logfmt,
}

/// Maximum length of a line, bytes.
const LINE: usize = 256 * 1024;
/// Length reserved for the part of a line after the message, bytes.
const AFTER: usize = 32 * 1024;
/// Maximum names of an entry. Loki accepts 128, and adds some.
const PAIRS: usize = 120;
/// Maximum length of an entry's names and values together, bytes. Loki accepts 64 KiB.
const METADATA: usize = 60 * 1024;
/// Maximum length of a value, bytes.
const VALUE: usize = 8 * 1024;

/// Labels of the stream, and reserved names of LogQL.
static RESERVED: Reserved = Reserved::new(&[
    "instance",
    "job",
    "level",
    "__error__",
    "__error_details__",
    "__line__",
    "__timestamp__",
]);

static ALLOWED: Alphabet = alphabet(b"_");

/// An entry with reusable buffers.
pub(crate) struct Entry {
    line: Vec<u8>,
    /// Names and values in protobuf.
    pairs: Vec<u8>,
    names: UsedNames,
    values: Vec<Range<usize>>,
    /// Length of names and values alone.
    bytes: usize,
    tried: usize,
    has_metadata: bool,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            line: Vec::new(),
            pairs: Vec::new(),
            names: UsedNames::new(&RESERVED),
            values: Vec::new(),
            bytes: 0,
            tried: 0,
            has_metadata: false,
        }
    }
}

impl Entry {
    /// Replaces the entry with that of an event.
    pub(crate) fn set(
        &mut self,
        origin: &Origin<'_>,
        event: &Event<'_>,
        extras: Extras,
        losses: &mut Losses,
    ) {
        self.pairs.clear();
        self.names.clear();
        self.values.clear();
        (self.bytes, self.tried) = (0, 0);
        self.has_metadata = extras == Extras::Metadata;
        let line = event.line.map(|line| Value::Int(line.into()));
        let own = [
            ("host", origin.host),
            ("version", origin.version),
            ("request_id", event.request_id),
            ("operation", event.operation),
            ("logger", event.logger),
            ("file", event.file),
            ("thread", event.thread),
        ];
        own.into_iter().for_each(|(name, text)| self.field(name, &text.into(), losses));
        line.iter().for_each(|line| self.field("line", line, losses));
        if !self.has_metadata {
            self.field("traceback", &event.trace.into(), losses);
        }
        event.fields.each(origin, |name, value| self.field(name, value, losses));
        self.set_line(event, losses);
    }

    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Returns the structured metadata in protobuf.
    pub(crate) fn metadata(&self) -> &[u8] {
        if self.has_metadata { &self.pairs } else { &[] }
    }

    /// Returns the structured metadata as pairs, if the entry has it.
    pub(crate) fn metadata_pairs(&self) -> Option<impl Iterator<Item = (&str, &str)>> {
        self.has_metadata.then(|| pairs(&self.pairs, &self.names, &self.values))
    }

    /// Adds a field, if it fits. Empty texts are omitted.
    fn field(&mut self, name: &str, value: &Value<'_>, losses: &mut Losses) {
        if matches!(value, Value::Text(text) if text.is_empty()) {
            return;
        }
        let (before, mut lost) = (self.pairs.len(), Losses::default());
        self.tried += 1;
        let pair = if self.tried <= PAIRS { self.push_pair(name, value, &mut lost) } else { None };
        let bytes = |(name, value): &(Name, Range<usize>)| self.bytes + name.place.len() + value.len();
        match pair.filter(|pair| bytes(pair) <= METADATA) {
            Some((name, value)) => {
                self.bytes += name.place.len() + value.len();
                self.names.add(name);
                self.values.push(value);
                *losses += lost;
            }
            None => {
                self.pairs.truncate(before);
                losses.left_out += 1;
            }
        }
    }

    /// Appends a pair. Returns the places of its name and value, if the name is valid.
    fn push_pair(
        &mut self,
        name: &str,
        value: &Value<'_>,
        lost: &mut Losses,
    ) -> Option<(Name, Range<usize>)> {
        let out = &mut self.pairs;
        let pair = protobuf::begin(out, protobuf::METADATA);
        let start = protobuf::begin(out, protobuf::NAME);
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            out.push(b'_');
            lost.cleaned = 1;
        }
        push_allowed(out, name, &ALLOWED, lost);
        let mut name = self.names.resolve(out, start, lost)?;
        name.place = protobuf::end(out, start);
        let start = protobuf::begin(out, protobuf::VALUE);
        push_value(out, value, lost);
        let value = protobuf::end(out, start);
        let moved = protobuf::end(out, pair).start - pair;
        let now = |range: Range<usize>| range.start + moved..range.end + moved;
        name.place = now(name.place);
        Some((name, now(value)))
    }

    fn set_line(&mut self, event: &Event<'_>, losses: &mut Losses) {
        let line = &mut self.line;
        line.clear();
        line.push(b'[');
        line.extend_from_slice(event.level.upper().as_bytes());
        line.extend_from_slice(b"] ");
        push_rfc3339(line, event.unix_nanos, 3);
        line.push(b' ');
        let room = LINE - AFTER;
        if self.has_metadata || is_bare(&event.message, b"=") {
            let cut = &event.message[..event.message.floor_char_boundary(room)];
            losses.shortened += u64::from(cut.len() < event.message.len());
            line.extend_from_slice(cut.as_bytes());
        } else {
            // Quotes prevent text in the message from being parsed as a pair.
            line.extend_from_slice(b"msg=\"");
            TEXT.push(line, &event.message, room, losses);
            line.push(b'"');
        }
        let mut buffer = Vec::new();
        for (name, said) in &event.detail {
            push_logfmt(line, name, text(said, &mut buffer), losses);
        }
        if self.has_metadata {
            push_trace(line, event.trace, losses);
        } else {
            let mut is_said = |(name, value): (&str, &str)| {
                let mut detail = event.detail.iter();
                detail.any(|(other, said)| *other == name && text(said, &mut buffer) == value)
            };
            for (name, value) in pairs(&self.pairs, &self.names, &self.values) {
                if !is_said((name, value)) {
                    push_logfmt(line, name, value, losses);
                }
            }
        }
    }
}

/// Returns names and values by their places.
fn pairs<'p>(
    bytes: &'p [u8],
    names: &'p UsedNames,
    values: &'p [Range<usize>],
) -> impl Iterator<Item = (&'p str, &'p str)> {
    let text = |place: &Range<usize>| str::from_utf8(&bytes[place.clone()]).unwrap_or_default();
    names.places().iter().zip(values).map(move |(name, value)| (text(name), text(value)))
}

fn push_value(out: &mut Vec<u8>, value: &Value<'_>, lost: &mut Losses) {
    match value {
        Value::Text(text) => {
            let cut = &text[..text.floor_char_boundary(VALUE)];
            lost.shortened += u64::from(cut.len() < text.len());
            out.extend_from_slice(cut.as_bytes());
        }
        Value::Int(number) => push_int(out, *number),
        Value::Unsigned(number) => push_int(out, *number),
        // All values are text, so NaN is valid.
        Value::Float(number) => push_float(out, *number),
        Value::Bool(truth) => out.extend_from_slice(if *truth { b"true".as_slice() } else { b"false" }),
    }
}

/// Returns the text of a detail; numbers are formatted into the buffer.
fn text<'s>(said: &'s Said<'_>, buffer: &'s mut Vec<u8>) -> &'s str {
    match said {
        Said::Text(text) => text,
        Said::Rounded(number, unit) => {
            buffer.clear();
            push_hundredths(buffer, *number);
            buffer.extend_from_slice(unit.as_bytes());
            str::from_utf8(buffer).unwrap_or_default()
        }
    }
}

/// Appends ` name=value`, quoted if needed, or nothing if it does not fit.
fn push_logfmt(line: &mut Vec<u8>, name: &str, value: &str, losses: &mut Losses) {
    let (before, mut lost) = (line.len(), Losses::default());
    line.push(b' ');
    line.extend_from_slice(name.as_bytes());
    line.push(b'=');
    if !value.is_empty() && value.len() <= VALUE && is_bare(value, b"= ") {
        line.extend_from_slice(value.as_bytes());
    } else {
        line.push(b'"');
        TEXT.push(line, value, VALUE, &mut lost);
        line.push(b'"');
    }
    if line.len() > LINE {
        line.truncate(before);
        lost = Losses { left_out: 1, ..Losses::default() };
    }
    *losses += lost;
}

/// Appends the traceback, truncated to the line's limit.
fn push_trace(line: &mut Vec<u8>, trace: &str, losses: &mut Losses) {
    if trace.is_empty() {
        return;
    }
    let cut = &trace[..trace.floor_char_boundary(LINE.saturating_sub(line.len() + 1))];
    line.push(b'\n');
    losses.shortened += u64::from(cut.len() < trace.len());
    line.extend_from_slice(cut.as_bytes());
}

/// Returns whether a text needs no quotes or escapes and contains none of these bytes.
fn is_bare(text: &str, none_of: &[u8]) -> bool {
    text.bytes()
        .all(|byte| !byte.is_ascii_control() && byte != b'"' && byte != b'\\' && !none_of.contains(&byte))
}
