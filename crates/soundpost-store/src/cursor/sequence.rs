//! Sequence numbers: one over all records, and one count for each table.

use rusqlite::{Connection, OptionalExtension as _};

use super::kinds::RecordKinds;
use crate::sql::{count, set_state, state, whole};

/// Tables of records; all have `sequence` and `ordinal`.
pub(crate) const TABLES: [&str; 3] = ["stored_calls", "stored_events", "vitals_samples"];
/// Positions in [`TABLES`].
pub(crate) const CALLS: usize = 0;
pub(crate) const EVENTS: usize = 1;
pub(crate) const SAMPLES: usize = 2;

/// A sequence number, and the records of each table stored up to it, including removed ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) number: u64,
    counts: [u64; TABLES.len()],
}

impl Sequence {
    /// Advances to the next record of a table. Returns its sequence number and ordinal.
    pub(crate) fn next(&mut self, table: usize) -> (u64, u64) {
        self.number += 1;
        self.counts[table] += 1;
        (self.number, self.counts[table])
    }

    /// Returns how many records of these kinds there were.
    pub(crate) fn count(&self, kinds: RecordKinds) -> u64 {
        self.counts.iter().zip(kinds.each()).filter(|(_, wanted)| *wanted).map(|(count, _)| count).sum()
    }

    /// Returns whether no number is above the other's.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        let counts = self.counts.iter().zip(other.counts);
        self.number <= other.number && counts.into_iter().all(|(count, most)| *count <= most)
    }

    /// Returns the numbers of the newest record, stored or removed.
    pub(crate) fn last(connection: &Connection) -> rusqlite::Result<Self> {
        Self::through(connection, u64::MAX)
    }

    /// Returns the numbers of the newest record that retention removed.
    pub(crate) fn deleted(connection: &Connection) -> rusqlite::Result<Self> {
        let mut deleted = Self { number: state(connection, "deleted_through")?, ..Self::default() };
        for (table, count) in TABLES.iter().zip(&mut deleted.counts) {
            *count = state(connection, &format!("deleted_{table}"))?;
        }
        Ok(deleted)
    }

    /// Returns the numbers of the newest record up to a sequence number, or of the newest removed record if that is
    /// newer.
    pub(crate) fn through(connection: &Connection, number: u64) -> rusqlite::Result<Self> {
        let mut through = Self::deleted(connection)?;
        for (table, ordinal) in TABLES.iter().zip(&mut through.counts) {
            let newest: Option<(i64, i64)> = connection
                .prepare_cached(&format!(
                    "SELECT sequence, ordinal FROM {table} WHERE sequence <= ?1 ORDER BY sequence DESC LIMIT 1"
                ))?
                .query_row([whole(number)], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            if let Some((sequence, newest)) = newest {
                through.number = through.number.max(count(sequence));
                *ordinal = (*ordinal).max(count(newest));
            }
        }
        Ok(through)
    }

    /// Stores that all records up to here are removed.
    pub(crate) fn set_deleted(&self, connection: &Connection) -> rusqlite::Result<()> {
        set_state(connection, "deleted_through", whole(self.number))?;
        for (table, count) in TABLES.iter().zip(self.counts) {
            set_state(connection, &format!("deleted_{table}"), whole(count))?;
        }
        Ok(())
    }
}
