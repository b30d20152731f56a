//! Tables that follow from their columns: creation, missing columns, views.

use std::sync::OnceLock;

use rusqlite::{Connection, Row, Statement};
use soundpost_core::{FinishedCall, LogEvent};

use super::column::RecordColumn;
use super::columns::{CALL_COLUMNS, EVENT_COLUMNS};
use crate::sql::places;

/// A table and its view, as SQL.
pub(super) struct Definition {
    pub(super) table: &'static str,
    /// Names and types of columns that identify a row.
    pub(super) keys: &'static [(&'static str, &'static str)],
    /// Names and types of the other columns.
    pub(super) columns: Vec<(&'static str, &'static str)>,
    /// Constraints and options after the columns.
    pub(super) end: String,
    pub(super) view: &'static str,
    pub(super) select: String,
}

impl Definition {
    /// Returns the statement that creates the table.
    pub(super) fn create(&self) -> String {
        let columns = self.keys.iter().chain(&self.columns);
        let columns: Vec<String> = columns.map(|(name, sql_type)| format!("{name} {sql_type}")).collect();
        format!("CREATE TABLE {} ({}{}", self.table, columns.join(", "), self.end)
    }

    /// Returns the columns that a file lacks, with their types.
    pub(super) fn missing(
        &self,
        connection: &Connection,
    ) -> rusqlite::Result<Vec<(&'static str, &'static str)>> {
        let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let names = statement.query_map([self.table], |row| row.get(0))?;
        let names: Vec<String> = names.collect::<rusqlite::Result<_>>()?;
        let all = self.keys.iter().chain(&self.columns);
        Ok(all.filter(|(column, _)| !names.iter().any(|name| name == column)).copied().collect())
    }

    /// Returns the statement that creates the view, as SQLite keeps it.
    pub(super) fn create_view(&self) -> String {
        format!("CREATE VIEW {} AS {}", self.view, self.select)
    }
}

/// Table of calls or of log events.
pub(crate) struct RecordTable<R: 'static> {
    name: &'static str,
    keys: &'static [(&'static str, &'static str)],
    columns: &'static [RecordColumn<R>],
    view: &'static str,
    /// Tables that the view reads.
    from: &'static str,
    insertion: OnceLock<String>,
}

pub(crate) static CALLS: RecordTable<FinishedCall> = RecordTable {
    name: "stored_calls",
    keys: &[
        ("sequence", "INTEGER PRIMARY KEY"),
        ("ordinal", "INTEGER NOT NULL"),
        ("series", "INTEGER NOT NULL"),
    ],
    columns: CALL_COLUMNS,
    view: "calls",
    from: "stored_calls JOIN call_series ON call_series.id = series",
    insertion: OnceLock::new(),
};

pub(crate) static EVENTS: RecordTable<LogEvent> = RecordTable {
    name: "stored_events",
    keys: &[("sequence", "INTEGER PRIMARY KEY"), ("ordinal", "INTEGER NOT NULL")],
    columns: EVENT_COLUMNS,
    view: "events",
    from: "stored_events",
    insertion: OnceLock::new(),
};

impl<R> RecordTable<R> {
    pub(super) fn definition(&self) -> Definition {
        let shown: Vec<String> = self.columns.iter().filter_map(RecordColumn::in_view_text).collect();
        Definition {
            table: self.name,
            keys: self.keys,
            columns: self.columns.iter().filter_map(|column| column.stored).collect(),
            end: ") STRICT".to_owned(),
            view: self.view,
            select: format!("SELECT {} FROM {}", shown.join(", "), self.from),
        }
    }

    /// Returns the names of the table's columns, keys first: the order of [`Self::insert`] and [`Self::read`].
    pub(crate) fn names(&self) -> String {
        let columns = self.columns.iter().filter_map(|column| column.stored);
        let names: Vec<&str> = self.keys.iter().copied().chain(columns).map(|(name, _)| name).collect();
        names.join(", ")
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
        keys: &[i64],
        record: &R,
    ) -> rusqlite::Result<()> {
        for (place, key) in (1..).zip(keys) {
            statement.raw_bind_parameter(place, key)?;
        }
        let stored = self.columns.iter().filter(|column| column.stored.is_some());
        for (place, column) in (1 + self.keys.len()..).zip(stored) {
            statement.raw_bind_parameter(place, (column.store)(record))?;
        }
        statement.raw_execute().map(drop)
    }

    /// Reads the columns of a row after its keys.
    pub(crate) fn read(&self, row: &Row<'_>, record: &mut R) -> rusqlite::Result<()> {
        let stored = self.columns.iter().filter(|column| column.stored.is_some());
        for (place, column) in (self.keys.len()..).zip(stored) {
            (column.load)(record, row.get_ref(place)?)?;
        }
        Ok(())
    }
}
