//! Cursors of sinks. A sink reads the store from its cursor on and deletes nothing.
//!
//! Records are numbered without gaps, and retention removes from the front. So all counts are differences, and
//! `accepted = delivered + rejected + dropped + pending` holds by construction.

use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::acknowledgement::{Acknowledgement, Rejected};
use super::kinds::RecordKinds;
use super::sequence::{CALLS, EVENTS, SAMPLES, Sequence, TABLES};
use crate::error::{StoreError, is_damage};
use crate::scan::Scan;
use crate::schema::SINK_CURSORS;
use crate::sql::{count, whole};

/// Records lost before their delivery, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Retention removed them before they were acknowledged: the store was too small, or the outage too long.
    pub retention: u64,
    /// Their file was damaged or removed.
    pub damage: u64,
    /// An operator erased them, which is no loss.
    pub erased: u64,
}

impl Dropped {
    /// Returns the sum over all reasons.
    pub fn total(&self) -> u64 {
        self.retention + self.damage + self.erased
    }
}

/// Counts of a sink since it was added to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkState {
    /// Name of the sink.
    pub sink: String,
    /// Sequence number after which the sink continues.
    pub cursor: u64,
    /// Records stored for the sink.
    pub accepted: u64,
    /// Records that the receiver has.
    pub delivered: u64,
    /// Records that the receiver will never get.
    pub rejected: Rejected,
    /// Records lost before their delivery.
    pub dropped: Dropped,
    /// Records that follow the cursor.
    pub pending: u64,
    /// Time of the first pending record by the wall clock, nanoseconds since 1970.
    pub first_unix: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct SinkRow {
    pub(crate) sink: String,
    pub(crate) kinds: RecordKinds,
    pub(crate) start: u64,
    pub(crate) cursor: u64,
    passed: u64,
    delivered: u64,
    rejected: Rejected,
    dropped: Dropped,
}

impl SinkRow {
    /// Creates a sink that receives records of these kinds after `last`.
    pub(crate) fn new(sink: &str, kinds: RecordKinds, last: &Sequence) -> Self {
        let start = last.count(kinds);
        Self {
            sink: sink.to_owned(),
            kinds,
            start,
            cursor: last.number,
            passed: start,
            delivered: 0,
            rejected: Rejected::default(),
            dropped: Dropped::default(),
        }
    }

    /// Changes the kinds; `cursor` has the numbers at the sink's cursor.
    pub(crate) fn change_kinds(&mut self, kinds: RecordKinds, cursor: &Sequence) {
        let done = self.passed - self.start;
        (self.kinds, self.cursor) = (kinds, self.cursor.max(cursor.number));
        self.passed = cursor.count(kinds);
        // Counters never decrease: earlier records stay counted, as if all had been of these kinds.
        self.start = self.passed.saturating_sub(done);
        self.passed = self.start + done;
    }

    /// Returns the counts of all sinks of the file, whose newest record is `last`.
    pub(crate) fn states(connection: &Connection, last: &Sequence) -> rusqlite::Result<Vec<SinkState>> {
        let deleted = Sequence::deleted(connection)?;
        let state = |row: &Self| {
            Ok(SinkState { first_unix: row.first_pending(connection)?, ..row.state(last, &deleted) })
        };
        Self::all(connection)?.iter().filter(|row| row.is_within(last)).map(state).collect()
    }

    /// Returns the time of the first record after the cursor, nanoseconds.
    fn first_pending(&self, connection: &Connection) -> rusqlite::Result<Option<u64>> {
        let mut first: Option<(i64, i64)> = None;
        for ((table, time), _) in TIMES.iter().zip(self.kinds.each()).filter(|(_, wanted)| *wanted) {
            let sql =
                format!("SELECT sequence, {time} FROM {table} WHERE sequence > ?1 ORDER BY sequence LIMIT 1");
            let mut statement = connection.prepare_cached(&sql)?;
            let found = statement.query_row([whole(self.cursor)], |row| Ok((row.get(0)?, row.get(1)?)));
            match found.optional() {
                // The time of a damaged record is unknown.
                Err(error) if is_damage(&error) => {}
                found => first = first.into_iter().chain(found?).min(),
            }
        }
        Ok(first.map(|(_, nanos)| count(nanos)))
    }

