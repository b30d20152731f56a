//! Scans of a table that continue behind damaged rows.

use std::ops::ControlFlow;

use rusqlite::{Connection, Row, params_from_iter};

use crate::error::is_damage;
use crate::sql::whole;

/// Number of consecutive unreadable rows from which on the page counts as unreadable.
const UNREADABLE_ROWS: i64 = 128;
/// Maximum distance in sequence numbers to the next readable page.
const JUMP: i64 = 1 << 40;

/// A statement whose rows are visited in the order of the file. Its last parameter is an offset.
pub(crate) struct Scan {
    sql: String,
    bounds: Vec<i64>,
    /// Direction in which the first bound moves behind an unreadable page; 0 if it does not.
    direction: i64,
}

impl Scan {
    /// Scans a table of records behind a sequence number, in ascending order.
    pub(crate) fn after(table: &str, columns: &str, sequence: u64) -> Self {
        let sql = format!("SELECT {columns} FROM {table} WHERE sequence > ?1 ORDER BY sequence");
        // A damaged number in the first page misleads the search for 0.
        Self::new(sql, vec![if sequence == 0 { i64::MIN } else { whole(sequence) }], 1)
    }

    /// Scans a table of records from a sequence number on, in descending order.
    pub(crate) fn back(table: &str, columns: &str, sequence: u64) -> Self {
        let sql = format!("SELECT {columns} FROM {table} WHERE sequence <= ?1 ORDER BY sequence DESC");
        Self::new(sql, vec![whole(sequence)], -1)
    }

    /// Scans all rows of a statement without conditions, in this order.
    pub(crate) fn all(select: &str, order: &str) -> Self {
        Self::from(format!("{select} WHERE ?1 = 0 ORDER BY {order}"), 0)
    }

    /// Scans a statement from this bound on.
    pub(crate) fn from(sql: String, bound: i64) -> Self {
        Self::new(sql, vec![bound], 0)
    }

    fn new(sql: String, bounds: Vec<i64>, direction: i64) -> Self {
        Self { sql: format!("{sql} LIMIT -1 OFFSET ?{}", bounds.len() + 1), bounds, direction }
    }

    /// Visits each row, `None` for a row that SQLite cannot read. `visit` returns the sequence number of a sound row.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub(crate) fn visit(
        mut self,
        connection: &Connection,
        mut visit: impl FnMut(Option<&Row<'_>>) -> rusqlite::Result<ControlFlow<(), Option<u64>>>,
    ) -> rusqlite::Result<()> {
        let (mut offset, mut unreadable, mut has_rows, mut last) = (0, 0, false, self.bounds[0].max(0));
        let mut statement = connection.prepare_cached(&self.sql)?;
        loop {
            let mut rows = statement.query(params_from_iter(self.bounds.iter().chain([&offset])))?;
            let failure = loop {
                let row = match rows.next() {
                    Ok(row) => row,
                    Err(error) => break error,
                };
                // The rows before this one exist, so their page is readable.
                for _ in 0..std::mem::take(&mut unreadable) {
                    if visit(None)?.is_break() {
                        return Ok(());
                    }
                }
                let Some(row) = row else { return Ok(()) };
                let ControlFlow::Continue(sequence) = visit(Some(row))? else { return Ok(()) };
                (offset, has_rows) = (offset + 1, true);
                last = sequence.map_or(last, whole);
                if self.direction > 0 && offset >= UNREADABLE_ROWS && last > self.bounds[0] {
                    (self.bounds[0], offset) = (last, 0);
                }
            };
            if !is_damage(&failure) {
                return Err(failure);
            }
            drop(rows);
            (offset, unreadable) = (offset + 1, unreadable + 1);
            if unreadable < UNREADABLE_ROWS {
                continue;
            }
            match self.next_readable(connection, last) {
                Some(bound) if bound.saturating_sub(self.bounds[0]).signum() == self.direction => {
                    (self.bounds[0], offset, unreadable) = (bound, 0, 0)
                }
                _ if has_rows => return Ok(()),
                _ => return Err(failure),
            }
        }
    }

    /// Returns the bound nearest to the last sound record that leads to a readable page.
    fn next_readable(&self, connection: &Connection, last: i64) -> Option<i64> {
        let bound = |distance: i64| last.saturating_add(self.direction * distance);
        let is_readable = |distance: i64| {
            let mut statement = connection.prepare_cached(&self.sql).ok()?;
            let mut rows = statement.query([bound(distance), 0]).ok()?;
            rows.next().ok().map(drop)
        };
        let mut far = 1;
        while self.direction != 0 && far < JUMP && is_readable(far).is_none() {
            far *= 2;
        }
        let mut near = far / 2;
        while far - near > 1 {
            let middle = near + (far - near) / 2;
            *(if is_readable(middle).is_some() { &mut far } else { &mut near }) = middle;
        }
        (self.direction != 0 && far < JUMP).then(|| bound(far))
    }
}
