//! A log event, as the host passes it and as the store receives it.

use std::sync::Arc;

use super::fields::LogFields;
use super::level::Level;
use crate::field::FieldValue;
use crate::registry::RecordOrigin;

/// Number of texts of an event beside its message.
pub(super) const TEXTS: usize = 5;

/// An event to record. An empty text is an absent one.
#[derive(Clone, Copy, Debug)]
pub struct Log<'a> {
    /// Time by the wall clock, nanoseconds since 1970; `None`: now.
    pub unix_nanos: Option<u64>,
    /// Severity.
    pub level: Level,
    /// Message; cut at 64 KiB.
    pub message: &'a str,
    /// Name of the logger; this and the texts below are cut at 1 KiB.
    pub logger: &'a str,
    /// Source file.
    pub file: &'a str,
    /// Line in the file, from 1.
    pub line: Option<u32>,
    /// Name of the thread.
    pub thread: &'a str,
    /// Request id of the call that the event belongs to.
    pub request_id: &'a str,
    /// Operation of that call.
    pub operation: &'a str,
    /// Fields.
    pub fields: &'a LogFields,
}

impl<'a> Log<'a> {
    /// Makes an event of now without a source, a call or fields.
    pub fn new(level: Level, message: &'a str) -> Self {
        static NO_FIELDS: LogFields = LogFields::new();
        Self {
            unix_nanos: None,
            level,
            message,
            logger: "",
            file: "",
            line: None,
            thread: "",
            request_id: "",
            operation: "",
            fields: &NO_FIELDS,
        }
    }

    /// Returns the texts in the order of the record.
    pub(super) fn texts(&self) -> [&'a str; TEXTS] {
        [self.logger, self.file, self.thread, self.request_id, self.operation]
    }
}

/// A recorded log event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogEvent {
    /// Time by the wall clock, nanoseconds since 1970.
    pub unix_nanos: u64,
    /// Severity.
    pub level: Level,
    /// Message.
    pub message: String,
    /// Name of the logger; this and the texts below are empty where absent.
    pub logger: String,
    /// Source file.
    pub file: String,
    /// Line in the file, from 1.
    pub line: Option<u32>,
    /// Name of the thread.
    pub thread: String,
    /// Request id of the call that the event belongs to.
    pub request_id: String,
    /// Operation of that call.
    pub operation: String,
    /// Version and instance of the service; `None` in a store of an older build.
    pub origin: Option<Arc<RecordOrigin>>,
    /// Process id, as the process itself saw it.
    pub pid: u32,
    /// Segment that recorded the event.
    pub segment: u64,
    /// Fields, in the order in which they were given.
    pub fields: Vec<(String, FieldValue)>,
}

impl LogEvent {
    /// Adds a label as a field, unless a field has its name.
    pub(crate) fn add_label(&mut self, name: &str, value: &str) {
        if !self.fields.iter().any(|(field, _)| field == name) {
            self.fields.push((name.to_owned(), FieldValue::Text(value.to_owned())));
        }
    }
}
