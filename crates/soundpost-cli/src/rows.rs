//! Rows of the store as JSON and CSV, with the names of the store's views.

use serde::ser::{Serialize, Serializer};
use serde_json::{Value, json};
use soundpost::read::store::{CallRow, Entity, GpuName, VitalsSample};
use soundpost::{FieldValue, GpuUse};

use crate::output::{csv_line, format_rfc3339};

/// A value, or an object whose entries keep their order.
#[derive(Debug)]
pub(crate) enum Cell {
    Value(Value),
    Object(Vec<(String, Cell)>),
}

impl Cell {
    const NONE: Self = Self::Value(Value::Null);

    fn is_none(&self) -> bool {
        matches!(self, Self::Value(Value::Null))
    }

    /// Formats the cell for CSV: nothing for null, text without quotes.
    fn text(&self) -> String {
        match self {
            Self::Value(Value::Null) => String::new(),
            Self::Value(Value::String(text)) => text.clone(),
            cell => serde_json::to_string(cell).unwrap_or_default(),
        }
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Object(entries) => serializer.collect_map(entries.iter().map(|(name, cell)| (name, cell))),
        }
    }
}

/// A row as an object, without null values.
pub(crate) struct Row<'a>(pub(crate) &'a [&'static str], pub(crate) &'a [Cell]);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(self.1).filter(|(_, cell)| !cell.is_none()))
    }
}

/// Formats a row for CSV.
pub(crate) fn csv(row: &[Cell]) -> String {
    let texts: Vec<String> = row.iter().map(Cell::text).collect();
    csv_line(texts.iter().map(String::as_str))
}

/// Columns of a call.
pub(crate) const CALL: [&str; 28] = [
    "time",
    "operation",
    "status",
    "outcome",
    "request_id",
    "duration_ms",
    "busy_ms",
    "queue_ms",
    "first_audio_ms",
    "underrun_ms",
    "audio_seconds",
    "rtf",
    "char_count",
    "chunks",
    "streaming",
    "died_in",
    "error_type",
    "error",
    "gpu_memory_before_mb",
    "gpu_memory_peak_mb",
    "gpu_memory_delta_mb",
    "gpu_utilization",
    "gpu_shared",
    "gpu_of_process",
    "labels",
    "fields",
    "stages",
    "pid",
];

/// Returns a call's values in the order of [`CALL`].
pub(crate) fn call(row: &CallRow) -> [Cell; 28] {
    let ms = |nanos: u64| Cell::from(json!(nanos as f64 / 1e6));
    let mb = |bytes: f64| Cell::from(json!(bytes / 1_048_576.0));
    let gpu = |value: fn(&GpuUse) -> Value| Cell::from(row.gpu.as_ref().map_or(Value::Null, value));
    let text = |name: &str| Cell::from(field(row, name).map_or(Value::Null, json_of));
    [
        json!(format_rfc3339(row.ended_unix)).into(),
        json!(row.operation).into(),
        json!(row.outcome.status().name()).into(),
        json!(row.outcome.name()).into(),
        json!(row.request_id).into(),
        ms(row.duration),
        ms(row.busy),
        row.queued.map_or(Cell::NONE, ms),
        row.first_audio.map_or(Cell::NONE, ms),
        row.underrun.map_or(Cell::NONE, ms),
        json!(row.audio_seconds).into(),
        json!(row.real_time_factor()).into(),
        json!(row.characters).into(),
        json!(row.chunks).into(),
        json!(row.streaming).into(),
        json!(row.died_in).into(),
        text("error_type"),
        text("error"),
        row.gpu.map_or(Cell::NONE, |gpu| mb(gpu.memory_before as f64)),
        row.gpu.map_or(Cell::NONE, |gpu| mb(gpu.memory_peak as f64)),
        row.gpu.map_or(Cell::NONE, |gpu| mb(gpu.memory_delta as f64)),
        gpu(|gpu| json!(gpu.utilization_mean)),
        gpu(|gpu| json!(gpu.shared)),
        gpu(|gpu| json!(gpu.of_process)),
        object(row.labels.iter().map(|(name, value)| (name.clone(), json!(value).into()))),
        object(row.fields.iter().map(|(name, value)| (name.clone(), json_of(value).into()))),
        object(row.stages.iter().map(|stage| (stage.name.clone(), stage_of(stage)))),
        json!(row.pid).into(),
    ]
}

