//! Tables with checksums beside those of records and samples.

use std::ops::ControlFlow;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row};

use super::checksum::{CHECKSUM, Checksum, check_row};
use super::table::{SchemaObject, edit_trigger};
use crate::error::is_damage;
use crate::scan::Scan;
use crate::sql::{places, run};

/// A table whose rows have a checksum of these columns, the key first.
#[derive(Debug)]
pub(crate) struct CheckedTable {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [&'static str],
}

pub(crate) static CALL_SERIES: CheckedTable =
    CheckedTable { name: "call_series", columns: &["id", "operation", "labels"] };
pub(crate) static ORIGINS: CheckedTable =
    CheckedTable { name: "origins", columns: &["id", "version", "instance"] };
pub(crate) static GPUS: CheckedTable =
    CheckedTable { name: "gpus", columns: &["id", "gpu", "uuid", "name", "mig"] };
pub(crate) static SEGMENT_CURSORS: CheckedTable =
    CheckedTable { name: "segment_cursors", columns: &["segment", "position"] };
pub(crate) static STATE: CheckedTable = CheckedTable { name: "state", columns: &["name", "value"] };
pub(crate) static SINK_CURSORS: CheckedTable = CheckedTable {
    name: "sink_cursors",
    columns: &[
        "sink",
        "kinds",
        "start",
        "cursor",
        "passed",
        "delivered",
        "rejected_refused",
        "rejected_too_large",
        "rejected_empty",
        "dropped_retention",
        "dropped_damage",
        "dropped_erased",
    ],
};
/// All tables of this form.
pub(super) static CHECKED: [&CheckedTable; 6] =
    [&CALL_SERIES, &ORIGINS, &GPUS, &SEGMENT_CURSORS, &STATE, &SINK_CURSORS];

impl CheckedTable {
    /// Returns the names of the columns and of the checksum: the order of [`Self::check`].
    pub(crate) fn names(&self) -> String {
        format!("{}, {}", self.columns.join(", "), CHECKSUM.0)
    }

    /// Returns a statement that selects rows for [`Self::check`].
    pub(crate) fn select(&self, condition: &str) -> String {
        format!("SELECT {} FROM {} {condition}", self.names(), self.name)
    }

    /// Checks a row.
    ///
    /// # Errors
    /// When the row differs from what was written.
    pub(crate) fn check(&self, row: &Row<'_>) -> rusqlite::Result<()> {
        check_row(row, self.columns.len())
    }

    /// Returns the sound row of a key, as `read` reads it; `None` without one.
    pub(crate) fn find<T>(
        &self,
        connection: &Connection,
        key: impl Into<Value>,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        let (key, columns) = (key.into(), self.columns);
        let select = self.select(&format!("WHERE {} = ?1", columns[0]));
        let mut statement = connection.prepare_cached(&select)?;
        match statement.query_row([&key], |row| self.check(row).and_then(|()| read(row))) {
            Err(error) if !is_damage(&error) => return Err(error),
            Ok(found) => return Ok(Some(found)),
            _ => {}
        }
        // The damaged key of another row may have misled the search.
        let mut found = None;
        self.visit(connection, |row| {
            if row.get_ref(0)? == ValueRef::from(&key) {
                found = read(row).ok();
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Visits the sound rows in the order of the table.
    pub(crate) fn visit(
        &self,
        connection: &Connection,
        mut visit: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        Scan::all(&self.select(""), self.columns[0]).visit(connection, |row| {
            if let Some(row) = row.filter(|row| self.check(row).is_ok()) {
                visit(row)?;
            }
            Ok(ControlFlow::Continue(None))
        })
    }

    /// Writes a row in the place of the one with the same key.
    pub(crate) fn replace(&self, connection: &Connection, mut values: Vec<Value>) -> rusqlite::Result<()> {
        values.push(Checksum::of(&values).into());
        let (name, names, places) = (self.name, self.names(), places(values.len()));
        let insert = format!("INSERT OR REPLACE INTO {name} ({names}) VALUES ({places})");
        run(connection, &insert, rusqlite::params_from_iter(values)).map(drop)
    }

    pub(super) fn trigger(&self) -> SchemaObject {
        let columns = format!(" OF {}", self.columns.join(", "));
        edit_trigger(self.name, &self.columns[..1], &columns)
    }
}
