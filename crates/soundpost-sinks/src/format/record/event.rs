//! Events of a log event.

use soundpost_core::{FieldValue, LogEvent};
use soundpost_store::{EVENT_COLUMNS, EventRow, Place};

use super::call::scalar;
use super::{Event, Fields, Said, Value, text_of};

/// Field that holds the traceback.
const TRACE: &str = "traceback";

impl<'a> Event<'a> {
    /// Returns the event of a log event.
    pub fn of_log(row: &'a EventRow) -> Self {
        let event = &row.event;
        Self {
            unix_nanos: i64::try_from(event.unix_nanos).unwrap_or(i64::MAX),
            level: event.level,
            message: event.message.as_str().into(),
            detail: text_of(&event.fields, "error")
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

/// Passes the fields of an event without its traceback, then the columns that no field has the name of.
pub(super) fn each_field(event: &LogEvent, mut field: impl FnMut(&str, &Value<'_>)) {
    event.fields.iter().for_each(|(name, value)| match value {
        FieldValue::Text(_) if name == TRACE => (),
        _ => field(name, &value.into()),
    });
    for column in EVENT_COLUMNS.iter().filter(|column| column.is_in(Place::Events)) {
        let is_given = event.fields.iter().any(|(name, _)| name == column.name());
        if let Some(value) = column.shipped_value(event).filter(|_| !is_given).and_then(scalar) {
            field(column.name(), &value);
        }
    }
}
