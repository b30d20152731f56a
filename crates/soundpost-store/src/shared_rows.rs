//! Rows that many records share, each stored once: the series of calls (operation and labels), and the origins of
//! records (version and instance).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, Params, Row, Transaction, params};
use soundpost_core::{FinishedCall, RecordOrigin};

use crate::error::is_damage;
use crate::schema::{labels_text, read_json, read_labels};
use crate::sql::{first, run, whole};

/// Operation of calls whose series cannot be read.
const UNKNOWN: &str = "unknown";
/// Maximum number of rows of a table that the writer caches; a service has tens.
const CACHED: usize = 4096;

/// Ids of shared rows, as the writer caches them.
#[derive(Debug)]
pub(crate) struct SharedIds {
    series: TableIds,
    origins: TableIds,
}

impl Default for SharedIds {
    fn default() -> Self {
        Self { series: TableIds::new("call_series"), origins: TableIds::new("origins") }
    }
}

impl SharedIds {
    /// Returns the id of the series of a call that is stored next.
    pub(crate) fn series(
        &mut self,
        transaction: &Transaction<'_>,
        call: &FinishedCall,
        sequence: u64,
    ) -> rusqlite::Result<i64> {
        let labels = call.labels.iter().flat_map(|(name, value)| [name, value]);
        let texts = std::iter::once(&call.operation).chain(labels);
        self.series.id(texts, sequence, || {
            let find = "SELECT id FROM call_series WHERE operation = ?1 AND labels = ?2";
            let insert = "INSERT INTO call_series (operation, labels, last) VALUES (?1, ?2, 0)";
            find_or_insert(transaction, find, insert, params![call.operation, labels_text(&call.labels)])
        })
    }

    /// Returns the id of the origin of a record that is stored next; `None` without an origin.
    pub(crate) fn origin(
        &mut self,
        transaction: &Transaction<'_>,
        origin: Option<&RecordOrigin>,
        sequence: u64,
    ) -> rusqlite::Result<Option<i64>> {
        let Some(RecordOrigin { version, instance }) = origin else { return Ok(None) };
        let id = self.origins.id([version, instance], sequence, || {
            let find = "SELECT id FROM origins WHERE version = ?1 AND instance = ?2";
            let insert = "INSERT INTO origins (version, instance, last) VALUES (?1, ?2, 0)";
            find_or_insert(transaction, find, insert, [version, instance])
        });
        id.map(Some)
    }

    /// Stores the newest record of each row of the batch.
    pub(crate) fn finish(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        self.series.finish(transaction)?;
        self.origins.finish(transaction)
    }

    /// Clears the cache after a failed transaction or a step of retention.
    pub(crate) fn clear(&mut self) {
        self.series.clear();
        self.origins.clear();
    }
}

/// Ids of the rows of a table.
#[derive(Debug)]
struct TableIds {
    table: &'static str,
    /// Positions in `rows`, by the texts of the row.
    positions: HashMap<Vec<u8>, usize>,
    rows: Vec<CachedRow>,
    /// Positions of the rows of the current batch.
    used: Vec<usize>,
    key: Vec<u8>,
}

#[derive(Debug)]
struct CachedRow {
    id: i64,
    /// Sequence number of the newest record in the current batch; 0 without one.
    last: u64,
}

impl TableIds {
    fn new(table: &'static str) -> Self {
        Self { table, positions: HashMap::new(), rows: Vec::new(), used: Vec::new(), key: Vec::new() }
    }

    fn id<'t>(
        &mut self,
        texts: impl IntoIterator<Item = &'t String>,
        sequence: u64,
        find_or_insert: impl FnOnce() -> rusqlite::Result<i64>,
    ) -> rusqlite::Result<i64> {
        self.key.clear();
        for text in texts {
            self.key.extend(text.len().to_ne_bytes());
            self.key.extend(text.as_bytes());
        }
        let position = match self.positions.get(&self.key) {
            Some(position) => *position,
            None => {
                let id = find_or_insert()?;
                self.rows.push(CachedRow { id, last: 0 });
                self.positions.insert(self.key.clone(), self.rows.len() - 1);
                self.rows.len() - 1
            }
        };
        let row = &mut self.rows[position];
        if row.last == 0 {
            self.used.push(position);
        }
        row.last = sequence;
        Ok(row.id)
    }

    fn finish(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let update = format!("UPDATE {} SET last = ?2 WHERE id = ?1", self.table);
        let mut statement = transaction.prepare_cached(&update)?;
        for position in self.used.drain(..) {
            let row = &mut self.rows[position];
            statement.execute([row.id, whole(row.last)])?;
            row.last = 0;
        }
        if self.rows.len() > CACHED {
            self.clear();
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.positions.clear();
        self.rows.clear();
        self.used.clear();
    }
}

fn find_or_insert(
    transaction: &Transaction<'_>,
    find: &str,
    insert: &str,
    key: impl Params + Copy,
) -> rusqlite::Result<i64> {
    if let Some(id) = first(transaction, find, key)? {
        return Ok(id);
    }
    run(transaction, insert, key)?;
    Ok(transaction.last_insert_rowid())
}

/// Rows of a shared table by id, as a reader caches them.
struct TableRows<'a, T> {
    statement: CachedStatement<'a>,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
    cached: HashMap<i64, T>,
}

impl<'a, T: Clone> TableRows<'a, T> {
    fn new(
        connection: &'a Connection,
        select: &str,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Self> {
        Ok(Self { statement: connection.prepare_cached(select)?, read, cached: HashMap::new() })
    }

    fn get(&mut self, id: i64) -> rusqlite::Result<T> {
        match self.cached.entry(id) {
            Entry::Occupied(cached) => Ok(cached.get().clone()),
            Entry::Vacant(vacant) => Ok(vacant.insert(self.statement.query_row([id], self.read)?).clone()),
        }
    }
}

/// Operation and labels of a series.
type Series = (String, Vec<(String, String)>);

/// The shared rows of records that are read.
pub(crate) struct SharedRows<'a> {
    series: TableRows<'a, Series>,
    origins: TableRows<'a, Arc<RecordOrigin>>,
}

impl<'a> SharedRows<'a> {
    pub(crate) fn new(connection: &'a Connection) -> rusqlite::Result<Self> {
        let series = "SELECT operation, labels FROM call_series WHERE id = ?1";
        let origin = "SELECT version, instance FROM origins WHERE id = ?1";
        Ok(Self {
            series: TableRows::new(connection, series, |row| {
                let labels = read_json(row.get_ref(1)?, read_labels).unwrap_or_default();
                Ok((row.get(0).unwrap_or_else(|_| UNKNOWN.to_owned()), labels))
            })?,
            origins: TableRows::new(connection, origin, |row| {
                Ok(Arc::new(RecordOrigin { version: row.get(0)?, instance: row.get(1)? }))
            })?,
        })
    }

    /// Returns the series of a call, whose operation is [`UNKNOWN`] where it is damaged.
    pub(crate) fn series(&mut self, id: i64) -> rusqlite::Result<Series> {
        match self.series.get(id) {
            Err(error) if is_damage(&error) => Ok((UNKNOWN.to_owned(), Vec::new())),
            series => series,
        }
    }

    /// Returns the origin of a record; `None` in records of older builds, and where it is damaged.
    pub(crate) fn origin(&mut self, id: Option<i64>) -> rusqlite::Result<Option<Arc<RecordOrigin>>> {
        match id.map(|id| self.origins.get(id)).transpose() {
            Err(error) if is_damage(&error) => Ok(None),
            origin => origin,
        }
    }
}
