//! What sinks have behind them. A sink reads the store from its cursor on and deletes nothing.
//!
//! Sequence numbers have no gaps, and retention removes from the front: so all counts are differences, and
//! `accepted = delivered + rejected + dropped + pending` holds by construction.

use rusqlite::{Connection, Row, params};

use super::call_row::whole;
use super::error::StoreError;

/// What a sink did with a stretch of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The cursor it read from.
    pub after: u64,
    /// The last sequence number that it is done with.
    pub through: u64,
    /// How many of those were delivered.
    pub delivered: u64,
    /// How many of those the receiver will never take.
    pub rejected: u64,
}

/// A sink's counts since it was first known to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkState {
    /// Its name.
    pub sink: String,
    /// The sequence number after which it goes on.
    pub cursor: u64,
    /// Records that the store took for it.
    pub accepted: u64,
    /// Records that the receiver has.
    pub delivered: u64,
    /// Records that the receiver will never take.
    pub rejected: u64,
    /// Records that retention, or damage to the file, took before they were delivered.
    pub dropped: u64,
    /// Records to come.
    pub pending: u64,
}

/// A row of the table.
#[derive(Clone, Debug)]
pub(super) struct SinkRow {
    sink: String,
    start: u64,
    cursor: u64,
    delivered: u64,
    rejected: u64,
    dropped: u64,
}

impl SinkRow {
    /// A sink that gets what is stored after `last`.
    pub(super) fn new(sink: &str, last: u64) -> Self {
        Self { sink: sink.to_owned(), start: last, cursor: last, delivered: 0, rejected: 0, dropped: 0 }
    }

    /// Its counts, where `last` is the newest record and retention removed everything through `deleted`.
    pub(super) fn state(&self, last: u64, deleted: u64) -> SinkState {
        let gone = deleted.saturating_sub(self.cursor);
        SinkState {
            sink: self.sink.clone(),
            cursor: self.cursor,
            accepted: last - self.start,
            delivered: self.delivered,
            rejected: self.rejected,
            dropped: self.dropped + gone,
            pending: last - self.cursor - gone,
        }
    }

    /// Moves the cursor.
    pub(super) fn acknowledge(
        &mut self,
        done: Acknowledgement,
        last: u64,
        deleted: u64,
    ) -> Result<(), StoreError> {
        let wrong = |why: &str| {
            Err(StoreError::misused(format!("{done:?} of {:?} at {}: {why}", self.sink, self.cursor)))
        };
        if done.after != self.cursor {
            return wrong("does not begin at the cursor");
        }
        if done.through < done.after || done.through > last {
            return wrong("does not end at a record after it");
        }
        // What is neither was gone when the sink read.
        let gone = (done.through - done.after).checked_sub(done.delivered.saturating_add(done.rejected));
        match gone {
            Some(gone) if gone <= deleted.saturating_sub(done.after) => {
                self.cursor = done.through;
                self.delivered += done.delivered;
                self.rejected += done.rejected;
                self.dropped += gone;
                Ok(())
            }
            _ => wrong("does not say what became of each record"),
        }
    }

    /// The sink in a new file, after the old one was set aside with what was pending: that is dropped.
    pub(super) fn after_damage(&mut self, last: u64) {
        self.dropped += last.saturating_sub(self.cursor);
        self.cursor = self.cursor.max(last);
    }

    /// The sink of this name in the file.
    pub(super) fn find(connection: &Connection, sink: &str) -> rusqlite::Result<Option<Self>> {
        let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE sink = ?1"))?;
        statement.query_map([sink], Self::read)?.next().transpose()
    }

    /// All sinks of the file, by name.
    pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        let mut statement = connection.prepare_cached(&format!("{SELECT} ORDER BY sink"))?;
        statement.query_map([], Self::read)?.collect()
    }

    /// Writes it.
    pub(super) fn save(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(
            "INSERT OR REPLACE INTO sink_cursors (sink, start, cursor, delivered, rejected, dropped) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let [start, cursor] = [self.start, self.cursor].map(whole);
        let [delivered, rejected, dropped] = [self.delivered, self.rejected, self.dropped].map(whole);
        statement.execute(params![self.sink, start, cursor, delivered, rejected, dropped]).map(drop)
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let number = |column: usize| row.get(column).map(|number: i64| number.max(0).cast_unsigned());
        Ok(Self {
            sink: row.get(0)?,
            start: number(1)?,
            cursor: number(2)?,
            delivered: number(3)?,
            rejected: number(4)?,
            dropped: number(5)?,
        })
    }
}

const SELECT: &str = "SELECT sink, start, cursor, delivered, rejected, dropped FROM sink_cursors";
