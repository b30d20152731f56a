//! A stored call: how it is written and read.

use rusqlite::types::FromSqlError;
use rusqlite::{CachedStatement, Row, params};
use soundpost_core::{FieldValue, FinishedCall, GpuUse, Outcome, StageTime};

use super::kinds::Kinds;
use super::sql::{parsed, places, whole};
use super::{json, request_id};

/// What the mean utilization is multiplied by to be a short whole number.
const UTILIZATION: f64 = 1e4;

/// A call as the store has it. Times are nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRow {
    /// Its place among all that was stored, from 1, without gaps.
    pub sequence: u64,
    /// When it ended, since 1970.
    pub ended_unix: u64,
    /// The request id.
    pub request_id: String,
    /// The operation's name.
    pub operation: String,
    /// How it ended.
    pub outcome: Outcome,
    /// From start to finish.
    pub duration: u64,
    /// Time in the service.
    pub busy: u64,
    /// How long it had waited before its start.
    pub queued: Option<u64>,
    /// From its start to the first audio.
    pub first_audio: Option<u64>,
    /// How far playback would have run dry at worst.
    pub underrun: Option<u64>,
    /// Audio produced, seconds.
    pub audio_seconds: f64,
    /// Characters of input text.
    pub characters: u64,
    /// Chunks handed over.
    pub chunks: u64,
    /// Whether the consumer took chunks as they were made.
    pub streaming: bool,
    /// The process it ran in.
    pub pid: u32,
    /// The stage it was in when its process died.
    pub died_in: Option<String>,
    /// What it did to GPU memory.
    pub gpu: Option<GpuUse>,
    /// The caller's labels.
    pub labels: Vec<(String, String)>,
    /// The caller's fields; `error_type` and `error` of a failed call.
    pub fields: Vec<(String, FieldValue)>,
    /// Its stages.
    pub stages: Vec<StageTime>,
}

impl CallRow {
    /// Busy seconds per second of audio; `None` without audio.
    pub fn real_time_factor(&self) -> Option<f64> {
        (self.audio_seconds > 0.0).then(|| self.busy as f64 * 1e-9 / self.audio_seconds)
    }
}

/// Columns in the order of [`insert`] and [`read`].
pub(super) const COLUMNS: &str = "sequence, ordinal, ended, request_id, kind, outcome, duration, busy, queued, \
    first_audio, underrun, audio_seconds, characters, chunks, streaming, pid, died_in, gpu_memory_before, \
    gpu_memory_peak, gpu_memory_delta, gpu_utilization, gpu_shared, gpu_of_process, fields, stages, \
    stage_counts, stage_failures";

/// The statement of [`insert`].
pub(super) fn insertion() -> String {
    format!("INSERT INTO stored_calls ({COLUMNS}) VALUES ({})", places(27))
}

/// Writes a call under its numbers.
pub(super) fn insert(
    statement: &mut CachedStatement<'_>,
    (sequence, ordinal): (u64, u64),
    kind: i64,
    call: &FinishedCall,
) -> rusqlite::Result<()> {
    let gpu = call.gpu.as_ref();
    let stages = json::stages(&call.stages);
    statement.execute(params![
        whole(sequence),
        whole(ordinal),
        whole(call.ended_unix),
        request_id::stored(&call.request_id),
        kind,
        call.outcome.name(),
        whole(call.duration()),
        whole(call.busy),
        call.queued.map(whole),
        call.first_audio.map(whole),
        call.underrun.map(whole),
        if call.audio_seconds.is_finite() { call.audio_seconds } else { 0.0 },
        whole(call.characters),
        whole(call.chunks),
        call.streaming,
        call.pid,
        call.died_in,
        gpu.map(|gpu| whole(gpu.memory_before)),
        gpu.map(|gpu| whole(gpu.memory_peak)),
        gpu.map(|gpu| gpu.memory_delta),
        gpu.and_then(|gpu| gpu.utilization_mean).map(|mean| (mean * UTILIZATION).round() as i64),
        gpu.map(|gpu| gpu.shared),
        gpu.map(|gpu| gpu.of_process),
        json::fields(&call.fields),
        stages.ms,
        stages.counts,
        stages.failures,
    ])?;
    Ok(())
}

/// Reads a row of [`COLUMNS`].
pub(super) fn read(row: &Row<'_>, kinds: &mut Kinds<'_>) -> rusqlite::Result<CallRow> {
    let number = |column: usize| row.get(column).map(|number: i64| number.max(0).cast_unsigned());
    let optional = |column: usize| {
        row.get(column).map(|number: Option<i64>| number.map(|number| number.max(0).cast_unsigned()))
    };
    let outcome = row.get_ref(5)?.as_str()?;
    let gpu = match optional(18)? {
        Some(memory_peak) => Some(GpuUse {
            memory_before: number(17)?,
            memory_peak,
            memory_delta: row.get(19)?,
            utilization_mean: optional(20)?.map(|mean| mean as f64 / UTILIZATION),
            shared: row.get(21)?,
            of_process: row.get(22)?,
        }),
        None => None,
    };
    let (operation, labels) = kinds.get(row.get(4)?)?;
    Ok(CallRow {
        sequence: number(0)?,
        ended_unix: number(2)?,
        request_id: request_id::read(row.get_ref(3)?)?,
        operation,
        outcome: Outcome::from_name(outcome).ok_or(FromSqlError::InvalidType)?,
        duration: number(6)?,
        busy: number(7)?,
        queued: optional(8)?,
        first_audio: optional(9)?,
        underrun: optional(10)?,
        audio_seconds: row.get(11)?,
        characters: number(12)?,
        chunks: number(13)?,
        streaming: row.get(14)?,
        pid: row.get(15)?,
        died_in: row.get(16)?,
        gpu,
        labels,
        fields: parsed(row, 23, json::read_fields)?,
        stages: stages(row)?,
    })
}

fn stages(row: &Row<'_>) -> rusqlite::Result<Vec<StageTime>> {
    let mut stages = parsed(row, 24, json::read_stages)?;
    let of = |counts: &[(String, u32)], name: &str| Some(counts.iter().find(|(stage, _)| stage == name)?.1);
    let counts = parsed(row, 25, json::read_counts)?;
    let failures = parsed(row, 26, json::read_counts)?;
    for stage in &mut stages {
        stage.count = of(&counts, &stage.name).unwrap_or(1);
        stage.failures = of(&failures, &stage.name).unwrap_or(0);
    }
    Ok(stages)
}

/// Bytes that fields take in memory, about.
pub(super) fn fields_weight(fields: &[(String, FieldValue)]) -> usize {
    let weight = |(name, value): &(String, FieldValue)| {
        let text = if let FieldValue::Text(text) = value { text.len() } else { 0 };
        size_of::<(String, FieldValue)>() + name.len() + text
    };
    fields.iter().map(weight).sum()
}

/// Bytes that a call takes in memory, about.
pub(super) fn weight(call: &FinishedCall) -> usize {
    let label = |(name, value): &(String, String)| size_of::<(String, String)>() + name.len() + value.len();
    let stage = |stage: &StageTime| size_of_val(stage) + stage.name.len();
    size_of::<FinishedCall>()
        + call.request_id.len()
        + call.operation.len()
        + call.labels.iter().map(label).sum::<usize>()
        + call.stages.iter().map(stage).sum::<usize>()
        + fields_weight(&call.fields)
}
