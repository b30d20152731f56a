//! Erasing the records of a request or a person. An erased record keeps its number and its time, so that the cursors of
//! sinks stay right.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, TransactionBehavior};
use serde_json::{Map, Value as Json};
use soundpost_core::{FieldValue, FinishedCall, LogEvent};

use crate::cursor::{Sequence, SinkRow};
use crate::record_rows::{sound_calls, sound_events};
use crate::schema::{
    CALL_COLUMNS, CALLS, ColumnValue, ERASED_PID, EVENT_COLUMNS, EVENTS, Place, RecordColumn,
};
use crate::sql::{count, first, run, whole};

/// Maximum number of records that one transaction erases, which takes some milliseconds.
const STEP_ROWS: usize = 512;

/// Selection of the records to erase: those with one of the request ids, and those that have all of the values, with all
/// records of the same request ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Request ids. An empty one selects nothing.
    pub request_ids: BTreeSet<String>,
    /// Values by the name of a column, a label or a field. Without any, nothing is selected by values.
    pub values: Vec<(String, String)>,
}

/// Erased records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Number of calls.
    pub calls: u64,
    /// Number of log events.
    pub events: u64,
    /// The request ids of the selection and of the records that have its values.
    pub request_ids: BTreeSet<String>,
    /// Damaged records, which cannot be searched.
    pub damaged: u64,
    /// The numbers of records that each sink may have shipped.
    pub shipped: BTreeMap<String, u64>,
}

impl Selection {
    /// Returns whether a JSON object of a call or log event is selected: its values by name, also those of its labels and
    /// fields.
    pub fn selects_object(&self, object: &Map<String, Json>) -> bool {
        let request_id = object.get("request_id").and_then(Json::as_str).unwrap_or_default();
        self.has_id(request_id)
            || self.has_values(|name, value| {
                let nested = |part: &str| {
                    let name = inner(name, part);
                    object
                        .get(part)
                        .and_then(|part| part.get(name))
                        .is_some_and(|found| is_equal(found, value))
                };
                object.get(name).is_some_and(|found| is_equal(found, value))
                    || PARTS.iter().any(|part| nested(part))
            })
    }

    /// Returns whether a line of JSON is selected.
    pub fn selects_line(&self, line: &[u8]) -> bool {
        serde_json::from_slice(line).is_ok_and(|object| self.selects_object(&object))
    }

    fn has_id(&self, request_id: &str) -> bool {
        !request_id.is_empty() && self.request_ids.contains(request_id)
    }

    fn has_values(&self, has: impl Fn(&str, &str) -> bool) -> bool {
        !self.values.is_empty() && self.values.iter().all(|(name, value)| has(name, value))
    }

    fn selects<R>(&self, columns: &[RecordColumn<R>], record: &R, request_id: &str) -> bool {
        self.has_id(request_id) || self.has_values(|name, value| has(columns, record, name, value))
    }

    /// Adds the request ids of the records that have the values.
    fn complete(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.values.is_empty() {
            return Ok(());
        }
        let mut ids = BTreeSet::new();
        sound_calls(connection, |row| {
            let is_wanted = self.selects(CALL_COLUMNS, &row.call, "");
            ids.extend(is_wanted.then_some(row.call.request_id));
        })?;
        sound_events(connection, |row| {
            let is_wanted = self.selects(EVENT_COLUMNS, &row.event, "");
            ids.extend(is_wanted.then_some(row.event.request_id));
        })?;
        self.request_ids.extend(ids.into_iter().filter(|id| !id.is_empty()));
        Ok(())
    }
}

/// Returns a name of the command line within a part, such as `user` for `fields.user`.
fn inner<'n>(name: &'n str, part: &str) -> &'n str {
    name.strip_prefix(part).and_then(|name| name.strip_prefix('.')).unwrap_or(name)
}

/// Names of the columns with labels and fields.
const PARTS: [&str; 2] = ["labels", "fields"];

fn is_equal(found: &Json, value: &str) -> bool {
    match found {
        Json::String(text) => text == value,
        Json::Number(number) => is_number(number.as_f64(), value) || number.to_string() == value,
        Json::Bool(truth) => truth.to_string() == value,
        _ => false,
    }
}

fn is_number(found: Option<f64>, value: &str) -> bool {
    value.parse().is_ok_and(|value: f64| found == Some(value))
}

/// Returns whether a record has a value under a name of its columns, labels or fields.
fn has<R>(columns: &[RecordColumn<R>], record: &R, name: &str, value: &str) -> bool {
    columns.iter().filter(|column| column.is_in(Place::Lines)).any(|column| {
        let is_own = column.name() == name;
        let inner = inner(name, column.name());
        match column.value(record) {
            ColumnValue::Labels(labels) => labels.iter().any(|(label, text)| label == inner && text == value),
            ColumnValue::Fields(fields) => {
                fields.iter().any(|(field, found)| field == inner && is_field(found, value))
            }
            ColumnValue::Text(text) => is_own && text == value,
            ColumnValue::Int(number) => is_own && number.to_string() == value,
            ColumnValue::Float(number) => is_own && is_number(Some(number), value),
            ColumnValue::Bool(truth) => is_own && truth.to_string() == value,
            ColumnValue::None | ColumnValue::Time(_) | ColumnValue::Stages(_) => false,
        }
    })
}