    fn state(&self, last: &Sequence, deleted: &Sequence) -> SinkState {
        let removed = self.removed(deleted);
        let all = last.count(self.kinds).max(self.passed);
        let dropped = Dropped { retention: self.dropped.retention + removed, ..self.dropped };
        SinkState {
            sink: self.sink.clone(),
            cursor: self.cursor,
            accepted: all - self.start,
            delivered: self.delivered,
            rejected: self.rejected,
            dropped,
            pending: all - self.passed - removed,
            first_unix: None,
        }
    }

    /// Returns how many records after the cursor retention removed.
    fn removed(&self, deleted: &Sequence) -> u64 {
        deleted.count(self.kinds).saturating_sub(self.passed)
    }

    pub(crate) fn acknowledge(
        &mut self,
        done: Acknowledgement,
        last: &Sequence,
        deleted: &Sequence,
    ) -> Result<(), StoreError> {
        let wrong = |why: &str| {
            Err(StoreError::misused(format!("{done:?} of {:?} at {}: {why}", self.sink, self.cursor)))
        };
        if done.after != self.cursor {
            return wrong("does not begin at the cursor");
        }
        let reported = [done.delivered, done.rejected.total(), done.dropped, done.erased];
        let reported = reported.iter().try_fold(self.passed, |sum, number| sum.checked_add(*number));
        let Some(reported) = reported else { return wrong("reports more records than there are") };
        let (mut through, mut passed) = (done.through, done.passed);
        if done.damaged > 0 || self.dropped.damage > 0 {
            // A reader estimates the numbers of damaged records.
            (through, passed) = (through.min(last.number), passed.max(reported).min(last.count(self.kinds)));
        }
        if through < done.after || through > last.number {
            return wrong("does not end at a record after it");
        }
        if passed > last.count(self.kinds) {
            return wrong("passes more records than there are");
        }
        // A record that is not reported was removed before the sink read, or is damaged. Damaged numbers make a reader miss
        // it at first, so it may also be of an earlier batch.
        match passed.checked_sub(reported) {
            Some(missing) => {
                let unread = missing.saturating_sub(done.damaged).min(self.removed(deleted));
                let damaged = missing - unread;
                // Records removed since then were exposed as dropped, and stay dropped: counters never decrease.
                let exposed = self.removed(deleted).min(passed - self.passed);
                let mut late = exposed.saturating_sub(unread + done.dropped);
                let dropped = unread + done.dropped + late;
                let mut without_late = |count: u64| {
                    let left = count.saturating_sub(late);
                    late -= count - left;
                    left
                };
                self.dropped.damage += without_late(damaged);
                self.delivered += without_late(done.delivered);
                self.rejected.refused += without_late(done.rejected.refused);
                self.rejected.too_large += without_late(done.rejected.too_large);
                self.rejected.empty += without_late(done.rejected.empty);
                self.dropped.erased += without_late(done.erased);
                self.dropped.retention += dropped;
                (self.cursor, self.passed) = (through, passed);
                Ok(())
            }
            None => wrong("reports more records than there were"),
        }
    }

    /// Moves the cursor over removed records.
    pub(crate) fn skip_removed(&mut self, deleted: &Sequence) {
        let removed = self.removed(deleted);
        self.dropped.retention += removed;
        (self.passed, self.cursor) = (self.passed + removed, self.cursor.max(deleted.number));
    }

