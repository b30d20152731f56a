//! Kinds of calls: the operations and labels that many calls have in common, stored once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Transaction, params};
use soundpost_core::FinishedCall;

use super::json;
use super::sql::{parsed, whole};

/// Kinds that the writer remembers; a service has tens.
const KNOWN: usize = 4096;

/// Ids of kinds, as the writer knows them.
#[derive(Debug, Default)]
pub(super) struct KindIds {
    /// By operation and labels; places in `kinds`.
    known: HashMap<Vec<u8>, usize>,
    kinds: Vec<Kind>,
    /// Places of those that the batch at hand has.
    used: Vec<usize>,
    key: Vec<u8>,
}

#[derive(Debug)]
struct Kind {
    id: i64,
    /// The newest call, while there are calls of the batch at hand; else 0.
    last: u64,
}

impl KindIds {
    /// The id of the kind of a call that is about to be stored.
    pub(super) fn id(
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
        let place = match self.known.get(&self.key) {
            Some(place) => *place,
            None => {
                let id = find_or_make(transaction, call)?;
                self.kinds.push(Kind { id, last: 0 });
                self.known.insert(self.key.clone(), self.kinds.len() - 1);
                self.kinds.len() - 1
            }
        };
        let kind = &mut self.kinds[place];
        if kind.last == 0 {
            self.used.push(place);
        }
        kind.last = sequence;
        Ok(kind.id)
    }

    /// Writes which calls of the batch were the newest of their kinds.
    pub(super) fn finish(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut statement = transaction.prepare_cached("UPDATE kinds SET last = ?2 WHERE id = ?1")?;
        for place in self.used.drain(..) {
            let kind = &mut self.kinds[place];
            statement.execute([kind.id, whole(kind.last)])?;
            kind.last = 0;
        }
        if self.kinds.len() > KNOWN {
            self.forget();
        }
        Ok(())
    }

    /// Forgets what a failed transaction may have added, or retention removed.
    pub(super) fn forget(&mut self) {
        self.known.clear();
        self.kinds.clear();
        self.used.clear();
    }
}

fn find_or_make(transaction: &Transaction<'_>, call: &FinishedCall) -> rusqlite::Result<i64> {
    let labels = json::labels(&call.labels);
    let found = transaction
        .prepare_cached("SELECT id FROM kinds WHERE operation = ?1 AND labels = ?2")?
        .query_row(params![call.operation, labels], |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    transaction
        .prepare_cached("INSERT INTO kinds (operation, labels, last) VALUES (?1, ?2, 0)")?
        .execute(params![call.operation, labels])?;
    Ok(transaction.last_insert_rowid())
}

/// Forgets kinds of which there are no calls any more.
pub(super) fn delete_unused(transaction: &Transaction<'_>, deleted_through: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM kinds WHERE last <= ?1")?.execute([deleted_through]).map(drop)
}

/// Kinds as somebody who reads calls meets them.
pub(super) struct Kinds<'a> {
    statement: CachedStatement<'a>,
    known: HashMap<i64, Kindred>,
}

/// Operation and labels.
type Kindred = (String, Vec<(String, String)>);

impl<'a> Kinds<'a> {
    pub(super) fn new(connection: &'a Connection) -> rusqlite::Result<Self> {
        let statement = connection.prepare_cached("SELECT operation, labels FROM kinds WHERE id = ?1")?;
        Ok(Self { statement, known: HashMap::new() })
    }

    /// Operation and labels of a kind.
    pub(super) fn get(&mut self, id: i64) -> rusqlite::Result<Kindred> {
        match self.known.entry(id) {
            Entry::Occupied(known) => Ok(known.get().clone()),
            Entry::Vacant(vacant) => {
                let kind = self
                    .statement
                    .query_row([id], |row| Ok((row.get(0)?, parsed(row, 1, json::read_labels)?)))?;
                Ok(vacant.insert(kind).clone())
            }
        }
    }
}