fn is_field(found: &FieldValue, value: &str) -> bool {
    match found {
        FieldValue::Text(text) => text == value,
        FieldValue::Int(number) => number.to_string() == value,
        FieldValue::Float(number) => is_number(Some(*number), value),
        FieldValue::Bool(truth) => truth.to_string() == value,
    }
}

/// Selected records: sequence number and time of each.
#[derive(Default)]
pub(crate) struct Found {
    calls: Vec<(u64, u64)>,
    events: Vec<(u64, u64)>,
    pub(crate) erased: Erased,
}

/// Finds the selected records.
pub(crate) fn find(connection: &Connection, selection: &Selection) -> rusqlite::Result<Found> {
    let transaction = connection.unchecked_transaction()?;
    let (mut found, mut selection) = (Found::default(), selection.clone());
    selection.complete(&transaction)?;
    found.erased.damaged = sound_calls(&transaction, |row| {
        let is_wanted = selection.selects(CALL_COLUMNS, &row.call, &row.call.request_id);
        found.calls.extend(is_wanted.then_some((row.sequence, row.call.ended_unix)));
    })?;
    found.erased.damaged += sound_events(&transaction, |row| {
        let is_wanted = selection.selects(EVENT_COLUMNS, &row.event, &row.event.request_id);
        found.events.extend(is_wanted.then_some((row.sequence, row.event.unix_nanos)));
    })?;
    found.erased.calls = found.calls.len() as u64;
    found.erased.events = found.events.len() as u64;
    found.erased.request_ids = selection.request_ids;
    for sink in SinkRow::all(&transaction)? {
        let [calls, events, _] = sink.kinds.each();
        let records = found.calls.iter().filter(|_| calls).chain(found.events.iter().filter(|_| events));
        let mut shipped = 0;
        for (sequence, _) in records.filter(|(sequence, _)| *sequence <= sink.cursor) {
            let position = Sequence::through(&transaction, *sequence)?.count(sink.kinds);
            shipped += u64::from(position > sink.start);
        }
        found.erased.shipped.insert(sink.sink, shipped);
    }
    Ok(found)
}

impl Found {
    /// Returns the records as steps of a bounded duration.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let calls = self.calls.chunks(STEP_ROWS).map(Step::Calls);
        calls.chain(self.events.chunks(STEP_ROWS).map(Step::Events))
    }
}

/// Records that one transaction erases.
pub(crate) enum Step<'a> {
    Calls(&'a [(u64, u64)]),
    Events(&'a [(u64, u64)]),
}

impl Step<'_> {
    /// Erases the records. Adds the series of the calls.
    pub(crate) fn run(
        &self,
        connection: &mut Connection,
        series: &mut BTreeSet<i64>,
    ) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let ordinal = |table: &str, sequence: u64| {
            let ordinal = format!("SELECT ordinal FROM {table} WHERE sequence = ?1 AND ordinal > 0");
            Ok::<_, rusqlite::Error>(first(&transaction, &ordinal, [whole(sequence)])?.map(count))
        };
        match self {
            Self::Calls(calls) => {
                for (sequence, ended_unix) in *calls {
                    let Some(ordinal) = ordinal(CALLS.name(), *sequence)? else { continue };
                    let found = "SELECT series FROM stored_calls WHERE sequence = ?1";
                    series.extend(first::<i64>(&transaction, found, [whole(*sequence)])?);
                    let erased =
                        FinishedCall { ended_unix: *ended_unix, pid: ERASED_PID, ..FinishedCall::default() };
                    CALLS.erase(&transaction, [*sequence, ordinal], &erased)?;
                }
            }
            Self::Events(events) => {
                for (sequence, unix_nanos) in *events {
                    let Some(ordinal) = ordinal(EVENTS.name(), *sequence)? else { continue };
                    let erased = LogEvent { unix_nanos: *unix_nanos, pid: ERASED_PID, ..LogEvent::default() };
                    EVENTS.erase(&transaction, [*sequence, ordinal], &erased)?;
                }
            }
        }
        transaction.commit()
    }
}

/// Removes series that no call has. The search for their calls holds no lock of the writer.
pub(crate) fn remove_unused(connection: &mut Connection, mut series: BTreeSet<i64>) -> rusqlite::Result<()> {
    let searched = first::<Option<i64>>(connection, "SELECT max(sequence) FROM stored_calls", [])?.flatten();
    let used: BTreeSet<i64> = connection
        .prepare("SELECT DISTINCT series FROM stored_calls")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    series.retain(|series| !used.contains(series));
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for series in series {
        let unused = "DELETE FROM call_series WHERE id = ?1 \
            AND NOT EXISTS (SELECT 1 FROM stored_calls WHERE sequence > ?2 AND series = ?1)";
        run(&transaction, unused, [series, searched.unwrap_or(0)])?;
    }
    transaction.commit()
}
