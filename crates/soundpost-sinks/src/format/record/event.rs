//! Records of a log event.

use soundpost_core::FieldValue;
use soundpost_store::EventRow;

use super::{Event, Fields, Said, Value, text_of};

/// The field that an event's trace is.
const TRACE: &str = "traceback";

impl<'a> Event<'a> {
    /// The event of a log event, under its own names.
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
            fields: Fields::Log(row),
        }
    }
}

/// Its fields, without the trace; the process's id is one of them, unless another has its name.
pub(crate) fn each_field(row: &EventRow, mut field: impl FnMut(&str, &Value<'_>)) {
    let event = &row.event;
    event.fields.iter().for_each(|(name, value)| match value {
        FieldValue::Text(_) if name == TRACE => (),
        _ => field(name, &value.into()),
    });
    if !event.fields.iter().any(|(name, _)| name == "pid") {
        field("pid", &Value::Int(event.pid.into()));
    }
}
