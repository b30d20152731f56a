//! Records of a finished call.

use std::borrow::Cow;

use soundpost_core::{FieldValue, Status};
use soundpost_store::CallRow;

use super::{Event, Fields, Level, Origin, Point, Said, Value, text_of};

/// Times of points are made distinct by so many nanoseconds: see [`Point::of_call`].
const DISTINCT: u64 = 1000;

const CHAR_COUNT: &str = "char_count";

const MIB: f64 = (1u64 << 20) as f64;
const GIB: f64 = (1u64 << 30) as f64;

impl<'a> Event<'a> {
    /// The event of a finished call: `Audio generation completed`, or `failed`, with the call's figures, its
    /// labels and its fields. A call that was cancelled neither completed nor failed; it says `cancelled`.
    pub fn of_call(call: &'a CallRow) -> Self {
        let (level, message) = match call.outcome.status() {
            Status::Success => (Level::Info, "Audio generation completed"),
            Status::Error => (Level::Error, "Audio generation failed"),
            Status::Cancelled => (Level::Info, "Audio generation cancelled"),
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

/// Its fields as an event.
pub(crate) fn each_field(call: &CallRow, mut field: impl FnMut(&str, &Value<'_>)) {
    field("status", &call.outcome.status().name().into());
    field("outcome", &call.outcome.name().into());
    each_figure(call, |name, value| field(name, &value));
    if let Some(gpu) = &call.gpu {
        let used = gpu.memory_before as f64 + gpu.memory_delta as f64;
        field("gpu_memory_used_gb", &Value::Float(used / GIB));
    }
    if let Some(underrun) = call.underrun {
        field("underrun_ms", &ms(underrun));
    }
    field("pid", &Value::Int(call.pid.into()));
    if let Some(stage) = &call.died_in {
        field("died_in", &stage.as_str().into());
    }
    let mut name = String::new();
    for stage in &call.stages {
        name.clear();
        name.extend(["stage_", &stage.name, "_ms"]);
        field(&name, &ms(stage.nanos));
    }
    call.labels.iter().for_each(|(name, value)| field(name, &value.as_str().into()));
    call.fields.iter().for_each(|(name, value)| match value {
        // It is the figure.
        FieldValue::Int(_) if name == CHAR_COUNT => (),
        _ => field(name, &value.into()),
    });
}

impl<'a> Point<'a> {
    /// The point of a finished call, in `generate_calls`. Figures keep one type each, whatever the call.
    ///
    /// Points of one series and time overwrite each other. So the last three digits of the time are those of
    /// the call's sequence number: calls of one series stay apart, and one that is sent again, by whatever
    /// process, is the same point.
    pub fn of_call(origin: &Origin<'a>, call: &'a CallRow) -> Self {
        let mut tags = Vec::with_capacity(6 + call.labels.len());
        tags.extend([
            ("host", origin.instance),
            ("operation", call.operation.as_str()),
            ("outcome", call.outcome.name()),
            ("service", origin.service),
            ("status", call.outcome.status().name()),
            ("version", origin.version),
        ]);
        tags.extend(call.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let mut fields = Vec::with_capacity(12);
        each_figure(call, |name, value| fields.push((name.into(), value)));
        fields.push(("request_id".into(), call.request_id.as_str().into()));
        if let Some(error) = text_of(&call.fields, "error") {
            fields.push(("error".into(), error.into()));
        }
        let distinct =
            (call.ended_unix - call.ended_unix % DISTINCT).saturating_add(call.sequence % DISTINCT);
        Self { measurement: "generate_calls", tags, fields, unix_nanos: signed(distinct) }
    }
}

/// What both have, under the same names.
fn each_figure(call: &CallRow, mut figure: impl FnMut(&'static str, Value<'static>)) {
    figure("duration_ms", ms(call.duration));
    figure("busy_ms", ms(call.busy));
    if let Some(queued) = call.queued {
        figure("queue_ms", ms(queued));
    }
    if let Some(first_audio) = call.first_audio {
        figure("first_audio_ms", ms(first_audio));
    }
    // None of it is nothing that was measured: a mean over calls is one over those that have it.
    if call.audio_seconds > 0.0 {
        figure("audio_seconds", Value::Float(call.audio_seconds));
    }
    if let Some(factor) = call.real_time_factor() {
        figure("rtf", Value::Float(factor));
    }
    for (name, count) in [(CHAR_COUNT, call.characters), ("chunks", call.chunks)] {
        if count > 0 {
            figure(name, Value::Unsigned(count));
        }
    }
    if let Some(gpu) = &call.gpu {
        figure("gpu_memory_peak_mb", Value::Float(gpu.memory_peak as f64 / MIB));
        figure("gpu_memory_delta_mb", Value::Float(gpu.memory_delta as f64 / MIB));
    }
}

/// `duration=0.94s audio=4.20s rtf=0.22`, and what went wrong.
fn detail(call: &CallRow) -> Vec<(&'static str, Said<'_>)> {
    let mut detail = Vec::with_capacity(5);
    detail.push(("duration", Said::Rounded(call.duration as f64 / 1e9, "s")));
    if let Some(factor) = call.real_time_factor() {
        detail.push(("audio", Said::Rounded(call.audio_seconds, "s")));
        detail.push(("rtf", Said::Rounded(factor, "")));
    }
    if call.outcome.status() != Status::Success {
        detail.push(("outcome", Said::Text(call.outcome.name())));
    }
    if let Some(error) = text_of(&call.fields, "error") {
        detail.push(("error", Said::Text(error)));
    }
    detail
}

fn ms(nanos: u64) -> Value<'static> {
    Value::Float(nanos as f64 / 1e6)
}

fn signed(unix_nanos: u64) -> i64 {
    i64::try_from(unix_nanos).unwrap_or(i64::MAX)
}
