//! An event, as its host has it and as the store is given it.

use super::fields::LogFields;
use super::level::Level;
use crate::clock;
use crate::field::FieldValue;
use crate::registry::Registry;

/// An event to be recorded. An empty text is one that is not there.
#[derive(Clone, Copy, Debug)]
pub struct Log<'a> {
    /// When, by the wall clock, nanoseconds since 1970; `None`: now.
    pub unix_nanos: Option<u64>,
    /// How much it matters.
    pub level: Level,
    /// What happened; cut at 64 KiB.
    pub message: &'a str,
    /// The logger's name; this and the texts below are cut at 1 KiB.
    pub logger: &'a str,
    /// The source file.
    pub file: &'a str,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// The thread's name.
    pub thread: &'a str,
    /// Of the call it belongs to.
    pub request_id: &'a str,
    /// Of the call it belongs to.
    pub operation: &'a str,
    /// Everything else.
    pub fields: &'a LogFields,
}

impl Log<'_> {
    /// Records the event: it survives the process from here on. When there is no room, it is dropped and counted in
    /// `soundpost_events_dropped_total`. Never fails, blocks or allocates.
    pub fn record(&self, registry: &Registry) {
        let segment = registry.segment();
        let unix_nanos = self.unix_nanos.unwrap_or_else(clock::unix_nanos);
        registry.count_event(super::entry::append(self, unix_nanos, segment.owner(), segment.ring()));
    }
}

/// A log event that was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEvent {
    /// When, by the wall clock, nanoseconds since 1970.
    pub unix_nanos: u64,
    /// How much it matters.
    pub level: Level,
    /// What happened.
    pub message: String,
    /// The logger's name; empty where there is none, as the texts below.
    pub logger: String,
    /// The source file.
    pub file: String,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// The thread's name.
    pub thread: String,
    /// Of the call it belongs to.
    pub request_id: String,
    /// Of the call it belongs to.
    pub operation: String,
    /// The process it comes from, as that process saw its id.
    pub pid: u32,
    /// The segment it was recorded in.
    pub segment: u64,
    /// Everything else, in the order in which it was given.
    pub fields: Vec<(String, FieldValue)>,
}

impl LogEvent {
    /// Adds a label as a field, unless one has its name.
    pub(crate) fn label(&mut self, name: &str, value: &str) {
        if !self.fields.iter().any(|(field, _)| field == name) {
            self.fields.push((name.to_owned(), FieldValue::Text(value.to_owned())));
        }
    }
}
