//! An event while it is put together, without what must not be recorded.

use std::cell::Cell;

use soundpost_redact::Hits;

use super::event::Log;
use super::fields::LogFields;
use super::trace::shortened;
use crate::field::{FieldRef, cut};
use crate::registry::Registry;

/// Longest message, bytes; the ring takes no longer one.
const MESSAGE: usize = 64 * 1024;
/// Longest text of a field, bytes; a traceback of some hundred lines is whole.
const TEXT: usize = 32 * 1024;
/// Longest text of an error, bytes: it has its traceback beside it.
const ERROR: usize = 8 * 1024;
/// Longest stack, bytes.
const STACK: usize = 12 * 1024;
/// The line that says what is left out of a traceback, bytes.
const HOLE: usize = 40;
/// So much of a traceback is looked at for what must not be recorded, bytes.
const TRACEBACK_SEEN: usize = 256 * 1024;

thread_local! {
    /// The fields of this thread's last event, to be used again. One that is put together while another is (its
    /// value's text is being made, and making it logs) finds none and makes its own.
    static SPARE: Cell<Option<LogFields>> = const { Cell::new(None) };
}

/// An event while it is put together: what is added to it has passed redaction.
#[must_use = "an event is recorded by `record`"]
pub struct Draft<'a> {
    registry: &'a Registry,
    fields: LogFields,
    hits: Hits,
}

impl<'a> Draft<'a> {
    /// An event without fields.
    pub fn new(registry: &'a Registry) -> Self {
        let fields = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
        Self { registry, fields, hits: Hits::default() }
    }

    /// Adds what was raised: its class, its text where it has one, its traceback. Before other fields they have their
    /// room whatever those are; of a long traceback the first and the last frames are kept.
    pub fn error(&mut self, class: &str, text: Option<&str>, traceback: &str) {
        self.field("error_type", FieldRef::Text(class));
        if let Some(text) = text {
            self.text("error", text, ERROR);
        }
        self.trace("traceback", traceback, TEXT);
    }

    /// Adds the stack that led to the event.
    pub fn stack(&mut self, stack: &str) {
        self.trace("stack", stack, STACK);
    }

    /// Says that there are more fields, which were not looked at.
    pub fn leave(&mut self, fields: usize) {
        self.fields.count_left(fields as u64);
    }

    fn trace(&mut self, name: &str, trace: &str, limit: usize) {
        if trace.is_empty() {
            return;
        }
        // It is shortened when it is known what of it must not be recorded, and before only where it is endless.
        let seen = shortened(trace, TRACEBACK_SEEN);
        let redacted = self.registry.redactor().text(&seen, usize::MAX, &mut self.hits);
        let kept = shortened(&redacted.text, limit - HOLE);
        if kept.len() < redacted.text.len() || seen.len() < trace.len() {
            self.fields.count_cut();
        }
        self.fields.push(name, FieldRef::Text(cut(&kept, TEXT)));
    }

    /// Adds a text of at most so many bytes.
    fn text(&mut self, name: &str, text: &str, limit: usize) {
        let redacted = self.registry.redactor().field(name, text, limit, &mut self.hits);
        if redacted.cut {
            self.fields.count_cut();
        }
        self.fields.push(name, FieldRef::Text(&redacted.text));
    }

    /// Adds a field, unless there is one of the name.
    pub fn field(&mut self, name: &str, value: FieldRef<'_>) {
        let redactor = self.registry.redactor();
        let shown = redactor.name(name, &mut self.hits);
        let mark = match value {
            FieldRef::Text(text) => {
                let redacted = redactor.field(name, text, TEXT, &mut self.hits);
                if redacted.cut {
                    self.fields.count_cut();
                }
                return self.fields.push(&shown, FieldRef::Text(&redacted.text));
            }
            FieldRef::Int(number) => redactor.integer(name, number, &mut self.hits),
            FieldRef::Float(_) => redactor.number(name, &mut self.hits),
            FieldRef::Bool(_) => None,
        };
        self.fields.push(&shown, mark.map_or(value, FieldRef::Text));
    }

    /// Adds a field that has passed redaction before.
    pub(crate) fn redacted_field(&mut self, name: &str, value: FieldRef<'_>) {
        self.fields.push(name, value);
    }

    /// Records the event with what `log` says beside its fields, which are this draft's.
    pub fn record(self, log: &Log<'_>) {
        let Self { registry, mut fields, mut hits } = self;
        let message = registry.redactor().text(log.message, MESSAGE, &mut hits);
        if message.cut {
            fields.count_cut();
        }
        Log { message: &message.text, fields: &fields, ..*log }.record(registry);
        registry.count_redactions(&hits);
        fields.clear();
        let _ = SPARE.try_with(|spare| spare.set(Some(fields)));
    }
}
