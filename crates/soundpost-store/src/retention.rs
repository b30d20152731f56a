//! Retention in small steps: removes old and excess records, and thins old vitals to one a minute.

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::cursor::{SAMPLES, Sequence, SinkRow, TABLES};
use crate::limits::{LOG_BYTES, Limits};
use crate::sample_rows::NANOS;
use crate::schema::SampleTable;
use crate::series;
use crate::sql::{count, set_state, state, whole};

/// Maximum rows that a step removes from a table, which takes some milliseconds.
const STEP_ROWS: i64 = 1024;
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
    /// Whether work is left for another step.
    pub more: bool,
}

/// Runs one step: the first task with pending work. Vitals that one of these sinks has not shipped are thinned only to
/// make room.
pub(crate) fn step(
    connection: &mut Connection,
    limits: &Limits,
    now: u64,
    sinks: &[String],
) -> rusqlite::Result<Progress> {
    let kept_from = whole(limits.kept_from(now));
    let size = FileSize::read(connection)?;
    let room = limits.file_bytes();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut progress = remove_old(&transaction, kept_from)?;
    let full_rate_from = whole(limits.full_rate_from(now) / NANOS);
    if !progress.more && size.used > room {
        progress = thin(&transaction, full_rate_from)?;
        if !progress.more {
            progress = remove_oldest(&transaction)?;
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
    let has_excess = size.whole > room || size.free > size.whole / 4 && size.free > LOG_BYTES;
    if size.free_pages > 0 && has_excess {
        connection.pragma(None, "incremental_vacuum", VACUUM_PAGES, |_| Ok(()))?;
        progress.more = true;
    }
    Ok(progress)
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
    let last: Option<i64> = transaction
        .prepare_cached(&format!(
            "{FRONT} SELECT max(sequence) FROM front \
             WHERE sequence < coalesce((SELECT min(sequence) FROM front WHERE time >= ?2), 1 << 62)"
        ))?
        .query_row([STEP_ROWS, nanos], |row| row.get(0))?;
    if let Some(last) = last {
        progress.records = remove_records(transaction, last)?;
    }
    for table in SampleTable::ALL {
        progress.samples += remove_samples(transaction, table, nanos / NANOS.cast_signed())?;
    }
    progress.more = last.is_some() || progress.samples > 0;
    Ok(progress)
}

/// Removes the oldest records or samples.
fn remove_oldest(transaction: &Transaction<'_>) -> rusqlite::Result<Progress> {
    let first_record: Option<i64> = transaction
        .prepare_cached(&format!("{FRONT} SELECT time FROM front"))?
        .query_row([1], |row| row.get(0))
        .optional()?;
    let mut first_sample: Option<(i64, SampleTable)> = None;
    for table in SampleTable::ALL {
        let time: Option<i64> = transaction
            .prepare_cached(&format!("SELECT min(time) FROM {}", table.name()))?
            .query_row([], |row| row.get(0))?;
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
            let last: i64 = transaction
                .prepare_cached(&format!("{FRONT} SELECT max(sequence) FROM front"))?
                .query_row([STEP_ROWS], |row| row.get(0))?;
            progress.records = remove_records(transaction, last)?;
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
        let delete = format!("DELETE FROM {table} WHERE sequence <= ?1");
        let removed = transaction.prepare_cached(&delete)?.execute([last])?;
        rows += if table == TABLES[SAMPLES] { 0 } else { removed };
    }
    transaction.prepare_cached("DELETE FROM deaths WHERE call <= ?1")?.execute([last])?;
    series::delete_unused(transaction, last)?;
    deleted.set_deleted(transaction)?;
    Ok(rows as u64)
}

/// Removes the oldest samples of a table before a time, milliseconds.
fn remove_samples(transaction: &Transaction<'_>, table: SampleTable, before: i64) -> rusqlite::Result<u64> {
    let name = table.name();
    let removed = transaction
        .prepare_cached(&format!(
            "DELETE FROM {name} WHERE time < ?1 AND time <= \
             (SELECT max(time) FROM (SELECT time FROM {name} ORDER BY time LIMIT ?2))"
        ))?
        .execute([before, STEP_ROWS])?;
    Ok(removed as u64)
}

/// Returns the time of the first vitals that one of these sinks has not shipped, milliseconds.
fn first_unshipped(transaction: &Transaction<'_>, sinks: &[String]) -> rusqlite::Result<i64> {
    let mut first = i64::MAX;
    let sinks = SinkRow::all(transaction)?.into_iter().filter(|row| sinks.contains(row.name()));
    for sink in sinks.filter(|row| row.kinds().vitals) {
        let time: Option<i64> = transaction
            .prepare_cached("SELECT time FROM vitals_samples WHERE sequence > ?1 ORDER BY sequence LIMIT 1")?
            .query_row([whole(sink.cursor())], |row| row.get(0))
            .optional()?;
        first = first.min(time.unwrap_or(i64::MAX));
    }
    Ok(first)
}

/// Keeps the first sample of each minute and entity, within the next time range that is old enough.
fn thin(transaction: &Transaction<'_>, before: i64) -> rusqlite::Result<Progress> {
    let before = before / MINUTE_MILLIS * MINUTE_MILLIS;
    for table in SampleTable::ALL {
        let name = table.name();
        let mark = format!("thinned_{name}");
        let thinned = whole(state(transaction, &mark)?);
        let first: Option<i64> = transaction
            .prepare_cached(&format!("SELECT min(time) FROM {name} WHERE time >= ?1"))?
            .query_row([thinned], |row| row.get(0))?;
        let Some(first) = first.filter(|first| *first < before) else { continue };
        let from = first / MINUTE_MILLIS * MINUTE_MILLIS;
        let to = (from + THIN_MILLIS).min(before);
        let keys = table.keys().map(|key| format!(", {key}")).collect::<String>();
        let removed = transaction
            .prepare_cached(&format!(
                "DELETE FROM {name} WHERE time >= ?1 AND time < ?2 AND (time{keys}) NOT IN \
                 (SELECT min(time){keys} FROM {name} WHERE time >= ?1 AND time < ?2 \
                 GROUP BY time / {MINUTE_MILLIS}{keys})"
            ))?
            .execute([from, to])?;
        set_state(transaction, &mark, to)?;
        return Ok(Progress { records: 0, samples: removed as u64, more: true });
    }
    Ok(Progress::default())
}
