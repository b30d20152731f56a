//! Values of events and spans, as `tracing` passes them.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};

use soundpost_redact::Hits;

use crate::field::{FieldRef, FieldValue};
use crate::log::EventBuilder;
use crate::registry::Registry;

/// Maximum length of the text made of a value, bytes.
const TEXT: usize = 80 * 1024;
/// Maximum length of the text of a span's field, bytes.
const SPAN_TEXT: usize = 1024;
/// Maximum number of fields of a span.
const SPAN_FIELDS: usize = 32;
/// Maximum number of causes of an error.
const CAUSES: usize = 16;

pub(super) trait Take {
    fn take(&mut self, name: &'static str, value: FieldRef<'_>);
}

/// Visits values and passes them on.
pub(super) struct Values<'a, T>(pub(super) &'a mut T);

impl<T: Take> Visit for Values<'_, T> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.take(field.name(), FieldRef::Float(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.take(field.name(), FieldRef::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.0.take(field.name(), FieldRef::Int(value)),
            Err(_) => self.0.take(field.name(), FieldRef::Text(&value.to_string())),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.take(field.name(), FieldRef::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.take(field.name(), FieldRef::Text(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.0.take(field.name(), FieldRef::Text(&chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.take(field.name(), FieldRef::Text(&text(format_args!("{value:?}"))));
    }
}

pub(super) struct EventValues<'a> {
    pub(super) draft: EventBuilder<'a>,
    pub(super) message: String,
    /// Logger of an event of the crate `log`.
    pub(super) logger: Option<String>,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
}

impl<'a> EventValues<'a> {
    pub(super) fn new(draft: EventBuilder<'a>) -> Self {
        Self { draft, message: String::new(), logger: None, file: None, line: None }
    }
}

impl Take for EventValues<'_> {
    fn take(&mut self, name: &'static str, value: FieldRef<'_>) {
        match (name, value) {
            ("message", FieldRef::Text(text)) => text.clone_into(&mut self.message),
            ("log.target", FieldRef::Text(target)) => self.logger = Some(target.to_owned()),
            ("log.file", FieldRef::Text(file)) => self.file = Some(file.to_owned()),
            ("log.line", FieldRef::Int(line)) => self.line = u32::try_from(line).ok(),
            ("log.module_path", _) => {}
            _ => self.draft.field(name, value),
        }
    }
}

#[derive(Default)]
pub(super) struct SpanFields(Vec<(&'static str, FieldValue)>);

impl SpanFields {
    pub(super) fn add_to(&self, draft: &mut EventBuilder<'_>) {
        self.0.iter().for_each(|(name, value)| draft.redacted_field(name, value.as_ref()));
    }
}

pub(super) struct SpanValues<'a> {
    registry: &'a Registry,
    fields: &'a mut SpanFields,
}

impl<'a> SpanValues<'a> {
    pub(super) fn new(registry: &'a Registry, fields: &'a mut SpanFields) -> Self {
        Self { registry, fields }
    }
}

impl Take for SpanValues<'_> {
    fn take(&mut self, name: &'static str, value: FieldRef<'_>) {
        let value = redacted(self.registry, name, value);
        let fields = &mut self.fields.0;
        match fields.iter().position(|(known, _)| *known == name) {
            Some(at) => fields[at].1 = value,
            None if fields.len() < SPAN_FIELDS => fields.push((name, value)),
            None => {}
        }
    }
}

fn redacted(registry: &Registry, name: &str, value: FieldRef<'_>) -> FieldValue {
    let mut hits = Hits::default();
    let redactor = registry.redactor();
    let mark = match value {
        FieldRef::Text(text) => Some(redactor.field(name, text, SPAN_TEXT, &mut hits).text),
        FieldRef::Int(number) => redactor.integer(name, number, &mut hits).map(Cow::Borrowed),
        FieldRef::Float(_) => redactor.number(name, &mut hits).map(Cow::Borrowed),
        FieldRef::Bool(_) => None,
    };
    registry.count_redactions(&hits);
    match (mark, value) {
        (Some(text), _) => FieldValue::Text(text.into_owned()),
        (None, FieldRef::Int(number)) => FieldValue::Int(number),
        (None, FieldRef::Float(number)) => FieldValue::Float(number),
        (None, FieldRef::Bool(truth)) => FieldValue::Bool(truth),
        (None, FieldRef::Text(_)) => FieldValue::Text(String::new()),
    }
}

/// Text with at most [`TEXT`] bytes.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = TEXT - self.0.len();
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        if text.len() > room { Err(fmt::Error) } else { Ok(()) }
    }
}

fn text(value: fmt::Arguments<'_>) -> Cow<'static, str> {
    if let Some(text) = value.as_str() {
        return Cow::Borrowed(text);
    }
    let mut bounded = Bounded(String::new());
    // The result is an error when the text is too long, or when formatting the value fails.
    let _ = bounded.write_fmt(value);
    Cow::Owned(bounded.0)
}

/// Returns the text of an error and its causes.
fn chain(error: &(dyn Error + 'static)) -> Cow<'static, str> {
    let mut bounded = Bounded(String::new());
    let mut next = Some(error);
    for at in 0..CAUSES {
        let Some(cause) = next else { break };
        let sign = if at == 0 { "" } else { ": " };
        if write!(bounded, "{sign}{cause}").is_err() {
            break;
        }
        next = cause.source();
    }
    Cow::Owned(bounded.0)
}
