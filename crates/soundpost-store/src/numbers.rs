//! Numbers of records: one over all of them, and one of each kind.

use rusqlite::{Connection, OptionalExtension as _};

use super::sql::whole;

/// Tables of records; all have `sequence` and `ordinal`.
pub(super) const TABLES: [&str; 3] = ["stored_calls", "stored_events", "moments"];

/// Places in [`TABLES`].
pub(super) const CALLS: usize = 0;
pub(super) const EVENTS: usize = 1;
pub(super) const MOMENTS: usize = 2;

/// How many records of each table were ever stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts(pub(super) [u64; TABLES.len()]);

/// A sequence number, and how many records of each table there were up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) sequence: u64,
    pub(super) counts: Counts,
}

impl Numbers {
    /// The numbers of the next record of a table.
    pub(super) fn next(&mut self, table: usize) -> (u64, u64) {
        self.sequence += 1;
        self.counts.0[table] += 1;
        (self.sequence, self.counts.0[table])
    }

    /// Whether none of these is after the other's.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        let counts = self.counts.0.iter().zip(other.counts.0);
        self.sequence <= other.sequence && counts.into_iter().all(|(count, most)| *count <= most)
    }

    /// Of the newest record, also if it is deleted.
    pub(super) fn last(connection: &Connection) -> rusqlite::Result<Self> {
        Self::through(connection, u64::MAX)
    }

    /// Of the newest record that retention removed.
    pub(super) fn deleted(connection: &Connection) -> rusqlite::Result<Self> {
        let mut numbers = Self { sequence: value(connection, "deleted_through")?, ..Self::default() };
        for (table, count) in TABLES.iter().zip(&mut numbers.counts.0) {
            *count = value(connection, &format!("deleted_{table}"))?;
        }
        Ok(numbers)
    }

    /// Of the newest record up to a sequence number, or of the newest that was removed if that is newer.
    pub(super) fn through(connection: &Connection, sequence: u64) -> rusqlite::Result<Self> {
        let mut numbers = Self::deleted(connection)?;
        for (table, count) in TABLES.iter().zip(&mut numbers.counts.0) {
            let newest: Option<(i64, i64)> = connection
                .prepare_cached(&format!(
                    "SELECT sequence, ordinal FROM {table} WHERE sequence <= ?1 ORDER BY sequence DESC LIMIT 1"
                ))?
                .query_row([whole(sequence)], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            if let Some((sequence, ordinal)) = newest {
                numbers.sequence = numbers.sequence.max(sequence.max(0).cast_unsigned());
                *count = (*count).max(ordinal.max(0).cast_unsigned());
            }
        }
        Ok(numbers)
    }

    /// Notes that everything up to here is removed.
    pub(super) fn set_deleted(&self, connection: &Connection) -> rusqlite::Result<()> {
        set_value(connection, "deleted_through", whole(self.sequence))?;
        for (table, count) in TABLES.iter().zip(self.counts.0) {
            set_value(connection, &format!("deleted_{table}"), whole(count))?;
        }
        Ok(())
    }
}

/// A number that the store keeps; 0 for none.
pub(super) fn value(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let value: Option<i64> = connection
        .prepare_cached("SELECT value FROM state WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(value.unwrap_or(0).max(0).cast_unsigned())
}

/// Keeps a number.
pub(super) fn set_value(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO state (name, value) VALUES (?1, ?2)")?
        .execute((name, value))
        .map(drop)
}
