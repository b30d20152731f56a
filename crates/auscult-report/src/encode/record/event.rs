//! Records of a log event.

use super::Event;
use crate::store::EventRow;

impl<'a> Event<'a> {
    /// The event of a log event, under its own names; the process's id is a field.
    pub fn of_log(row: &'a EventRow) -> Self {
        let event = &row.event;
        let mut fields = Vec::with_capacity(event.fields.len() + 1);
        fields.extend(event.fields.iter().map(|(name, value)| (name.into(), value.into())));
        if !event.fields.iter().any(|(name, _)| name == "pid") {
            fields.push(("pid".into(), super::Value::Int(event.pid.into())));
        }
        Self {
            unix_nanos: i64::try_from(event.unix_nanos).unwrap_or(i64::MAX),
            level: event.level,
            message: event.message.as_str().into(),
            detail: Vec::new(),
            logger: &event.logger,
            file: &event.file,
            line: event.line,
            thread: &event.thread,
            request_id: &event.request_id,
            operation: &event.operation,
            fields,
        }
    }
}
