//! JSON objects of events.

use super::decimal::{push_float, push_int};
use super::losses::Losses;
use super::names::{Alphabet, FIELDS, NAME, Name, Reserved, UsedNames, push_allowed};
use super::record::{Event, Origin, Value};
use super::replace::Reads::Back;
use super::replace::Rules;

/// Escapes within the quotes of a text.
pub(crate) const TEXT: Rules = Rules::new(
    &[
        (b'"', "\\\"", Back),
        (b'\\', "\\\\", Back),
        (0x00, "\\u0000", Back),
        (0x01, "\\u0001", Back),
        (0x02, "\\u0002", Back),
        (0x03, "\\u0003", Back),
        (0x04, "\\u0004", Back),
        (0x05, "\\u0005", Back),
        (0x06, "\\u0006", Back),
        (0x07, "\\u0007", Back),
        (0x08, "\\b", Back),
        (b'\t', "\\t", Back),
        (b'\n', "\\n", Back),
        (0x0b, "\\u000b", Back),
        (0x0c, "\\f", Back),
        (b'\r', "\\r", Back),
        (0x0e, "\\u000e", Back),
        (0x0f, "\\u000f", Back),
        (0x10, "\\u0010", Back),
        (0x11, "\\u0011", Back),
        (0x12, "\\u0012", Back),
        (0x13, "\\u0013", Back),
        (0x14, "\\u0014", Back),
        (0x15, "\\u0015", Back),
        (0x16, "\\u0016", Back),
        (0x17, "\\u0017", Back),
        (0x18, "\\u0018", Back),
        (0x19, "\\u0019", Back),
        (0x1a, "\\u001a", Back),
        (0x1b, "\\u001b", Back),
        (0x1c, "\\u001c", Back),
        (0x1d, "\\u001d", Back),
        (0x1e, "\\u001e", Back),
        (0x1f, "\\u001f", Back),
    ],
    false,
);

/// Appends a quoted text, truncated to `room` bytes between the quotes.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str, room: usize, losses: &mut Losses) {
    out.push(b'"');
    TEXT.push(out, text, room, losses);
    out.push(b'"');
}

/// Returns whether a text is blank by Java's rules, which Graylog uses: control characters count as white space.
pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c <= ' ' || c.is_whitespace())
}

/// A format's rules for the fields of an event.
pub(crate) struct Dialect {
    pub(crate) prefix: &'static str,
    /// Names that fields cannot have, with the prefix.
    pub(crate) reserved: &'static Reserved,
    /// Allowed characters of a name; `None` for all.
    pub(crate) allowed: Option<&'static Alphabet>,
    /// Maximum length of an escaped text, bytes.
    pub(crate) text: usize,
    /// Whether only texts that are not blank and numbers within i64 are allowed.
    pub(crate) narrow: bool,
}

/// Writes an object of limited length.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    end: usize,
    dialect: &'static Dialect,
    names: UsedNames,
    tried: usize,
    losses: Losses,
}

impl<'o> Object<'o> {
    /// Begins an object of at most `limit` bytes.
    pub(crate) fn new(out: &'o mut Vec<u8>, limit: usize, dialect: &'static Dialect) -> Self {
        let end = out.len() + limit - 1;
        out.push(b'{');
        Self {
            out,
            end,
            dialect,
            names: UsedNames::new(dialect.reserved),
            tried: 0,
            losses: Losses::default(),
        }
    }

    /// Writes a required member, with a name of the format.
    pub(crate) fn must(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>, &mut Losses)) {
        if !self.names.places().is_empty() {
            self.out.push(b',');
        }
        self.out.push(b'"');
        let start = self.out.len();
        self.out.extend_from_slice(name.as_bytes());
        self.names.add(Name::written(self.out, start));
        self.out.extend_from_slice(b"\":");
        write(self.out, &mut self.losses);
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.field(name, &Value::from(text));
        }
    }

    /// Writes a field, if it is valid and fits.
    pub(crate) fn field(&mut self, name: &str, value: &Value<'_>) {
        if matches!(value, Value::Text(text) if self.dialect.narrow && text.is_empty()) {
            return;
        }
        let (before, mut lost) = (self.out.len(), Losses::default());
        // The number of attempts is limited, so that invalid fields cause no unlimited work.
        self.tried += 1;
        let written = if self.tried <= FIELDS { self.push_field(name, value, &mut lost) } else { None };
        match written.filter(|_| self.out.len() <= self.end) {
            Some(name) => {
                self.names.add(name);
                self.losses += lost;
            }
            None => {
                self.out.truncate(before);
                self.losses.left_out += 1;
            }
        }
    }

    /// Writes the members that all formats share, then the event's fields.
    pub(crate) fn rest(&mut self, origin: &Origin<'_>, event: &Event<'_>) {
        self.text("node_id", origin.instance);
        self.text("service", origin.service);
        self.text("version", origin.version);
        self.text("request_id", event.request_id);
        self.text("operation", event.operation);
        self.text("logger", event.logger);
        self.text("file", event.file);
        if let Some(line) = event.line {
            self.field("line", &Value::Int(line.into()));
        }
        self.text("thread", event.thread);
        event.fields.each(origin, |name, value| self.field(name, value));
    }

    pub(crate) fn end(self) -> Losses {
        self.out.push(b'}');
        self.losses
    }

    fn push_field(&mut self, name: &str, value: &Value<'_>, lost: &mut Losses) -> Option<Name> {
        if name.is_empty() {
            return None;
        }
        self.out.extend_from_slice(b",\"");
        let start = self.out.len();
        self.out.extend_from_slice(self.dialect.prefix.as_bytes());
        match self.dialect.allowed {
            Some(allowed) => push_allowed(self.out, name, allowed, lost),
            None => TEXT.push(self.out, name, NAME, lost),
        }
        let written = self.names.resolve(self.out, start, lost)?;
        self.out.extend_from_slice(b"\":");
        self.push_value(value, lost).then_some(written)
    }

    /// Appends a value. Returns false if the format cannot represent it.
    fn push_value(&mut self, value: &Value<'_>, lost: &mut Losses) -> bool {
        let narrow = self.dialect.narrow;
        let out = &mut *self.out;
        match value {
            Value::Float(float) if !float.is_finite() => return false,
            Value::Float(float) => push_float(out, *float),
            Value::Int(int) => push_int(out, *int),
            Value::Unsigned(count) if narrow => {
                lost.saturated += u64::from(i64::try_from(*count).is_err());
                push_int(out, (*count).min(i64::MAX.unsigned_abs()));
            }
            Value::Unsigned(count) => push_int(out, *count),
            Value::Bool(truth) if narrow => out.push(if *truth { b'1' } else { b'0' }),
            Value::Bool(truth) => out.extend_from_slice(if *truth { b"true".as_slice() } else { b"false" }),
            Value::Text(text) => {
                // Only the part that is written matters.
                let written = &text[..text.floor_char_boundary(self.dialect.text)];
                if narrow && is_blank(written) {
                    return false;
                }
                push_text(out, text, self.dialect.text, lost);
            }
        }
        true
    }
}
