//! Call series: the operation and the labels that many calls share, stored once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::{CachedStatement, Connection, Transaction, params};
use soundpost_core::FinishedCall;

use crate::schema::{labels_text, read_json, read_labels};
use crate::sql::{first, run, whole};

/// Maximum number of series that the writer caches; a service has tens.
const CACHED: usize = 4096;

/// Ids of series, as the writer caches them.
#[derive(Debug, Default)]
pub(crate) struct SeriesIds {
    /// Positions in `series`, by operation and labels.
    positions: HashMap<Vec<u8>, usize>,
    series: Vec<CachedSeries>,
    /// Positions of the series of the current batch.
    used: Vec<usize>,
    key: Vec<u8>,
}

#[derive(Debug)]
struct CachedSeries {
    id: i64,
    /// Sequence number of the newest call in the current batch; 0 without one.
    last: u64,
}

impl SeriesIds {
    /// Returns the id of the series of a call that is stored next.
    pub(crate) fn id(
        &mut self,
        transaction: &Transaction<'_>,
        call: &FinishedCall,
        sequence: u64,
    ) -> rusqlite::Result<i64> {
        self.key.clear();
        let labels = call.labels.iter().flat_map(|(name, value)| [name, value]);
        for text in std::iter::once(&call.operation).chain(labels) {
            self.key.extend(text.len().to_ne_bytes());
            self.key.extend(text.as_bytes());
        }
        let position = match self.positions.get(&self.key) {
            Some(position) => *position,
            None => {
                let id = find_or_insert(transaction, call)?;
                self.series.push(CachedSeries { id, last: 0 });
                self.positions.insert(self.key.clone(), self.series.len() - 1);
                self.series.len() - 1
            }
        };
        let series = &mut self.series[position];
        if series.last == 0 {
            self.used.push(position);
        }
        series.last = sequence;
        Ok(series.id)
    }

    /// Stores the newest call of each series of the batch.
    pub(crate) fn finish(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut statement = transaction.prepare_cached("UPDATE call_series SET last = ?2 WHERE id = ?1")?;
        for position in self.used.drain(..) {
            let series = &mut self.series[position];
            statement.execute([series.id, whole(series.last)])?;
            series.last = 0;
        }
        if self.series.len() > CACHED {
            self.clear();
        }
        Ok(())
    }

    /// Clears the cache after a failed transaction or a step of retention.
    pub(crate) fn clear(&mut self) {
        self.positions.clear();
        self.series.clear();
        self.used.clear();
    }
}

fn find_or_insert(transaction: &Transaction<'_>, call: &FinishedCall) -> rusqlite::Result<i64> {
    let key = params![call.operation, labels_text(&call.labels)];
    let find = "SELECT id FROM call_series WHERE operation = ?1 AND labels = ?2";
    if let Some(id) = first(transaction, find, key)? {
        return Ok(id);
    }
    run(transaction, "INSERT INTO call_series (operation, labels, last) VALUES (?1, ?2, 0)", key)?;
    Ok(transaction.last_insert_rowid())
}

/// Series by id, as a reader of calls caches them.
pub(crate) struct CallSeries<'a> {
    statement: CachedStatement<'a>,
    cached: HashMap<i64, (String, Vec<(String, String)>)>,
}

impl<'a> CallSeries<'a> {
    pub(crate) fn new(connection: &'a Connection) -> rusqlite::Result<Self> {
        let statement =
            connection.prepare_cached("SELECT operation, labels FROM call_series WHERE id = ?1")?;
        Ok(Self { statement, cached: HashMap::new() })
    }

    pub(crate) fn get(&mut self, id: i64) -> rusqlite::Result<(String, Vec<(String, String)>)> {
        match self.cached.entry(id) {
            Entry::Occupied(cached) => Ok(cached.get().clone()),
            Entry::Vacant(vacant) => {
                let read =
                    |row: &rusqlite::Row<'_>| Ok((row.get(0)?, read_json(row.get_ref(1)?, read_labels)?));
                Ok(vacant.insert(self.statement.query_row([id], read)?).clone())
            }
        }
    }
}