fn object(entries: impl Iterator<Item = (String, Cell)>) -> Cell {
    Cell::Object(entries.collect())
}

/// Returns a field of a call.
pub(crate) fn field<'a>(row: &'a CallRow, name: &str) -> Option<&'a FieldValue> {
    row.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
}

fn stage_of(stage: &soundpost::StageTime) -> Cell {
    let mut entries = vec![("ms".to_owned(), json!(stage.nanos as f64 / 1e6).into())];
    if stage.count != 1 {
        entries.push(("count".to_owned(), json!(stage.count).into()));
    }
    if stage.failures > 0 {
        entries.push(("failures".to_owned(), json!(stage.failures).into()));
    }
    Cell::Object(entries)
}

fn json_of(value: &FieldValue) -> Value {
    match value {
        FieldValue::Bool(value) => json!(value),
        FieldValue::Int(value) => json!(value),
        FieldValue::Float(value) => json!(value),
        FieldValue::Text(value) => json!(value),
    }
}

/// Columns of a sample. The store's views have more.
pub(crate) const VITALS: [&str; 25] = [
    "time",
    "entity",
    "gpu",
    "uuid",
    "name",
    "mig",
    "pid",
    "cpu_usage_ratio",
    "host_memory_used_bytes",
    "host_memory_total_bytes",
    "load1",
    "process_resident_memory_bytes",
    "process_cpu_seconds",
    "process_threads",
    "process_open_fds",
    "gpu_memory_used_bytes",
    "gpu_memory_total_bytes",
    "gpu_utilization_ratio",
    "gpu_memory_utilization_ratio",
    "gpu_temperature_celsius",
    "gpu_power_watts",
    "gpu_clock_sm_hertz",
    "gpu_energy_joules",
    "gpu_xid_errors",
    "gpu_process_memory_bytes",
];

/// Returns a sample's values in the order of [`VITALS`].
pub(crate) fn vitals(sample: &VitalsSample) -> [Cell; 25] {
    let (entity, gpu, pid) = match &sample.entity {
        Entity::Host => ("host", None, None),
        Entity::Process { pid } => ("process", None, Some(*pid)),
        Entity::Gpu(gpu) => ("gpu", Some(gpu.clone()), None),
        Entity::GpuProcess { gpu, pid } => {
            // Process 0 stands for all other processes, as in the store's view.
            ("gpu_process", Some(GpuName { gpu: gpu.clone(), ..GpuName::default() }), Some(pid.unwrap_or(0)))
        }
    };
    let text = |text: &String| if text.is_empty() { Value::Null } else { json!(text) };
    VITALS.map(|column| {
        let of_gpu = |part: fn(&GpuName) -> &String| gpu.as_ref().map_or(Value::Null, |gpu| text(part(gpu)));
        Cell::Value(match column {
            "time" => json!(format_rfc3339(sample.unix_nanos)),
            "entity" => json!(entity),
            "gpu" => of_gpu(|gpu| &gpu.gpu),
            "uuid" => of_gpu(|gpu| &gpu.uuid),
            "name" => of_gpu(|gpu| &gpu.name),
            "mig" => of_gpu(|gpu| &gpu.mig),
            "pid" => json!(pid),
            quantity => {
                let value = sample.values.iter().find(|(name, _)| *name == quantity);
                value.map_or(Value::Null, |(_, value)| json!(value))
            }
        })
    })
}
