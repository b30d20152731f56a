//! A stored call: how it is written and read.

use auscult_core::{FieldValue, FinishedCall, GpuUse, Outcome, StageTime};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{CachedStatement, Row, params};

use super::json;

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
    /// Characters of text taken in.
    pub characters: u64,
    /// Chunks handed over.
    pub chunks: u64,
    /// Whether the consumer took chunks as they were made.
    pub streaming: bool,
    /// The process it ran in.
    pub pid: u32,
    /// The segment it was recorded in.
    pub segment: u64,
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
pub(super) const COLUMNS: &str = "sequence, ended, request_id, operation, outcome, duration, busy, queued, \
    first_audio, underrun, audio_seconds, characters, chunks, streaming, pid, segment, died_in, \
    gpu_memory_before, gpu_memory_peak, gpu_memory_delta, gpu_utilization, gpu_shared, gpu_of_process, labels, \
    fields, stages";

/// The statement of [`insert`].
pub(super) fn insertion() -> String {
    format!("INSERT INTO stored_calls ({COLUMNS}) VALUES ({})", super::sql::places(26))
}

/// A count or time as SQLite has it.
pub(super) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Writes a call under a sequence number.
pub(super) fn insert(
    statement: &mut CachedStatement<'_>,
    sequence: u64,
    call: &FinishedCall,
) -> rusqlite::Result<()> {
    let gpu = call.gpu.as_ref();
    statement.execute(params![
        whole(sequence),
        whole(call.ended_unix),
        call.request_id,
        call.operation,
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
        call.segment.cast_signed(),
        call.died_in,
        gpu.map(|gpu| whole(gpu.memory_before)),
        gpu.map(|gpu| whole(gpu.memory_peak)),
        gpu.map(|gpu| gpu.memory_delta),
        gpu.and_then(|gpu| gpu.utilization_mean),
        gpu.map(|gpu| gpu.shared),
        gpu.map(|gpu| gpu.of_process),
        json::labels(&call.labels),
        json::fields(&call.fields),
        json::stages(&call.stages),
    ])?;
    Ok(())
}

/// Reads a row of [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<CallRow> {
    let number = |column: usize| row.get(column).map(|number: i64| number.max(0).cast_unsigned());
    let optional = |column: usize| {
        row.get(column).map(|number: Option<i64>| number.map(|number| number.max(0).cast_unsigned()))
    };
    let outcome = row.get_ref(4)?.as_str()?;
    let gpu = match optional(18)? {
        Some(memory_peak) => Some(GpuUse {
            memory_before: number(17)?,
            memory_peak,
            memory_delta: row.get(19)?,
            utilization_mean: row.get(20)?,
            shared: row.get(21)?,
            of_process: row.get(22)?,
        }),
        None => None,
    };
    Ok(CallRow {
        sequence: number(0)?,
        ended_unix: number(1)?,
        request_id: row.get(2)?,
        operation: row.get(3)?,
        outcome: Outcome::from_name(outcome).ok_or(FromSqlError::InvalidType)?,
        duration: number(5)?,
        busy: number(6)?,
        queued: optional(7)?,
        first_audio: optional(8)?,
        underrun: optional(9)?,
        audio_seconds: row.get(10)?,
        characters: number(11)?,
        chunks: number(12)?,
        streaming: row.get(13)?,
        pid: row.get(14)?,
        segment: row.get::<_, i64>(15)?.cast_unsigned(),
        died_in: row.get(16)?,
        gpu,
        labels: parsed(row, 23, json::read_labels)?,
        fields: parsed(row, 24, json::read_fields)?,
        stages: parsed(row, 25, json::read_stages)?,
    })
}

/// A column of JSON.
fn parsed<T>(
    row: &Row<'_>,
    column: usize,
    parse: fn(Option<&str>) -> serde_json::Result<T>,
) -> rusqlite::Result<T> {
    parse(row.get_ref(column)?.as_str_or_null()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
