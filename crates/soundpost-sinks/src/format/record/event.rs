//! Events of a log event.

use soundpost_core::{FieldValue, LogEvent};
use soundpost_store::{EVENT_COLUMNS, EventRow, Place};

use super::call::scalar;
use super::{ERROR, Event, Fields, Origin, Said, Value, own_names, text_of};

/// Field that holds the traceback.
const TRACE: &str = "traceback";
const VERSION: &str = "version";

impl<'a> Event<'a> {
    /// Returns the event of a log event.
    pub fn of_log(row: &'a EventRow) -> Self {
        let event = &row.event;
        Self {
            unix_nanos: i64::try_from(event.unix_nanos).unwrap_or(i64::MAX),
            level: event.level,
            message: event.message.as_str().into(),
            detail: text_of(&event.fields, ERROR)
                .map(|error| ("error", Said::Text(error)))
                .into_iter()
                .collect(),
            trace: text_of(&event.fields, TRACE).unwrap_or_default(),
            logger: &event.logger,
            file: &event.file,
            line: event.line,
            thread: &event.thread,
            request_id: &event.request_id,
            operation: &event.operation,
            fields: Fields::Log(event),
        }
    }
}

/// Passes the fields of an event without its traceback, then the columns. The event of a start has the version of its
/// origin as well, which is left out.
pub(super) fn each_field(event: &LogEvent, origin: &Origin<'_>, mut field: impl FnMut(&str, &Value<'_>)) {
    event.fields.iter().for_each(|(name, value)| match (name.as_str(), value) {
        (TRACE, FieldValue::Text(_)) => (),
        (VERSION, FieldValue::Text(version)) if version == origin.version => (),
        _ => field(&own_names::of_field(name, value), &value.into()),
    });
    for column in EVENT_COLUMNS.iter().filter(|column| column.is_in(Place::Events)) {
        if let Some(value) = column.shipped_value(event).and_then(scalar) {
            field(column.name(), &value);
        }
    }
}
