//! Sequence numbers: one over all records, and one count for each table.

use std::ops::ControlFlow;

use rusqlite::Connection;

use super::kinds::RecordKinds;
use crate::scan::Scan;
use crate::schema::{
    CALLS as CALL_TABLE, EVENTS as EVENT_TABLE, RecordTable, SAMPLE_TIMES, set_state, state,
};
use crate::sql::whole;

/// Tables of records; all have `sequence` and `ordinal`.
pub(crate) const TABLES: [&str; 3] = ["stored_calls", "stored_events", "vitals_samples"];
/// Positions in [`TABLES`].
pub(crate) const CALLS: usize = 0;
pub(crate) const EVENTS: usize = 1;
pub(crate) const SAMPLES: usize = 2;

/// Number of records that no service stores; a damaged count may be above it.
const MAX_RECORDS: u64 = 1 << 53;

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
        let is_sound = deleted.counts.iter().chain([&deleted.number]).all(|count| *count < MAX_RECORDS);
        Ok(if is_sound { deleted } else { Self::default() })
    }

    /// Returns the numbers of the newest record up to a sequence number, or of the newest removed record if that is
    /// newer. Damaged records count.
    pub(crate) fn through(connection: &Connection, number: u64) -> rusqlite::Result<Self> {
        let [_, through] = Self::range(connection, number, 0)?;
        Ok(through)
    }

    /// Returns the numbers up to a sequence number, without and with the damaged records at its end. The search begins
    /// `margin` records later, because a damaged number misleads a search in its page.
    pub(crate) fn range(connection: &Connection, number: u64, margin: u64) -> rusqlite::Result<[Self; 2]> {
        let mut sound = Self::deleted(connection)?;
        let end = number.saturating_add(margin);
        let newest = [
            newest(connection, &CALL_TABLE, end, number)?,
            newest(connection, &EVENT_TABLE, end, number)?,
            newest(connection, &SAMPLE_TIMES, end, number)?,
        ];
        for (newest, count) in newest.iter().zip(&mut sound.counts) {
            sound.number = sound.number.max(newest.sequence);
            *count = (*count).max(newest.ordinal);
        }
        let mut all = sound;
        newest.iter().zip(&mut all.counts).for_each(|(newest, count)| *count += newest.damaged);
        // Numbers have no gaps, so their sum is the number of the last damaged record.
        all.number = all.number.max(all.counts.iter().sum::<u64>().min(number));
        Ok([sound, all])
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

/// The newest sound row of a table up to a sequence number.
#[derive(Default)]
struct Newest {
    sequence: u64,
    ordinal: u64,
    /// Number of damaged rows after it.
    damaged: u64,
}

fn newest<R: Default>(
    connection: &Connection,
    table: &RecordTable<R>,
    end: u64,
    number: u64,
) -> rusqlite::Result<Newest> {
    let mut newest = Newest::default();
    Scan::back(table.name(), &table.names(), end).visit(connection, |row| {
        let Some(([sequence, ordinal], _)) = row.and_then(|row| table.read(row, &mut R::default()).ok())
        else {
            newest.damaged += 1;
            return Ok(ControlFlow::Continue(None));
        };
        if sequence > number {
            newest.damaged = 0;
            return Ok(ControlFlow::Continue(Some(sequence)));
        }
        (newest.sequence, newest.ordinal) = (sequence, ordinal);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(newest)
}
