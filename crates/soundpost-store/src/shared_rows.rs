//! Rows that many records share, each stored once: the series of calls (operation and labels), and the origins of
//! records (version and instance).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, Transaction, params_from_iter};
use soundpost_core::{FinishedCall, RecordOrigin};

use crate::error::is_damage;
use crate::schema::{
    CALL_SERIES, CheckedTable, Checksum, GPUS, ORIGINS, labels_text, read_json, read_labels,
};
use crate::sql::{first, places, run, whole};

/// Operation of calls whose series is damaged, and index of a GPU whose row is.
pub(crate) const UNKNOWN: &str = "unknown";
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
            SERIES_ROWS.id(transaction, &[&call.operation, &labels_text(&call.labels)])
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
        let id = self
            .origins
            .id([version, instance], sequence, || ORIGIN_ROWS.id(transaction, &[version, instance]));
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

/// A table of rows that are found by their texts.
pub(crate) struct TextRows {
    table: &'static CheckedTable,
    /// Whether rows have the sequence number of their newest record.
    has_last: bool,
}

const SERIES_ROWS: TextRows = TextRows { table: &CALL_SERIES, has_last: true };
const ORIGIN_ROWS: TextRows = TextRows { table: &ORIGINS, has_last: true };
pub(crate) const GPU_ROWS: TextRows = TextRows { table: &GPUS, has_last: false };

impl TextRows {
    /// Returns the id of the row with these texts, which is inserted if no sound row has them.
    pub(crate) fn id(&self, transaction: &Transaction<'_>, texts: &[&String]) -> rusqlite::Result<i64> {
        if let Some(id) = self.find(transaction, texts)? {
            return Ok(id);
        }
        match self.insert(transaction, texts) {
            // The index has the texts of a damaged row.
            Err(error) if is_damage(&error) => {
                transaction.execute_batch(&format!("REINDEX {}", self.table.name))?;
                self.find(transaction, texts)?.map_or_else(|| self.insert(transaction, texts), Ok)
            }
            inserted => inserted,
        }
    }

    /// Returns the id that the index has for these texts, if the row has them as well.
    fn find(&self, transaction: &Transaction<'_>, texts: &[&String]) -> rusqlite::Result<Option<i64>> {
        let CheckedTable { name, columns } = self.table;
        let texts_are: Vec<_> = columns
            .iter()
            .skip(1)
            .enumerate()
            .map(|(place, column)| format!("{column} = ?{}", place + 1))
            .collect();
        let indexed = format!("SELECT id FROM {name} WHERE {}", texts_are.join(" AND "));
        let Some(id) = first::<i64>(transaction, &indexed, params_from_iter(texts))? else { return Ok(None) };
        let is_equal = |row: &Row<'_>| {
            let mut equal =
                texts.iter().enumerate().map(|(place, text)| Ok(row.get_ref(place + 1)?.as_str()? == *text));
            equal.try_fold(true, |all, equal: rusqlite::Result<bool>| Ok(all && equal?))
        };
        Ok(self.table.find(transaction, id, is_equal)?.and_then(|is_equal| is_equal.then_some(id)))
    }

    fn insert(&self, transaction: &Transaction<'_>, texts: &[&String]) -> rusqlite::Result<i64> {
        let CheckedTable { name, .. } = self.table;
        let next = format!("SELECT coalesce(max(id), 0) + 1 FROM {name}");
        let id = first::<i64>(transaction, &next, [])?.unwrap_or(1);
        let mut values = vec![Value::Integer(id)];
        values.extend(texts.iter().map(|text| Value::Text((*text).clone())));
        values.push(Checksum::of(&values).into());
        let (last, zero) = if self.has_last { (", last", ", 0") } else { ("", "") };
        let (names, places) = (self.table.names(), places(values.len()));
        let insert = format!("INSERT INTO {name} ({names}{last}) VALUES ({places}{zero})");
        run(transaction, &insert, params_from_iter(values)).map(|_| id)
    }
}

/// Rows of a shared table by id, as a reader caches them.
pub(crate) struct TableRows<'a, T> {
    connection: &'a Connection,
    table: &'static CheckedTable,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
    damaged: T,
    cached: HashMap<i64, T>,
}

impl<'a, T: Clone> TableRows<'a, T> {
    /// Creates a cache; rows that are damaged or missing are read as `damaged`.
    pub(crate) fn new(
        connection: &'a Connection,
        table: &'static CheckedTable,
        damaged: T,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Self {
        Self { connection, table, read, damaged, cached: HashMap::new() }
    }

    pub(crate) fn get(&mut self, id: i64) -> rusqlite::Result<T> {
        match self.cached.entry(id) {
            Entry::Occupied(cached) => Ok(cached.get().clone()),
            Entry::Vacant(vacant) => {
                let row = self.table.find(self.connection, id, self.read)?;
                Ok(vacant.insert(row.unwrap_or_else(|| self.damaged.clone())).clone())
            }
        }
    }
}

/// Operation and labels of a series.
type Series = (String, Vec<(String, String)>);

/// The shared rows of records that are read.
pub(crate) struct SharedRows<'a> {
    series: TableRows<'a, Series>,
    origins: TableRows<'a, Option<Arc<RecordOrigin>>>,
}

impl<'a> SharedRows<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        let unknown = (UNKNOWN.to_owned(), Vec::new());
        Self {
            series: TableRows::new(connection, &CALL_SERIES, unknown, |row| {
                Ok((row.get(1)?, read_json(row.get_ref(2)?, read_labels)?))
            }),
            origins: TableRows::new(connection, &ORIGINS, None, |row| {
                Ok(Some(Arc::new(RecordOrigin { version: row.get(1)?, instance: row.get(2)? })))
            }),
        }
    }

    /// Returns the series of a call, whose operation is [`UNKNOWN`] where it is damaged.
    pub(crate) fn series(&mut self, id: i64) -> rusqlite::Result<Series> {
        self.series.get(id)
    }

    /// Returns the origin of a record; `None` in records of older builds, and where it is damaged.
    pub(crate) fn origin(&mut self, id: Option<i64>) -> rusqlite::Result<Option<Arc<RecordOrigin>>> {
        id.map_or(Ok(None), |id| self.origins.get(id))
    }
}
