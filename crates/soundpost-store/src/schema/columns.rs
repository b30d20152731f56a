//! The columns of calls and of log events: the one list from which tables, views, JSON, CSV and sinks' fields follow.

use std::sync::Arc;

use rusqlite::types::{FromSqlResult, ToSqlOutput, ValueRef};
use soundpost_core::{FieldValue, FinishedCall, GpuUse, LogEvent, RecordOrigin};

use super::column::{ColumnValue as Shown, EVENTS, LINES, RATIO, RecordColumn, Scale, UNLESS_ZERO, VIEW};
use super::stored::{NULL, Stored, sql_type};
use super::{json, request_id};
use crate::sql::whole;

use Scale::{Mebibytes, Milliseconds, Plain, Ratio, Truth};

type CallColumn = RecordColumn<FinishedCall>;
type EventColumn = RecordColumn<LogEvent>;

/// Declares the column of a field.
macro_rules! field {
    ($record:ty, $column:literal, $field:ident) => {
        RecordColumn::stored(
            $column,
            sql_type(|record: &$record| &record.$field),
            |record: &$record| record.$field.store(),
            |record, value| Stored::load(value).map(|value| record.$field = value),
        )
    };
}

/// Declares the column of a call's field.
macro_rules! call {
    ($column:literal, $field:ident) => {
        field!(FinishedCall, $column, $field)
    };
}

/// Declares the column of a call's use of a GPU.
macro_rules! gpu {
    ($column:literal, $field:ident) => {
        RecordColumn::stored(
            $column,
            "INTEGER",
            |call: &FinishedCall| call.gpu.as_ref().map_or(NULL, |gpu| gpu.$field.store()),
            |call, value| {
                if value != ValueRef::Null {
                    call.gpu.get_or_insert_default().$field = Stored::load(value)?;
                }
                Ok(())
            },
        )
    };
}

/// Declares the column of an event's field.
macro_rules! event {
    ($column:literal, $field:ident) => {
        field!(LogEvent, $column, $field)
    };
}

/// Declares the column of an event's text, which is NULL where it is empty.
macro_rules! text {
    ($field:ident) => {
        RecordColumn::stored(
            stringify!($field),
            "TEXT",
            |event: &LogEvent| {
                Some(&event.$field).filter(|text| !text.is_empty()).map_or(NULL, Stored::store)
            },
            |event, value| Stored::load(value).map(|value| event.$field = value),
        )
        .shown(stringify!($field), Plain)
        .expressed(concat!("coalesce(", stringify!($field), ", '')"))
    };
}

/// Writes seconds since 1970 as RFC 3339.
macro_rules! rfc3339 {
    ($seconds:literal) => {
        concat!("strftime('%Y-%m-%dT%H:%M:%fZ', ", $seconds, ", 'unixepoch')")
    };
}

const STATUS: &str = "CASE outcome WHEN 'ok' THEN 'success' WHEN 'cancelled' THEN 'cancelled' \
    WHEN 'abandoned' THEN 'cancelled' WHEN 'invalid' THEN 'rejected' ELSE 'error' END";
const REQUEST_ID: &str = "CASE typeof(request_id) WHEN 'blob' THEN lower(hex(request_id)) \
    ELSE coalesce(request_id, '') END";
const LEVEL: &str = "CASE level WHEN 0 THEN 'debug' WHEN 1 THEN 'info' WHEN 2 THEN 'warning' \
    WHEN 3 THEN 'error' ELSE 'critical' END";
const REAL_TIME_FACTOR: &str = "CASE WHEN audio_seconds > 0 THEN busy / 1e9 / audio_seconds END";
const SECONDS_PER_CHARACTER: &str =
    "CASE WHEN audio_seconds > 0 AND characters > 0 THEN audio_seconds / characters END";
const GIB: f64 = (1_u64 << 30) as f64;

