//! A log event while it is put together, with redacted fields.

use std::cell::Cell;

use soundpost_redact::{Hits, KnownTexts, Redacted};

use super::event::Log;
use super::fields::LogFields;
use super::traceback::{shortened, shortened_before_redaction};
use crate::failures;
use crate::field::{FieldRef, cut};
use crate::registry::Registry;

/// Maximum length of the message, bytes; the ring has the same limit.
const MESSAGE_BYTES: usize = 64 * 1024;
/// Maximum length of a field's text, bytes; a traceback of some hundred lines fits.
const TEXT_BYTES: usize = 32 * 1024;
/// Maximum length of an error's text, bytes.
const ERROR_BYTES: usize = 8 * 1024;
/// Maximum length of a stack, bytes.
const STACK_BYTES: usize = 12 * 1024;
/// Room for the line that replaces the middle of a traceback, bytes.
const GAP_BYTES: usize = 40;
/// Maximum length of a traceback that is redacted, bytes.
const SCANNED_BYTES: usize = 256 * 1024;

thread_local! {
    /// The field buffer of this thread's last event. A nested event, whose value's text logs, makes its own.
    static SPARE: Cell<Option<LogFields>> = const { Cell::new(None) };
}

/// A log event while it is put together. Its fields are redacted.
#[must_use = "an event is recorded by `record`"]
pub struct EventBuilder<'a> {
    registry: &'a Registry,
    fields: LogFields,
    hits: Hits,
    /// Texts to synthesise that are replaced; `None` for an event that is no failure, and of no call with a text.
    hidden: Option<KnownTexts>,
}

impl<'a> EventBuilder<'a> {
    /// Makes an event without fields.
    pub fn new(registry: &'a Registry) -> Self {
        let fields = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
        Self { registry, fields, hits: Hits::default(), hidden: None }
    }

    /// Replaces these texts to synthesise, and those of calls whose error the event has, in all of its texts. Called
    /// before others, for an event that reports a failure or belongs to a call with a text.
    pub fn hide(&mut self, texts: &KnownTexts) {
        self.hidden.get_or_insert_default().extend(texts);
    }

    /// Redacts a text, by its name if it has one.
    fn redacted<'t>(&mut self, name: &str, text: &'t str, limit: usize) -> Redacted<'t> {
        let redactor = self.registry.redactor();
        match &mut self.hidden {
            Some(hidden) => {
                failures::extend(hidden, text);
                redactor.field_without(name, text, hidden, limit, &mut self.hits)
            }
            None => redactor.field(name, text, limit, &mut self.hits),
        }
    }

    /// Adds an error: its class, its text and its traceback. Added before other fields it always has room. A long
    /// traceback keeps its first and last frames.
    pub fn error(&mut self, class: &str, text: Option<&str>, traceback: &str) {
        self.field("error_type", FieldRef::Text(class));
        if let Some(text) = text {
            self.text("error", "error", text, ERROR_BYTES);
        }
        self.traceback("traceback", traceback, TEXT_BYTES);
    }

    /// Adds the stack of the event.
    pub fn stack(&mut self, stack: &str) {
        self.traceback("stack", stack, STACK_BYTES);
    }

    /// Counts fields that the caller left out.
    pub fn skip_fields(&mut self, fields: usize) {
        self.fields.count_left(fields as u64);
    }

    fn traceback(&mut self, name: &str, traceback: &str, limit: usize) {
        if traceback.is_empty() {
            return;
        }
        // Redaction comes before shortening, except for a traceback of extreme length.
        let seen = shortened_before_redaction(traceback, SCANNED_BYTES);
        let redacted = self.redacted("", &seen, usize::MAX);
        let kept = shortened(&redacted.text, limit - GAP_BYTES);
        if kept.len() < redacted.text.len() || seen.len() < traceback.len() {
            self.fields.count_cut();
        }
        self.fields.push(name, FieldRef::Text(cut(&kept, TEXT_BYTES)));
    }

    /// Adds a redacted text of at most `limit` bytes under the name `shown`.
    fn text(&mut self, name: &str, shown: &str, text: &str, limit: usize) {
        let redacted = self.redacted(name, text, limit);
        if redacted.cut {
            self.fields.count_cut();
        }
        self.fields.push(shown, FieldRef::Text(&redacted.text));
    }

    /// Adds a field, unless a field has its name.
    pub fn field(&mut self, name: &str, value: FieldRef<'_>) {
        let redactor = self.registry.redactor();
        let shown = redactor.name(name, &mut self.hits);
        let mark = match value {
            FieldRef::Text(text) => return self.text(name, &shown, text, TEXT_BYTES),
            FieldRef::Int(number) => redactor.integer(name, number, &mut self.hits),
            FieldRef::Float(_) => redactor.number(name, &mut self.hits),
            FieldRef::Bool(_) => None,
        };
        self.fields.push(&shown, mark.map_or(value, FieldRef::Text));
    }

    /// Adds a field that was redacted before.
    #[cfg(feature = "tracing")]
    pub(crate) fn redacted_field(&mut self, name: &str, value: FieldRef<'_>) {
        match value {
            FieldRef::Text(text) if self.hidden.is_some() => self.text("", name, text, TEXT_BYTES),
            value => self.fields.push(name, value),
        }
    }

    /// Records the event `log` with the fields of this builder in place of its own.
    pub fn record(self, log: &Log<'_>) {
        let mut this = self;
        let message = this.redacted("", log.message, MESSAGE_BYTES);
        let Self { registry, mut fields, hits, .. } = this;
        if message.cut {
            fields.count_cut();
        }
        Log { message: &message.text, fields: &fields, ..*log }.record(registry);
        registry.count_redactions(&hits);
        fields.clear();
        let _ = SPARE.try_with(|spare| spare.set(Some(fields)));
    }
}
