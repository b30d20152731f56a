//! Tables that follow from their columns: creation, missing columns, views.

use std::sync::OnceLock;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, Statement};
use soundpost_core::{FinishedCall, LogEvent};

use super::checksum::{CHECKSUM, Checksum};
use super::column::RecordColumn;
use super::columns::{CALL_COLUMNS, EVENT_COLUMNS, SAMPLE_TIME_COLUMNS, SampleTime};
use super::stored::NULL;
use crate::sql::{count, places, run, whole};

/// A table and its view, as SQL.
pub(super) struct Definition {
    pub(super) table: &'static str,
    /// Names and types of columns that identify a row or refer to others.
    pub(super) keys: &'static [(&'static str, &'static str)],
    /// Names and types of the other columns.
    pub(super) columns: Vec<(&'static str, &'static str)>,
    /// Number of the first keys that identify a row.
    pub(super) identifying: usize,
    /// Constraints and options after the columns.
    pub(super) end: String,
    /// Name and statement of the view.
    pub(super) view: Option<(&'static str, String)>,
}

impl Definition {
    /// Returns the statement that creates the table.
    pub(super) fn create(&self) -> String {
        let columns = self.all_columns();
        // A row whose end is lost has the default, and not NULL as a row of an older version.
        let default = |name: &str| if name == CHECKSUM.0 { " DEFAULT 0" } else { "" };
        let columns: Vec<String> =
            columns.iter().map(|(name, sql_type)| format!("{name} {sql_type}{}", default(name))).collect();
        format!("CREATE TABLE {} ({}{}", self.table, columns.join(", "), self.end)
    }

    /// Returns the names and types of all columns.
    pub(super) fn all_columns(&self) -> Vec<(&'static str, &'static str)> {
        self.keys.iter().chain(&self.columns).copied().collect()
    }

    /// Returns the names, kinds and statements of the view and the trigger, as SQLite keeps them.
    pub(super) fn objects(&self) -> Vec<SchemaObject> {
        let view = |(name, select): &(&str, String)| SchemaObject {
            name: (*name).to_owned(),
            kind: "view",
            sql: format!("CREATE VIEW {name} AS {select}"),
        };
        let keys: Vec<&str> = self.keys.iter().take(self.identifying).map(|(name, _)| *name).collect();
        self.view.iter().map(view).chain([edit_trigger(self.table, &keys, "")]).collect()
    }
}

/// A view or a trigger.
pub(super) struct SchemaObject {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) sql: String,
}

/// Returns the trigger that clears the checksum of a row that an operator edits.
pub(super) fn edit_trigger(table: &str, keys: &[&str], columns: &str) -> SchemaObject {
    let (name, checksum) = (format!("{table}_edited"), CHECKSUM.0);
    let keys: Vec<String> = keys.iter().map(|key| format!("{key} = new.{key}")).collect();
    let sql = format!(
        "CREATE TRIGGER {name} AFTER UPDATE{columns} ON {table} BEGIN \
         UPDATE {table} SET {checksum} = NULL WHERE {}; END",
        keys.join(" AND ")
    );
    SchemaObject { name, kind: "trigger", sql }
}

/// Selects rows that are not erased. No single damage hides a row, because its reader has to detect it.
pub(crate) const NOT_ERASED: &str = "(ordinal > 0 OR pid <> 4294967295)";
/// Process id of erased records.
pub(crate) const ERASED_PID: u32 = u32::MAX;
/// Column with the id of a record's origin; NULL in rows of older versions.
pub(super) const ORIGIN: (&str, &str) = ("origin", "INTEGER");

/// Columns that were added after the first build with checksums. NULL there does not count, as in rows from before.
pub(super) const ADDED: [&str; 1] = [ORIGIN.0];

/// Table of calls, of log events or of times of sampling. The ordinal of an erased record is negative.
pub(crate) struct RecordTable<R: 'static> {
    name: &'static str,
    keys: &'static [(&'static str, &'static str)],
    columns: &'static [RecordColumn<R>],
    /// Name of the view, and the tables that it reads.
    view: Option<(&'static str, &'static str)>,
    insertion: OnceLock<String>,
}

pub(crate) static CALLS: RecordTable<FinishedCall> = RecordTable {
    name: "stored_calls",
    keys: &[
        ("sequence", "INTEGER PRIMARY KEY"),
        ("ordinal", "INTEGER NOT NULL"),
        ("series", "INTEGER NOT NULL"),
        ORIGIN,
    ],
    columns: CALL_COLUMNS,
    view: Some((
        "calls",
        "stored_calls JOIN call_series ON call_series.id = series LEFT JOIN origins ON origins.id = origin",
    )),
    insertion: OnceLock::new(),
};

pub(crate) static EVENTS: RecordTable<LogEvent> = RecordTable {
    name: "stored_events",
    keys: &[("sequence", "INTEGER PRIMARY KEY"), ("ordinal", "INTEGER NOT NULL"), ORIGIN],
    columns: EVENT_COLUMNS,
    view: Some(("events", "stored_events LEFT JOIN origins ON origins.id = origin")),
    insertion: OnceLock::new(),
};

