//! An entry of a stream: its line, and names and values.

use std::ops::Range;

use super::Extras;
use crate::encode::json::TEXT;
use crate::encode::losses::Losses;
use crate::encode::moment::push_rfc3339;
use crate::encode::names::{push_allowed, settle};
use crate::encode::record::{Event, Origin, Value};

/// Longest line, bytes.
const LINE: usize = 256 * 1024;

/// What of a line is kept free for what follows the message, bytes.
const AFTER: usize = 32 * 1024;

/// Most names of an entry; Loki takes 128, and adds some of its own.
const PAIRS: usize = 120;

/// Names and values of an entry together, bytes; Loki takes 64 KiB.
const METADATA: usize = 60 * 1024;

/// Longest value, bytes.
const VALUE: usize = 8 * 1024;

/// Labels of the stream, and what LogQL keeps for itself.
const RESERVED: [&str; 7] =
    ["instance", "job", "level", "__error__", "__error_details__", "__line__", "__timestamp__"];

/// An entry; used again for the next, so that its buffers are.
#[derive(Default)]
pub(super) struct Entry {
    line: String,
    /// Names and values, one after the other.
    text: Vec<u8>,
    names: Vec<Range<usize>>,
    values: Vec<Range<usize>>,
    tried: usize,
    has_metadata: bool,
}

impl Entry {
    /// Makes it that of an event.
    pub(super) fn set(
        &mut self,
        origin: &Origin<'_>,
        event: &Event<'_>,
        extras: Extras,
        losses: &mut Losses,
    ) {
        self.text.clear();
        self.names.clear();
        self.values.clear();
        self.tried = 0;
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
        event.fields.iter().for_each(|(name, value)| self.field(name, value, losses));
        self.set_line(event, losses);
    }

    /// Its line.
    pub(super) fn line(&self) -> &str {
        &self.line
    }

    /// Whether its names and values are structured metadata.
    pub(super) fn has_metadata(&self) -> bool {
        self.has_metadata
    }

    /// Its names and values.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = |bytes| str::from_utf8(bytes).unwrap_or_default();
        self.raw_pairs().map(move |(name, value)| (text(name), text(value)))
    }

    /// Its names and values as bytes of UTF-8, for who needs them only to copy them.
    pub(super) fn raw_pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let bytes = |range: &Range<usize>| &self.text[range.clone()];
        self.names.iter().zip(&self.values).map(move |(name, value)| (bytes(name), bytes(value)))
    }

    /// Adds a field, if there is room; one without text says nothing.
    fn field(&mut self, name: &str, value: &Value<'_>, losses: &mut Losses) {
        if matches!(value, Value::Text(text) if text.is_empty()) {
            return;
        }
        let (before, mut lost) = (self.text.len(), Losses::default());
        self.tried += 1;
        let name = if self.tried <= PAIRS { self.push_name(name, &mut lost) } else { None };
        let start = self.text.len();
        if name.is_some() {
            self.push_value(value, &mut lost);
        }
        match name.filter(|_| self.text.len() <= METADATA) {
            Some(name) => {
                self.names.push(name);
                self.values.push(start..self.text.len());
                *losses += lost;
            }
            None => {
                self.text.truncate(before);
                losses.left_out += 1;
            }
        }
    }

    fn push_name(&mut self, name: &str, lost: &mut Losses) -> Option<Range<usize>> {
        let start = self.text.len();
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            self.text.push(b'_');
            lost.cleaned = 1;
        }
        push_allowed(&mut self.text, name, |byte| byte.is_ascii_alphanumeric() || byte == b'_', lost);
        settle(&mut self.text, start, &RESERVED, &self.names, lost)
    }

    fn push_value(&mut self, value: &Value<'_>, lost: &mut Losses) {
        let mut push = |text: &str| self.text.extend_from_slice(text.as_bytes());
        match value {
            Value::Text(text) => {
                let cut = &text[..text.floor_char_boundary(VALUE)];
                lost.shortened += u64::from(cut.len() < text.len());
                push(cut);
            }
            Value::Int(number) => push(itoa::Buffer::new().format(*number)),
            Value::Unsigned(number) => push(itoa::Buffer::new().format(*number)),
            // All values are text here, so that these can be said.
            Value::Float(number) => push(ryu::Buffer::new().format(*number)),
            Value::Bool(truth) => push(if *truth { "true" } else { "false" }),
        }
    }

    fn set_line(&mut self, event: &Event<'_>, losses: &mut Losses) {
        let mut line = std::mem::take(&mut self.line).into_bytes();
        line.clear();
        line.push(b'[');
        line.extend_from_slice(event.level.upper().as_bytes());
        line.extend_from_slice(b"] ");
        push_rfc3339(&mut line, event.unix_nanos, 3);
        line.push(b' ');
        let room = LINE - AFTER;
        if self.has_metadata || is_bare(&event.message, b"=") {
            let cut = &event.message[..event.message.floor_char_boundary(room)];
            losses.shortened += u64::from(cut.len() < event.message.len());
            line.extend_from_slice(cut.as_bytes());
        } else {
            // What looks like a pair must not be taken for one.
            line.extend_from_slice(b"msg=\"");
            TEXT.push(&mut line, &event.message, room, losses);
            line.push(b'"');
        }
        for (name, value) in &event.detail {
            push_logfmt(&mut line, name, value, losses);
        }
        if !self.has_metadata {
            let is_said =
                |pair: &(&str, &str)| event.detail.iter().any(|(name, value)| (*name, &**value) == *pair);
            for (name, value) in self.pairs().filter(|pair| !is_said(pair)) {
                push_logfmt(&mut line, name, value, losses);
            }
        }
        self.line = String::from_utf8(line).unwrap_or_default();
    }
}

/// Appends ` name=value`, quoted where it must be; nothing where the line has no room for it.
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

/// Whether a text can stand without quotes: nothing to escape, and none of these.
fn is_bare(text: &str, none_of: &[u8]) -> bool {
    text.bytes()
        .all(|byte| !byte.is_ascii_control() && byte != b'"' && byte != b'\\' && !none_of.contains(&byte))
}
