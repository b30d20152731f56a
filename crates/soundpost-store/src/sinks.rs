//! What sinks have behind them. A sink reads the store from its cursor on and deletes nothing.
//!
//! Records are numbered without gaps, and retention removes from the front: so all counts are differences, and
//! `accepted = delivered + rejected + dropped + pending` holds by construction.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::acknowledgement::{Acknowledgement, Rejected};
use super::error::StoreError;
use super::numbers::{CALLS, EVENTS, MOMENTS, Numbers, TABLES};
use super::record::RecordKinds;
use super::sql::whole;

/// Records that were lost before they were delivered, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Retention removed them before the store was told what became of them: it was too small, or the receiver down
    /// for too long.
    pub retention: u64,
    /// They were in a file that was damaged or removed.
    pub damage: u64,
}

impl Missed {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.retention + self.damage
    }
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
    /// Records that the receiver will never get.
    pub rejected: Rejected,
    /// Records that were lost before they were delivered.
    pub dropped: Missed,
    /// Records to come.
    pub pending: u64,
    /// When the first of those was recorded, since 1970, nanoseconds; by the wall clock of that time.
    pub first_unix: Option<u64>,
}

/// A row of the table.
#[derive(Clone, Debug)]
pub(super) struct SinkRow {
    sink: String,
    kinds: RecordKinds,
    start: u64,
    cursor: u64,
    passed: u64,
    delivered: u64,
    rejected: Rejected,
    dropped: Missed,
}

impl SinkRow {
    /// A sink that gets what of these kinds is stored after `last`.
    pub(super) fn new(sink: &str, kinds: RecordKinds, last: &Numbers) -> Self {
        let start = last.counts.of(kinds);
        Self {
            sink: sink.to_owned(),
            kinds,
            start,
            cursor: last.sequence,
            passed: start,
            delivered: 0,
            rejected: Rejected::default(),
            dropped: Missed::default(),
        }
    }

    /// Whether it gets these kinds.
    pub(super) fn is_for(&self, kinds: RecordKinds) -> bool {
        self.kinds == kinds
    }

    /// Goes on from its cursor, `at` which there were so many records, with other kinds.
    pub(super) fn change(&mut self, kinds: RecordKinds, at: &Numbers) {
        let done = self.passed - self.start;
        (self.kinds, self.cursor) = (kinds, self.cursor.max(at.sequence));
        self.passed = at.counts.of(kinds);
        // Counters never go back: what was done stays counted, as if all of it had been of these kinds.
        self.start = self.passed.saturating_sub(done);
        self.passed = self.start + done;
    }

    pub(super) fn name(&self) -> &String {
        &self.sink
    }

    pub(super) fn gets_vitals(&self) -> bool {
        self.kinds.vitals
    }

    pub(super) fn cursor(&self) -> u64 {
        self.cursor
    }

    /// All sinks of the file, where `last` is the newest record.
    pub(super) fn states(connection: &Connection, last: &Numbers) -> rusqlite::Result<Vec<SinkState>> {
        let deleted = Numbers::deleted(connection)?;
        let state =
            |row: &Self| Ok(SinkState { first_unix: row.first(connection)?, ..row.state(last, &deleted) });
        Self::all(connection)?.iter().map(state).collect()
    }

