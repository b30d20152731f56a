//! Events and points of a finished call.

use std::borrow::Cow;

use soundpost_core::{FieldValue, FinishedCall, Status};
use soundpost_store::{CALL_COLUMNS, CallRow, ColumnValue, Place};

use super::{ERROR, Event, Fields, Level, Origin, Point, Said, Value, own_names, text_of};

/// Resolution of the times of points, nanoseconds: see [`Point::of_call`].
const DISTINCT_NANOS: u64 = 1000;
/// Column that a caller's field of the same name repeats.
const CHAR_COUNT: &str = "char_count";

impl<'a> Event<'a> {
    /// Returns the event of a finished call: `Audio generation completed`, `failed`, `cancelled` or `rejected`, with the call's
    /// figures, its labels and its fields.
    pub fn of_call(row: &'a CallRow) -> Self {
        let call = &row.call;
        let (level, message) = match call.outcome.status() {
            Status::Success => (Level::Info, "Audio generation completed"),
            Status::Error => (Level::Error, "Audio generation failed"),
            Status::Cancelled => (Level::Info, "Audio generation cancelled"),
            Status::Rejected => (Level::Warning, "Audio generation rejected"),
        };
        Self {
            unix_nanos: signed(call.ended_unix),
            level,
            message: Cow::Borrowed(message),
            detail: detail(call),
            trace: "",
            logger: "",
            file: "",
            line: None,
            thread: "",
            request_id: &call.request_id,
            operation: &call.operation,
            fields: Fields::Call(call),
        }
    }
}

/// Passes the fields of an event: columns, stages, labels, and the caller's fields.
pub(super) fn each_field(call: &FinishedCall, mut field: impl FnMut(&str, &Value<'_>)) {
    shipped(call, Place::Events).for_each(|(name, value)| field(name, &value));
    let mut name = String::new();
    for stage in &call.stages {
        name.clear();
        own_names::push_stage(&mut name, &stage.name);
        field(&name, &Value::Float(stage.nanos as f64 / 1e6));
    }
    call.labels.iter().for_each(|(name, value)| field(&own_names::of_caller(name), &value.as_str().into()));
    call.fields.iter().for_each(|(name, value)| match (name.as_str(), value) {
        (CHAR_COUNT, FieldValue::Int(_)) => (),
        _ => field(&own_names::of_field(name, value), &value.into()),
    });
}

impl<'a> Point<'a> {
    /// Returns the point of a finished call, in `generate_calls`. A figure has the same type in all calls.
    ///
    /// Points of one series and time overwrite each other. So the last three digits of the time are those of the
    /// sequence number: calls of one series stay distinct, and a repeated delivery writes the same point.
    pub fn of_call(origin: &Origin<'a>, row: &'a CallRow) -> Self {
        let call = &row.call;
        let mut tags = Vec::with_capacity(6 + call.labels.len());
        tags.extend([
            ("host".into(), origin.instance),
            ("operation".into(), call.operation.as_str()),
            ("outcome".into(), call.outcome.name()),
            ("service".into(), origin.service),
            ("status".into(), call.outcome.status().name()),
            ("version".into(), origin.version),
        ]);
        tags.extend(call.labels.iter().map(|(name, value)| (own_names::of_caller(name), value.as_str())));
        let mut fields = Vec::with_capacity(12);
        fields.extend(shipped(call, Place::Points).map(|(name, value)| (name.into(), value)));
        fields.push(("request_id".into(), call.request_id.as_str().into()));
        if let Some(error) = text_of(&call.fields, ERROR) {
            fields.push(("error".into(), error.into()));
        }
        let distinct = call.ended_unix - call.ended_unix % DISTINCT_NANOS;
        let distinct = distinct.saturating_add(row.sequence % DISTINCT_NANOS);
        Self { measurement: "generate_calls", tags, fields, unix_nanos: signed(distinct) }
    }
}

/// Returns the columns of a place with their values, without those that were not measured.
fn shipped(call: &FinishedCall, place: Place) -> impl Iterator<Item = (&'static str, Value<'_>)> {
    let columns = CALL_COLUMNS.iter().filter(move |column| column.is_in(place));
    columns.filter_map(|column| Some((column.name(), scalar(column.shipped_value(call)?)?)))
}

/// Converts a value of a column; `None` for a collection.
pub(super) fn scalar(value: ColumnValue<'_>) -> Option<Value<'_>> {
    match value {
        ColumnValue::Text(text) => Some(text.into()),
        ColumnValue::Int(number) => Some(Value::Int(number)),
        ColumnValue::Float(number) => Some(Value::Float(number)),
        ColumnValue::Bool(truth) => Some(Value::Bool(truth)),
        _ => None,
    }
}

/// Returns `duration=0.94s audio=4.20s rtf=0.22`, and the error.
fn detail(call: &FinishedCall) -> Vec<(&'static str, Said<'_>)> {
    let mut detail = Vec::with_capacity(5);
    detail.push(("duration", Said::Rounded(call.duration() as f64 / 1e9, "s")));
    if let Some(factor) = call.real_time_factor() {
        detail.push(("audio", Said::Rounded(call.audio_seconds, "s")));
        detail.push(("rtf", Said::Rounded(factor, "")));
    }
    if call.outcome.status() != Status::Success {
        detail.push(("outcome", Said::Text(call.outcome.name())));
    }
    if let Some(error) = text_of(&call.fields, ERROR) {
        detail.push(("error", Said::Text(error)));
    }
    detail
}

fn signed(unix_nanos: u64) -> i64 {
    i64::try_from(unix_nanos).unwrap_or(i64::MAX)
}
