//! Rows of the store for programs: JSON objects and lines of CSV, with the names of the store's views.

use serde::ser::{Serialize, Serializer};
use serde_json::{Value, json};
use soundpost::FieldValue;
use soundpost::binding::visible::{escaped, is_hidden};
use soundpost::read::store::{
    ColumnValue, Entity, FinishedCall, GpuName, Place, RecordColumn, VitalsSample, vitals_columns,
};

use crate::arguments::RowFormat;
use crate::error::CommandError;
use crate::output::{Output, Terminal, format_rfc3339};

/// First characters of a formula in a spreadsheet; the wide ones in Chinese and Japanese ones.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r'];

/// Reports whether a spreadsheet may run a text. Some spreadsheets skip what is invisible before a formula.
fn is_formula(text: &str) -> bool {
    let visible = text.trim_start_matches(|c: char| c.is_whitespace() || is_hidden(c));
    text.starts_with(FORMULA) || visible.starts_with(FORMULA)
}

/// A value, or an object whose entries keep their order.
#[derive(Debug)]
pub(crate) enum Cell {
    Value(Value),
    Object(Vec<(String, Cell)>),
}

impl Cell {
    fn is_none(&self) -> bool {
        matches!(self, Self::Value(Value::Null))
    }

    /// Formats the cell for CSV: nothing for null, text without quotes. A spreadsheet would run a text that begins like
    /// a formula, so that text gets a `'` before it.
    fn text(&self) -> String {
        match self {
            Self::Value(Value::Null) => String::new(),
            Self::Value(Value::String(text)) if is_formula(text) => format!("'{text}"),
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

/// Names and cells of a row, serialized as an object without absent values.
pub(crate) struct Row(Vec<(&'static str, Cell)>);

impl Row {
    /// Returns the line of CSV, on a terminal without characters that it obeys.
    pub(crate) fn csv(&self, terminal: Terminal) -> String {
        let text = |(_, cell): &(_, Cell)| match cell.text() {
            text if terminal.is_terminal => escaped(&text).into_owned(),
            text => text,
        };
        let texts: Vec<String> = self.0.iter().map(text).collect();
        csv_line(texts.iter().map(String::as_str))
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let present = self.0.iter().filter(|(_, cell)| !cell.is_none());
        serializer.collect_map(present.map(|(name, cell)| (name, cell)))
    }
}

impl RowFormat {
    pub(crate) fn is_text(self) -> bool {
        !self.json && !self.csv
    }

    /// Writes the line with the names of CSV.
    pub(crate) fn write_names<'a>(
        self,
        out: &mut Output<'_>,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), CommandError> {
        if self.csv { out.line(csv_line(names)) } else { Ok(()) }
    }

    /// Writes a row for programs; nothing as text.
    pub(crate) fn write(self, out: &mut Output<'_>, row: impl FnOnce() -> Row) -> Result<(), CommandError> {
        match self {
            Self { json: true, .. } => out.json(&row()),
            Self { csv: true, .. } => out.line(row().csv(out.terminal)),
            _ => Ok(()),
        }
    }
}

/// Returns the names of the columns of a record.
pub(crate) fn names<R>(columns: &[RecordColumn<R>]) -> impl Iterator<Item = &'static str> {
    columns.iter().filter(|column| column.is_in(Place::Lines)).map(RecordColumn::name)
}

pub(crate) fn record<R>(columns: &[RecordColumn<R>], record: &R) -> Row {
    let columns = columns.iter().filter(|column| column.is_in(Place::Lines));
    Row(columns.map(|column| (column.name(), cell(column.value(record)))).collect())
}

fn cell(value: ColumnValue<'_>) -> Cell {
    let object = |entries: Vec<(String, Cell)>| Cell::Object(entries);
    match value {
        ColumnValue::None => Value::Null.into(),
        ColumnValue::Time(nanos) => json!(format_rfc3339(nanos)).into(),
        ColumnValue::Text(text) => json!(text).into(),
        ColumnValue::Int(number) => json!(number).into(),
        ColumnValue::Float(number) => json!(number).into(),
        ColumnValue::Bool(truth) => json!(truth).into(),
        ColumnValue::Labels(labels) => {
            object(labels.iter().map(|(name, value)| (name.clone(), json!(value).into())).collect())
        }
        ColumnValue::Fields(fields) => {
            object(fields.iter().map(|(name, value)| (name.clone(), json_of(value).into())).collect())
        }
        ColumnValue::Stages(stages) => {
            object(stages.iter().map(|stage| (stage.name.clone(), stage_of(stage))).collect())
        }
    }
}

pub(crate) fn field<'a>(call: &'a FinishedCall, name: &str) -> Option<&'a FieldValue> {
    call.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
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

pub(crate) fn json_of(value: &FieldValue) -> Value {
    match value {
        FieldValue::Bool(value) => json!(value),
        FieldValue::Int(value) => json!(value),
        FieldValue::Float(value) => json!(value),
        FieldValue::Text(value) => json!(value),
    }
}

/// Columns that identify a sample.
const SAMPLE_KEYS: [&str; 7] = ["time", "entity", "gpu", "uuid", "name", "mig", "pid"];

/// Returns the names of the columns of a sample.
pub(crate) fn vitals_names() -> impl Iterator<Item = &'static str> {
    SAMPLE_KEYS.into_iter().chain(vitals_columns())
}

pub(crate) fn vitals(sample: &VitalsSample) -> Row {
    let (entity, gpu, pid) = match &sample.entity {
        Entity::Host => ("host", None, None),
        Entity::Process { pid } => ("process", None, Some(*pid)),
        Entity::Gpu(gpu) => ("gpu", Some(gpu.clone()), None),
        Entity::GpuProcess { gpu, pid } => {
            // All other processes together are 0, as in the store's view.
            ("gpu_process", Some(GpuName { gpu: gpu.clone(), ..GpuName::default() }), Some(pid.unwrap_or(0)))
        }
    };
    let GpuName { gpu, uuid, name, mig } = gpu.unwrap_or_default();
    let text = |text: String| if text.is_empty() { Value::Null } else { json!(text) };
    let time = json!(format_rfc3339(sample.unix_nanos));
    let keys = [time, json!(entity), text(gpu), text(uuid), text(name), text(mig), json!(pid)];
    let keys = SAMPLE_KEYS.into_iter().zip(keys);
    let values = vitals_columns().map(|column| (column, json!(sample.value(column))));
    Row(keys.chain(values).map(|(name, value)| (name, value.into())).collect())
}

/// Formats a record without its line end.
pub(crate) fn csv_line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let quoted = |cell: &str| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    };
    cells.into_iter().map(quoted).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Paint;

    #[test]
    fn cells_with_separators_are_quoted() {
        let cells = ["a", "b,c", "say \"so\"", "two\nlines", ""];
        assert_eq!(csv_line(cells), "a,\"b,c\",\"say \"\"so\"\"\",\"two\nlines\",");
    }

    #[test]
    fn cells_like_formulas_and_hidden_characters_are_harmless() {
        let cells = [
            json!("=1+1"),
            json!("+1"),
            json!("-x"),
            json!("@a"),
            json!("＝a"),
            json!(" \u{feff}=a"),
            json!(-1.5),
            json!("a\n\u{1b}\u{9b}\u{e0041}"),
        ];
        let row = Row(cells.into_iter().map(|cell| ("name", cell.into())).collect());
        let on = |is_terminal| row.csv(Terminal { is_terminal, paint: Paint::default() });
        assert_eq!(on(false), "'=1+1,'+1,'-x,'@a,'＝a,' \u{feff}=a,-1.5,\"a\n\u{1b}\u{9b}\u{e0041}\"");
        assert_eq!(on(true), r"'=1+1,'+1,'-x,'@a,'＝a,' \u{feff}=a,-1.5,a\n\u{1b}\u{9b}\u{e0041}");
    }
}