/// Columns of a call, in the order of the view.
pub const CALL_COLUMNS: &[CallColumn] = &[
    CallColumn::derived("sequence", "sequence", |_| Shown::None).in_places(VIEW),
    call!("ended", ended_unix)
        .shown("time", Plain)
        .expressed(rfc3339!("ended / 1e9"))
        .shown_by(|call| Shown::Time(call.ended_unix)),
    CallColumn::derived("unix", "ended / 1e9", |_| Shown::None).in_places(VIEW),
    CallColumn::derived("operation", "operation", |call| Shown::Text(&call.operation))
        .in_places(VIEW | LINES),
    CallColumn::derived("status", STATUS, |call| Shown::Text(call.outcome.status().name()))
        .in_places(VIEW | LINES | EVENTS),
    call!("outcome", outcome).shown("outcome", Plain).in_places(EVENTS),
    CallColumn::stored(
        "request_id",
        "ANY NOT NULL",
        |call| request_id::stored(&call.request_id),
        |call, value| request_id::read(value).map(|id| call.request_id = id),
    )
    .shown("request_id", Plain)
    .expressed(REQUEST_ID)
    .shown_by(|call| Shown::Text(&call.request_id)),
    // A stored call starts at 0.
    CallColumn::stored(
        "duration",
        "INTEGER NOT NULL",
        |call| whole(call.duration()).into(),
        |call, value| Stored::load(value).map(|duration| call.ended = duration),
    )
    .shown("duration_ms", Milliseconds)
    .shipped(),
    call!("busy", busy).shown("busy_ms", Milliseconds).shipped(),
    call!("queued", queued).shown("queue_ms", Milliseconds).shipped(),
    call!("first_audio", first_audio).shown("first_audio_ms", Milliseconds).shipped(),
    call!("underrun", underrun).shown("underrun_ms", Milliseconds).in_places(EVENTS),
    call!("audio_seconds", audio_seconds).shown("audio_seconds", Plain).shipped().in_places(UNLESS_ZERO),
    CallColumn::derived("rtf", REAL_TIME_FACTOR, real_time_factor).in_places(VIEW | LINES).shipped(),
    call!("characters", characters).shown("char_count", Plain).shipped().in_places(UNLESS_ZERO),
    CallColumn::derived("speech_seconds_per_character", SECONDS_PER_CHARACTER, seconds_per_character)
        .in_places(VIEW | LINES),
    call!("video_seconds", video_seconds).shown("video_seconds", Plain).shipped().in_places(UNLESS_ZERO),
    call!("chunks", chunks).shown("chunks", Plain).shipped().in_places(UNLESS_ZERO),
    call!("streaming", streaming).shown("streaming", Truth),
    call!("warmup", warmup).shown("warmup", Truth).shipped().in_places(UNLESS_ZERO),
    call!("cold", cold).shown("cold", Truth).shipped().in_places(UNLESS_ZERO),
    call!("died_in", died_in).shown("died_in", Plain).in_places(EVENTS),
    CallColumn::derived("error_type", "fields ->> '$.error_type'", |call| field_of(call, "error_type"))
        .in_places(VIEW | LINES),
    CallColumn::derived("error", "fields ->> '$.error'", |call| field_of(call, "error"))
        .in_places(VIEW | LINES),
    gpu!("gpu_memory_before", memory_before).shown("gpu_memory_before_mb", Mebibytes),
    gpu!("gpu_memory_peak", memory_peak).shown("gpu_memory_peak_mb", Mebibytes).shipped(),
    gpu!("gpu_memory_delta", memory_delta).shown("gpu_memory_delta_mb", Mebibytes).shipped(),
    CallColumn::derived("gpu_memory_used_gb", "", gpu_memory_used).in_places(EVENTS),
    CallColumn::stored("gpu_utilization", "INTEGER", store_utilization, load_utilization)
        .shown("gpu_utilization", Ratio),
    gpu!("gpu_shared", shared).shown("gpu_shared", Truth),
    gpu!("gpu_of_process", of_process).shown("gpu_of_process", Truth),
    CallColumn::derived("labels", "labels", |call| Shown::Labels(&call.labels)).in_places(VIEW | LINES),
    call!("fields", fields)
        .shown("fields", Plain)
        .expressed("coalesce(fields, '{}')")
        .shown_by(|call| Shown::Fields(&call.fields)),
    CallColumn::stored(
        "stages",
        "TEXT",
        |call| json::output(json::stage_times(&call.stages)),
        |call, value| json::read(value, json::read_stage_times).map(|stages| call.stages = stages),
    )
    .shown("stages", Plain)
    .expressed("coalesce(stages, '{}')")
    .shown_by(|call| Shown::Stages(&call.stages)),
    CallColumn::stored(
        "stage_counts",
        "TEXT",
        |call| json::output(json::stage_counts(&call.stages)),
        |call, value| json::read_counts(value, &mut call.stages, |stage, count| stage.count = count),
    )
    .expressed("coalesce(stage_counts, '{}')")
    .in_places(VIEW),
    CallColumn::stored(
        "stage_failures",
        "TEXT",
        |call| json::output(json::stage_failures(&call.stages)),
        |call, value| json::read_counts(value, &mut call.stages, |stage, failures| stage.failures = failures),
    )
    .expressed("coalesce(stage_failures, '{}')")
    .in_places(VIEW),
    call!("pid", pid).shown("pid", Plain).in_places(EVENTS),
    CallColumn::derived("version", "version", |call| origin(&call.origin, |origin| &origin.version))
        .in_places(VIEW | LINES),
    CallColumn::derived("instance", "instance", |call| origin(&call.origin, |origin| &origin.instance))
        .in_places(VIEW | LINES),
];