    /// Counts pending records as dropped, because their file was set aside.
    pub(crate) fn drop_damaged(&mut self, last: &Sequence) {
        let all = last.count(self.kinds);
        self.dropped.damage += all.saturating_sub(self.passed);
        (self.passed, self.cursor) = (self.passed.max(all), self.cursor.max(last.number));
    }

    pub(crate) fn find(connection: &Connection, sink: &str) -> rusqlite::Result<Option<Self>> {
        Ok(Self::all(connection)?.into_iter().find(|row| row.sink == sink))
    }

    /// Returns the rows of all sinks, by name, without damaged ones.
    pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        Ok(Self::read_all(connection)?.into_iter().flatten().collect())
    }

    /// Removes damaged rows, also those that are ahead of the newest record. Returns whether there were any.
    pub(crate) fn remove_damaged(connection: &Connection, last: &Sequence) -> rusqlite::Result<bool> {
        let rows = Self::read_all(connection)?;
        let is_sound = |row: &Option<Self>| row.as_ref().is_some_and(|row| row.is_within(last));
        if rows.iter().all(is_sound) {
            return Ok(false);
        }
        // A damaged name cannot be looked up.
        let transaction = connection.unchecked_transaction()?;
        transaction.execute("DELETE FROM sink_cursors", [])?;
        rows.iter().filter(|row| is_sound(row)).flatten().try_for_each(|row| row.save(&transaction))?;
        transaction.commit()?;
        Ok(true)
    }

    /// Returns the rows of all sinks, with `None` for damaged ones.
    fn read_all(connection: &Connection) -> rusqlite::Result<Vec<Option<Self>>> {
        let mut all = Vec::new();
        Scan::all(&SINK_CURSORS.select(""), "sink").visit(connection, |row| {
            all.push(row.and_then(|row| Self::read(row).ok()).filter(Self::is_sound));
            Ok(ControlFlow::Continue(None))
        })?;
        Ok(all)
    }

    /// Returns whether each record up to the cursor has one result.
    fn is_sound(&self) -> bool {
        let counts = [self.delivered, self.rejected.refused, self.rejected.too_large, self.rejected.empty];
        let dropped = [self.dropped.retention, self.dropped.damage, self.dropped.erased];
        let mut counts = counts.into_iter().chain(dropped);
        counts.try_fold(self.start, u64::checked_add) == Some(self.passed)
    }

    /// Returns whether the cursor is not ahead of the newest record.
    fn is_within(&self, last: &Sequence) -> bool {
        self.cursor <= last.number && self.passed <= last.count(self.kinds)
    }

    pub(crate) fn save(&self, connection: &Connection) -> rusqlite::Result<()> {
        let Self { rejected, dropped, .. } = self;
        let numbers = [
            self.kinds.bits(),
            self.start,
            self.cursor,
            self.passed,
            self.delivered,
            rejected.refused,
            rejected.too_large,
            rejected.empty,
            dropped.retention,
            dropped.damage,
            dropped.erased,
        ];
        let numbers = numbers.into_iter().map(|number| whole(number).into());
        SINK_CURSORS.replace(connection, [self.sink.clone().into()].into_iter().chain(numbers).collect())
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        SINK_CURSORS.check(row)?;
        let number = |column: usize| row.get(column).map(count);
        Ok(Self {
            sink: row.get(0)?,
            kinds: RecordKinds::from_bits(number(1)?),
            start: number(2)?,
            cursor: number(3)?,
            passed: number(4)?,
            delivered: number(5)?,
            rejected: Rejected { refused: number(6)?, too_large: number(7)?, empty: number(8)? },
            dropped: Dropped { retention: number(9)?, damage: number(10)?, erased: number(11)? },
        })
    }
}

/// Tables of records, as in [`TABLES`], and their times in nanoseconds.
const TIMES: [(&str, &str); TABLES.len()] =
    [(TABLES[CALLS], "ended"), (TABLES[EVENTS], "time"), (TABLES[SAMPLES], "time * 1000000")];