    /// When the first record behind its cursor was recorded, nanoseconds.
    fn first(&self, connection: &Connection) -> rusqlite::Result<Option<u64>> {
        let mut first: Option<(i64, i64)> = None;
        for ((table, time), _) in FIRST.iter().zip(self.kinds.each()).filter(|(_, wanted)| *wanted) {
            let sql =
                format!("SELECT sequence, {time} FROM {table} WHERE sequence > ?1 ORDER BY sequence LIMIT 1");
            let found = connection
                .prepare_cached(&sql)?
                .query_row([whole(self.cursor)], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            first = first.into_iter().chain(found).min();
        }
        Ok(first.map(|(_, nanos)| nanos.max(0).cast_unsigned()))
    }

    /// Its counts, where `last` is the newest record and retention removed everything through `deleted`.
    fn state(&self, last: &Numbers, deleted: &Numbers) -> SinkState {
        let gone = self.gone(deleted);
        let all = last.counts.of(self.kinds).max(self.passed);
        let dropped = Missed { retention: self.dropped.retention + gone, ..self.dropped };
        SinkState {
            sink: self.sink.clone(),
            cursor: self.cursor,
            accepted: all - self.start,
            delivered: self.delivered,
            rejected: self.rejected,
            dropped,
            pending: all - self.passed - gone,
            first_unix: None,
        }
    }

    /// How many records behind its cursor were removed.
    fn gone(&self, deleted: &Numbers) -> u64 {
        deleted.counts.of(self.kinds).saturating_sub(self.passed)
    }

    /// Moves the cursor.
    pub(super) fn acknowledge(
        &mut self,
        done: Acknowledgement,
        last: &Numbers,
        deleted: &Numbers,
    ) -> Result<(), StoreError> {
        let wrong = |why: &str| {
            Err(StoreError::misused(format!("{done:?} of {:?} at {}: {why}", self.sink, self.cursor)))
        };
        if done.after != self.cursor {
            return wrong("does not begin at the cursor");
        }
        if done.through < done.after || done.through > last.sequence {
            return wrong("does not end at a record after it");
        }
        if done.passed > last.counts.of(self.kinds) {
            return wrong("passes more records than there are");
        }
        let told = [done.delivered, done.rejected.total(), done.dropped];
        let told = told.iter().try_fold(0_u64, |sum, number| sum.checked_add(*number));
        // What was not told of was gone when the sink read.
        let gone =
            done.passed.checked_sub(self.passed).zip(told).and_then(|(all, told)| all.checked_sub(told));
        match gone {
            Some(gone) if gone <= self.gone(deleted) => {
                // What retention removed since then was shown as dropped, and stays that: counters never go back.
                let shown = self.gone(deleted).min(done.passed - self.passed);
                let mut late = shown.saturating_sub(gone + done.dropped);
                let dropped = gone + done.dropped + late;
                let mut others = |count: u64| {
                    let left = count.saturating_sub(late);
                    late -= count - left;
                    left
                };
                self.delivered += others(done.delivered);
                self.rejected.refused += others(done.rejected.refused);
                self.rejected.too_large += others(done.rejected.too_large);
                self.rejected.empty += others(done.rejected.empty);
                self.dropped.retention += dropped;
                (self.cursor, self.passed) = (done.through, done.passed);
                Ok(())
            }
            _ => wrong("does not say what became of each record"),
        }
    }

    /// Passes over what retention removed.
    pub(super) fn skip_removed(&mut self, deleted: &Numbers) {
        let gone = self.gone(deleted);
        self.dropped.retention += gone;
        (self.passed, self.cursor) = (self.passed + gone, self.cursor.max(deleted.sequence));
    }

    /// The sink in a new file, after the old one was set aside with what was pending: that is dropped.
    pub(super) fn after_damage(&mut self, last: &Numbers) {
        let all = last.counts.of(self.kinds);
        self.dropped.damage += all.saturating_sub(self.passed);
        (self.passed, self.cursor) = (self.passed.max(all), self.cursor.max(last.sequence));
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
            "INSERT OR REPLACE INTO sink_cursors (sink, kinds, start, cursor, passed, delivered, \
             rejected_refused, rejected_too_large, rejected_empty, dropped_retention, dropped_damage) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        let Self { rejected, dropped, .. } = self;
        statement
            .execute(params![
                self.sink,
                whole(self.kinds.bits()),
                whole(self.start),
                whole(self.cursor),
                whole(self.passed),
                whole(self.delivered),
                whole(rejected.refused),
                whole(rejected.too_large),
                whole(rejected.empty),
                whole(dropped.retention),
                whole(dropped.damage),
            ])
            .map(drop)
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let number = |column: usize| row.get(column).map(|number: i64| number.max(0).cast_unsigned());
        Ok(Self {
            sink: row.get(0)?,
            kinds: RecordKinds::from_bits(number(1)?),
            start: number(2)?,
            cursor: number(3)?,
            passed: number(4)?,
            delivered: number(5)?,
            rejected: Rejected { refused: number(6)?, too_large: number(7)?, empty: number(8)? },
            dropped: Missed { retention: number(9)?, damage: number(10)? },
        })
    }
}

/// Tables of records, as [`TABLES`], and their times in nanoseconds.
const FIRST: [(&str, &str); TABLES.len()] =
    [(TABLES[CALLS], "ended"), (TABLES[EVENTS], "time"), (TABLES[MOMENTS], "time * 1000000")];

const SELECT: &str = "SELECT sink, kinds, start, cursor, passed, delivered, rejected_refused, rejected_too_large, \
    rejected_empty, dropped_retention, dropped_damage FROM sink_cursors";