/// Columns of a log event, in the order of the view. Formats of sinks name the texts of an event themselves.
pub const EVENT_COLUMNS: &[EventColumn] = &[
    EventColumn::derived("sequence", "sequence", |_| Shown::None).in_places(VIEW),
    event!("time", unix_nanos)
        .shown("time", Plain)
        .expressed(rfc3339!("time / 1e9"))
        .shown_by(|event| Shown::Time(event.unix_nanos)),
    EventColumn::derived("unix", "time / 1e9", |_| Shown::None).in_places(VIEW),
    event!("level", level)
        .shown("level", Plain)
        .expressed(LEVEL)
        .shown_by(|event| Shown::Text(event.level.name())),
    event!("message", message).shown("message", Plain),
    text!(logger),
    text!(file),
    event!("line", line).shown("line", Plain),
    text!(thread),
    EventColumn::stored(
        "request_id",
        "ANY",
        |event| match event.request_id.as_str() {
            "" => NULL,
            id => request_id::stored(id),
        },
        |event, value| request_id::read(value).map(|id| event.request_id = id),
    )
    .shown("request_id", Plain)
    .expressed(REQUEST_ID)
    .shown_by(|event| {
        Some(&event.request_id).filter(|id| !id.is_empty()).map_or(Shown::None, |id| Shown::Text(id))
    }),
    text!(operation),
    event!("fields", fields)
        .shown("fields", Plain)
        .expressed("coalesce(fields, '{}')")
        .shown_by(|event| Shown::Fields(&event.fields)),
    event!("pid", pid).shown("pid", Plain).in_places(EVENTS),
    EventColumn::derived("version", "version", |event| origin(&event.origin, |origin| &origin.version))
        .in_places(VIEW | LINES),
    EventColumn::derived("instance", "instance", |event| origin(&event.origin, |origin| &origin.instance))
        .in_places(VIEW | LINES),
];

/// Returns a text of an origin, which sinks write by their formats.
fn origin<'r>(origin: &'r Option<Arc<RecordOrigin>>, text: fn(&RecordOrigin) -> &String) -> Shown<'r> {
    origin.as_deref().map_or(Shown::None, |origin| Shown::Text(text(origin)))
}

fn real_time_factor(call: &FinishedCall) -> Shown<'_> {
    call.real_time_factor().map_or(Shown::None, Shown::Float)
}

fn seconds_per_character(call: &FinishedCall) -> Shown<'_> {
    call.seconds_per_character().map_or(Shown::None, Shown::Float)
}

fn field_of<'c>(call: &'c FinishedCall, name: &str) -> Shown<'c> {
    match call.fields.iter().find(|(field, _)| field == name) {
        Some((_, FieldValue::Text(text))) => Shown::Text(text),
        Some((_, FieldValue::Int(number))) => Shown::Int(*number),
        Some((_, FieldValue::Float(number))) => Shown::Float(*number),
        Some((_, FieldValue::Bool(truth))) => Shown::Bool(*truth),
        None => Shown::None,
    }
}

fn gpu_memory_used(call: &FinishedCall) -> Shown<'_> {
    let used = |gpu: &GpuUse| (gpu.memory_before as f64 + gpu.memory_delta as f64) / GIB;
    call.gpu.as_ref().map_or(Shown::None, |gpu| Shown::Float(used(gpu)))
}

fn store_utilization(call: &FinishedCall) -> ToSqlOutput<'_> {
    let mean = call.gpu.as_ref().and_then(|gpu| gpu.utilization_mean);
    mean.map_or(NULL, |mean| ((mean * RATIO).round() as i64).into())
}

fn load_utilization(call: &mut FinishedCall, value: ValueRef<'_>) -> FromSqlResult<()> {
    if let Some(gpu) = &mut call.gpu {
        gpu.utilization_mean = value.as_i64_or_null()?.map(|mean| mean as f64 / RATIO);
    }
    Ok(())
}

/// A time of sampling, as it is stored.
#[derive(Debug, Default)]
pub(crate) struct SampleTime {
    /// Milliseconds since 1970.
    pub(crate) millis: u64,
}

/// Columns of a time of sampling.
pub(super) const SAMPLE_TIME_COLUMNS: &[RecordColumn<SampleTime>] = &[field!(SampleTime, "time", millis)];
