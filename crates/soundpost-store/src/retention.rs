//! Retention in small steps: removes old and excess records, and thins old vitals to one a minute.

use std::ops::ControlFlow;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::cursor::{SAMPLES, Sequence, SinkRow, TABLES};
use crate::limits::{LOG_BYTES, Limits, Room};
use crate::remains;
use crate::sample_rows::NANOS;
use crate::scan::Scan;
use crate::schema::{self, RecordTable, SampleTable, set_state, state};
use crate::sql::{count, first, run, whole};

/// Maximum rows that a step removes from a table, which takes some milliseconds.
const STEP_ROWS: i64 = 1024;
/// Size of a store from which on a step removes that many, bytes. Of a smaller one it removes as large a part.
const FULL_STEP_BYTES: u64 = 64 << 20;
/// Interval between thinned samples, milliseconds.
const MINUTE_MILLIS: i64 = 60_000;
/// Maximum time range that a step thins, milliseconds.
const THIN_MILLIS: i64 = 5 * MINUTE_MILLIS;
/// Maximum pages that a step returns to the file system.
const VACUUM_PAGES: i64 = 64;

/// Result of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Removed calls and log events. A sink that had not shipped them counts them as dropped.
    pub records: u64,
    /// Removed samples.
    pub samples: u64,
    /// Removed postmortems.
    pub postmortems: u64,
    /// Whether work is left for another step.
    pub more: bool,
}

/// Runs one step: the first task with pending work. Vitals that one of these sinks has not shipped are thinned only to
/// make room.
pub(crate) fn step(
    connection: &mut Connection,
    limits: &Limits,
    room: Room,
    now: u64,
    sinks: &[String],
) -> rusqlite::Result<Progress> {
    let kept_from = whole(limits.kept_from(now));
    let size = FileSize::read(connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut progress = remove_old(&transaction, kept_from)?;
    let full_rate_from = whole(limits.full_rate_from(now) / NANOS);
    if !progress.more && size.used > room.file {
        progress = thin(&transaction, full_rate_from)?;
        if !progress.more {
            progress = remove_oldest(&transaction, room)?;
        }
    }
    if !progress.more {
        progress = thin(&transaction, full_rate_from.min(first_unshipped(&transaction, sinks)?))?;
    }
    if progress.more {
        transaction.commit()?;
        return Ok(progress);
    }
    drop(transaction);
    // Free pages are reused; only a large number of them is returned.
    let has_excess = size.whole > room.file || size.free > size.whole / 4 && size.free > LOG_BYTES;
    if size.free_pages > 0 && has_excess {
        connection.pragma(None, "incremental_vacuum", VACUUM_PAGES, |_| Ok(()))?;
        progress.more = true;
    }
    // Not before the store is within its size, because the log grows meanwhile.
    progress.more = progress.more || remains::remove_step(connection)?;
    Ok(progress)
}

/// Returns whether records have to be removed, as far as a damaged file shows.
pub(crate) fn is_due(
    connection: &Connection,
    limits: &Limits,
    room: Room,
    now: u64,
) -> rusqlite::Result<bool> {
    let kept_from = limits.kept_from(now);
    Ok(FileSize::read(connection)?.used > room.file
        || is_first_before(connection, &schema::CALLS, |call| call.ended_unix, kept_from)?
        || is_first_before(connection, &schema::EVENTS, |event| event.unix_nanos, kept_from)?)
}

/// Returns whether the first sound record of a table ended before a time, nanoseconds.
fn is_first_before<R: Default>(
    connection: &Connection,
    table: &RecordTable<R>,
    time: fn(&R) -> u64,
    nanos: u64,
) -> rusqlite::Result<bool> {
    let mut is_before = false;
    Scan::after(table.name(), &table.names(), 0).visit(connection, |row| {
        let mut record = R::default();
        if row.and_then(|row| table.read(row, &mut record).ok()).is_none() {
            return Ok(ControlFlow::Continue(None));
        }
        is_before = time(&record) < nanos;
        Ok(ControlFlow::Break(()))
    })?;
    Ok(is_before)
}

/// Size of the file without its log, bytes.
struct FileSize {
    whole: u64,
    free: u64,
    used: u64,
    free_pages: u64,
}

impl FileSize {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let number = |name| connection.pragma_query_value(None, name, |row| row.get(0).map(count));
        let [page, pages, free_pages] =
            [number("page_size")?, number("page_count")?, number("freelist_count")?];
        let [whole, free] = [page * pages, page * free_pages];
        Ok(Self { whole, free, used: whole.saturating_sub(free), free_pages })
    }
}

/// Selects the first records and their times.
const FRONT: &str = "WITH front AS (SELECT * FROM ( \
     SELECT * FROM (SELECT sequence, ended AS time FROM stored_calls ORDER BY sequence LIMIT ?1) UNION ALL \
     SELECT * FROM (SELECT sequence, time FROM stored_events ORDER BY sequence LIMIT ?1) UNION ALL \
     SELECT * FROM (SELECT sequence, time * 1000000 FROM vitals_samples ORDER BY sequence LIMIT ?1)) \
     ORDER BY sequence LIMIT ?1)";