/// Times of sampling; a sink of vitals receives the samples of one time as one record.
pub(crate) static SAMPLE_TIMES: RecordTable<SampleTime> = RecordTable {
    name: "vitals_samples",
    keys: &[("sequence", "INTEGER PRIMARY KEY"), ("ordinal", "INTEGER NOT NULL"), ORIGIN],
    columns: SAMPLE_TIME_COLUMNS,
    view: None,
    insertion: OnceLock::new(),
};

impl<R> RecordTable<R> {
    pub(super) fn definition(&self) -> Definition {
        let shown: Vec<String> = self.columns.iter().filter_map(RecordColumn::in_view_text).collect();
        Definition {
            table: self.name,
            keys: self.keys,
            columns: self.stored_columns().collect(),
            identifying: 1,
            end: ") STRICT".to_owned(),
            view: self.view.map(|(name, from)| {
                (name, format!("SELECT {} FROM {from} WHERE {NOT_ERASED}", shown.join(", ")))
            }),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    fn stored_columns(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.columns.iter().filter_map(|column| column.stored).chain([CHECKSUM])
    }

    /// Returns the names of the table's columns, keys first: the order of [`Self::insert`] and [`Self::read`].
    pub(crate) fn names(&self) -> String {
        let columns = self.keys.iter().copied().chain(self.stored_columns());
        columns.map(|(name, _)| name).collect::<Vec<_>>().join(", ")
    }

    /// Returns the statement of [`Self::insert`].
    pub(crate) fn insertion(&self) -> &str {
        self.insertion.get_or_init(|| {
            let names = self.names();
            format!("INSERT INTO {} ({names}) VALUES ({})", self.name, places(names.split(',').count()))
        })
    }

    /// Writes a record under its keys.
    pub(crate) fn insert(
        &self,
        statement: &mut Statement<'_>,
        keys: &[Option<i64>],
        record: &R,
    ) -> rusqlite::Result<()> {
        let keys = self.keys.iter().zip(keys).map(|((name, _), key)| (*name, key.map_or(NULL, Into::into)));
        let stored =
            self.columns.iter().filter_map(|column| Some((column.stored?.0, (column.store)(record))));
        let (mut checksum, mut last) = (Checksum::default(), 0);
        for (name, value) in keys.chain(stored) {
            last += 1;
            add(&mut checksum, name, value_ref(&value));
            statement.raw_bind_parameter(last, value)?;
        }
        statement.raw_bind_parameter(last + 1, checksum.finish())?;
        statement.raw_execute().map(drop)
    }

    /// Writes an erased record in the place of one, so that numbers have no gaps. Only its time is left.
    pub(crate) fn erase(
        &self,
        connection: &Connection,
        [sequence, ordinal]: [u64; 2],
        erased: &R,
    ) -> rusqlite::Result<()> {
        run(connection, &format!("DELETE FROM {} WHERE sequence = ?1", self.name), [whole(sequence)])?;
        let mut keys = vec![Some(0); self.keys.len()];
        (keys[0], keys[1], keys[self.keys.len() - 1]) = (Some(whole(sequence)), Some(-whole(ordinal)), None);
        self.insert(&mut *connection.prepare_cached(self.insertion())?, &keys, erased)
    }

    /// Returns the sequence number of a row that is an erased record.
    pub(crate) fn erased(&self, row: &Row<'_>) -> Option<u64>
    where
        R: Default,
    {
        let is_erased = row.get(1).is_ok_and(|ordinal: i64| ordinal < 0);
        let read = is_erased.then(|| self.read(row, &mut R::default()).ok()).flatten();
        read.map(|([sequence, _], _)| sequence)
    }

    /// Reads a row. Returns its sequence number and ordinal, and the id of its origin.
    ///
    /// # Errors
    /// When the row differs from what was written.
    pub(crate) fn read(&self, row: &Row<'_>, record: &mut R) -> rusqlite::Result<([u64; 2], Option<i64>)> {
        let (mut checksum, mut place) = (Checksum::default(), 0);
        for (name, _) in self.keys {
            add(&mut checksum, name, row.get_ref(place)?);
            place += 1;
        }
        let origin = row.get(place - 1)?;
        for (column, (name, _)) in self.columns.iter().filter_map(|column| Some((column, column.stored?))) {
            let value = row.get_ref(place)?;
            add(&mut checksum, name, value);
            (column.load)(record, value)?;
            place += 1;
        }
        checksum.check(row, place)?;
        Ok(([count(row.get(0)?), row.get::<_, i64>(1)?.unsigned_abs()], origin))
    }
}

fn value_ref<'a>(value: &'a ToSqlOutput<'_>) -> ValueRef<'a> {
    match value {
        ToSqlOutput::Borrowed(value) => *value,
        ToSqlOutput::Owned(value) => ValueRef::from(value),
        _ => ValueRef::Null,
    }
}

/// Adds the value of a column.
fn add(checksum: &mut Checksum, column: &str, value: ValueRef<'_>) {
    if value != ValueRef::Null || !ADDED.contains(&column) {
        checksum.add(value);
    }
}
