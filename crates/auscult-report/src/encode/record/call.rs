//! Records of a finished call.

use std::borrow::Cow;

use auscult_core::{FieldValue, Status};

use super::{Event, Field, Level, Origin, Point, Said, Value};
use crate::store::CallRow;

/// Times of points are made distinct by so many nanoseconds: see [`Point::of_call`].
const DISTINCT: u64 = 1000;

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
        let mut fields = Vec::with_capacity(16 + call.stages.len() + call.labels.len() + call.fields.len());
        fields.push(("status".into(), call.outcome.status().name().into()));
        fields.push(("outcome".into(), call.outcome.name().into()));
        push_figures(&mut fields, call);
        if let Some(gpu) = &call.gpu {
            let used = gpu.memory_before as f64 + gpu.memory_delta as f64;
            fields.push(("gpu_memory_used_gb".into(), Value::Float(used / GIB)));
        }
        push_some(&mut fields, "underrun_ms", call.underrun);
        fields.push(("pid".into(), Value::Int(call.pid.into())));
        if let Some(stage) = &call.died_in {
            fields.push(("died_in".into(), stage.as_str().into()));
        }
        for stage in &call.stages {
            fields.push((["stage_", &stage.name, "_ms"].concat().into(), ms(stage.nanos)));
        }
        fields.extend(call.labels.iter().map(|(name, value)| (name.into(), value.as_str().into())));
        fields.extend(call.fields.iter().map(|(name, value)| (name.into(), value.into())));
        Self {
            unix_nanos: signed(call.ended_unix),
            level,
            message: Cow::Borrowed(message),
            detail: detail(call),
            logger: "",
            file: "",
            line: None,
            thread: "",
            request_id: &call.request_id,
            operation: &call.operation,
            fields,
        }
    }
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
        push_figures(&mut fields, call);
        fields.push(("request_id".into(), call.request_id.as_str().into()));
        if let Some(error) = error(call) {
            fields.push(("error".into(), error.into()));
        }
        let distinct =
            (call.ended_unix - call.ended_unix % DISTINCT).saturating_add(call.sequence % DISTINCT);
        Self { measurement: "generate_calls", tags, fields, unix_nanos: signed(distinct) }
    }
}

/// What both have, under the same names.
fn push_figures<'a>(fields: &mut Vec<Field<'a>>, call: &'a CallRow) {
    fields.push(("duration_ms".into(), ms(call.duration)));
    fields.push(("busy_ms".into(), ms(call.busy)));
    push_some(fields, "queue_ms", call.queued);
    push_some(fields, "first_audio_ms", call.first_audio);
    fields.push(("audio_seconds".into(), Value::Float(call.audio_seconds)));
    if let Some(factor) = call.real_time_factor() {
        fields.push(("rtf".into(), Value::Float(factor)));
    }
    fields.push(("char_count".into(), Value::Unsigned(call.characters)));
    fields.push(("chunks".into(), Value::Unsigned(call.chunks)));
    if let Some(gpu) = &call.gpu {
        fields.push(("gpu_memory_peak_mb".into(), Value::Float(gpu.memory_peak as f64 / MIB)));
        fields.push(("gpu_memory_delta_mb".into(), Value::Float(gpu.memory_delta as f64 / MIB)));
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
    if let Some(error) = error(call) {
        detail.push(("error", Said::Text(error)));
    }
    detail
}

fn error(call: &CallRow) -> Option<&str> {
    call.fields.iter().find_map(|(name, value)| match value {
        FieldValue::Text(text) if name == "error" => Some(text.as_str()),
        _ => None,
    })
}

fn ms(nanos: u64) -> Value<'static> {
    Value::Float(nanos as f64 / 1e6)
}

fn push_some(fields: &mut Vec<Field<'_>>, name: &'static str, nanos: Option<u64>) {
    fields.extend(nanos.map(|nanos| (name.into(), ms(nanos))));
}

fn signed(unix_nanos: u64) -> i64 {
    i64::try_from(unix_nanos).unwrap_or(i64::MAX)
}