/// Removes records older than a time, nanoseconds.
fn remove_old(transaction: &Transaction<'_>, nanos: i64) -> rusqlite::Result<Progress> {
    let mut progress = Progress::default();
    // Removes only from the front, so that a sink drops consecutive records. A record with a future time, of a wrong
    // clock, keeps those after it until its time has come or room is needed.
    let old = format!(
        "{FRONT} SELECT max(sequence) FROM front \
         WHERE sequence < coalesce((SELECT min(sequence) FROM front WHERE time >= ?2), 1 << 62)"
    );
    let last = first(transaction, &old, [STEP_ROWS, nanos])?.flatten();
    if let Some(last) = last {
        progress.records = remove_records(transaction, last)?;
    }
    for table in SampleTable::ALL {
        progress.samples += remove_samples(transaction, table, nanos / NANOS.cast_signed())?;
    }
    progress.more = last.is_some() || progress.samples > 0;
    Ok(progress)
}

fn remove_oldest(transaction: &Transaction<'_>, room: Room) -> rusqlite::Result<Progress> {
    let first_record: Option<i64> = first(transaction, &format!("{FRONT} SELECT time FROM front"), [1])?;
    let mut first_sample: Option<(i64, SampleTable)> = None;
    for table in SampleTable::ALL {
        let time = first(transaction, &format!("SELECT min(time) FROM {}", table.name()), [])?.flatten();
        if let Some(time) = time.filter(|time| first_sample.is_none_or(|(first, _)| *time < first)) {
            first_sample = Some((time, table));
        }
    }
    let mut progress = Progress::default();
    match (first_record, first_sample) {
        (record, Some((time, table))) if record.is_none_or(|record| time <= record / NANOS.cast_signed()) => {
            progress.samples = remove_samples(transaction, table, i64::MAX)?;
        }
        (Some(_), _) => {
            let part = whole(room.file).saturating_mul(STEP_ROWS) / whole(FULL_STEP_BYTES);
            let rows = part.clamp(1, STEP_ROWS);
            let last = first(transaction, &format!("{FRONT} SELECT max(sequence) FROM front"), [rows])?;
            progress.records = remove_records(transaction, last.flatten().unwrap_or_default())?;
        }
        (None, _) => return Ok(progress),
    }
    progress.more = true;
    Ok(progress)
}

/// Removes records through a sequence number. Returns the number of calls and events.
fn remove_records(transaction: &Transaction<'_>, last: i64) -> rusqlite::Result<u64> {
    let deleted = Sequence::through(transaction, count(last))?;
    let mut rows = 0;
    for table in TABLES {
        let removed = run(transaction, &format!("DELETE FROM {table} WHERE sequence <= ?1"), [last])?;
        rows += if table == TABLES[SAMPLES] { 0 } else { removed };
    }
    run(transaction, "DELETE FROM deaths WHERE call <= ?1", [last])?;
    // Rows whose records are all removed.
    for table in ["call_series", "origins"] {
        run(transaction, &format!("DELETE FROM {table} WHERE last <= ?1"), [last])?;
    }
    deleted.set_deleted(transaction)?;
    Ok(rows as u64)
}

/// Removes the oldest samples of a table before a time, milliseconds.
fn remove_samples(transaction: &Transaction<'_>, table: SampleTable, before: i64) -> rusqlite::Result<u64> {
    let name = table.name();
    let delete = format!(
        "DELETE FROM {name} WHERE time < ?1 AND time <= \
         (SELECT max(time) FROM (SELECT time FROM {name} ORDER BY time LIMIT ?2))"
    );
    Ok(run(transaction, &delete, [before, STEP_ROWS])? as u64)
}

/// Returns the time of the first vitals that one of these sinks has not shipped, milliseconds.
fn first_unshipped(transaction: &Transaction<'_>, sinks: &[String]) -> rusqlite::Result<i64> {
    let next = "SELECT time FROM vitals_samples WHERE sequence > ?1 ORDER BY sequence LIMIT 1";
    let mut earliest = i64::MAX;
    for row in SinkRow::all(transaction)? {
        if row.kinds.vitals && sinks.contains(&row.sink) {
            earliest = earliest.min(first(transaction, next, [whole(row.cursor)])?.unwrap_or(i64::MAX));
        }
    }
    Ok(earliest)
}

/// Keeps the first sample of each minute and entity, within the next time range that is old enough.
fn thin(transaction: &Transaction<'_>, before: i64) -> rusqlite::Result<Progress> {
    let before = before / MINUTE_MILLIS * MINUTE_MILLIS;
    for table in SampleTable::ALL {
        let name = table.name();
        let mark = format!("thinned_{name}");
        let thinned = whole(state(transaction, &mark)?);
        let next = first(transaction, &format!("SELECT min(time) FROM {name} WHERE time >= ?1"), [thinned])?;
        let Some(first) = next.flatten().filter(|first: &i64| *first < before) else { continue };
        let from = first / MINUTE_MILLIS * MINUTE_MILLIS;
        let to = (from + THIN_MILLIS).min(before);
        let keys = table.keys().map(|key| format!(", {key}")).collect::<String>();
        let delete = format!(
            "DELETE FROM {name} WHERE time >= ?1 AND time < ?2 AND (time{keys}) NOT IN \
             (SELECT min(time){keys} FROM {name} WHERE time >= ?1 AND time < ?2 \
             GROUP BY time / {MINUTE_MILLIS}{keys})"
        );
        let removed = run(transaction, &delete, [from, to])?;
        set_state(transaction, &mark, to)?;
        return Ok(Progress { samples: removed as u64, more: true, ..Progress::default() });
    }
    Ok(Progress::default())
}
