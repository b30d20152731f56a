//! Retention, in small steps: what is too old, what is too much, and old vitals to one a minute.

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use super::column::Table;
use super::kinds;
use super::limits::{LOG_BYTES, Limits};
use super::numbers::{self, MOMENTS, Numbers, TABLES};
use super::samples::NANOS;
use super::sinks::SinkRow;
use super::sql::whole;

/// Most rows that a step removes from a table: a few milliseconds.
const ROWS: i64 = 1024;

/// Old vitals are kept one for so long, milliseconds.
const MINUTE: i64 = 60_000;

/// How much of a table a step thins, milliseconds.
const STRETCH: i64 = 5 * MINUTE;

/// Pages that a step gives back to the file system.
const PAGES: i64 = 64;

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Calls and log events that were removed; sinks that had not shipped them count them as dropped.
    pub records: u64,
    /// Samples that were removed.
    pub samples: u64,
    /// Whether another step has something to do.
    pub more: bool,
}

/// The first of these that has something to do at a time, does a step of it. What waits for one of these sinks is thinned
/// only to make room.
pub(super) fn step(
    connection: &mut Connection,
    limits: &Limits,
    now: u64,
    sinks: &[String],
) -> rusqlite::Result<Progress> {
    let kept_from = whole(limits.kept_from(now));
    let size = Size::of(connection)?;
    let room = limits.file_bytes();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut progress = older_than(&transaction, kept_from)?;
    let full_rate_from = whole(limits.full_rate_from(now) / NANOS);
    if !progress.more && size.used > room {
        progress = thin(&transaction, full_rate_from)?;
        if !progress.more {
            progress = oldest(&transaction)?;
        }
    }
    if !progress.more {
        progress = thin(&transaction, full_rate_from.min(first_to_ship(&transaction, sinks)?))?;
    }
    if progress.more {
        transaction.commit()?;
        return Ok(progress);
    }
    drop(transaction);
    // Free pages are used again; only many of them are given back.
    if size.free_pages > 0 && (size.whole > room || size.free > size.whole / 4 && size.free > LOG_BYTES) {
        connection.pragma(None, "incremental_vacuum", PAGES, |_| Ok(()))?;
        progress.more = true;
    }
    Ok(progress)
}

/// How large the file is, without its log.
struct Size {
    whole: u64,
    free: u64,
    used: u64,
    free_pages: u64,
}

impl Size {
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let number = |name| {
            connection.pragma_query_value(None, name, |row| row.get(0).map(|n: i64| n.max(0).cast_unsigned()))
        };
        let [page, pages, free_pages] =
            [number("page_size")?, number("page_count")?, number("freelist_count")?];
        let [whole, free] = [page * pages, page * free_pages];
        Ok(Self { whole, free, used: whole.saturating_sub(free), free_pages })
    }
}

/// The records at the front, and their times.
const FRONT: &str = "WITH front AS (SELECT * FROM ( \
     SELECT * FROM (SELECT sequence, ended AS time FROM stored_calls ORDER BY sequence LIMIT ?1) UNION ALL \
     SELECT * FROM (SELECT sequence, time FROM stored_events ORDER BY sequence LIMIT ?1) UNION ALL \
     SELECT * FROM (SELECT sequence, time * 1000000 FROM moments ORDER BY sequence LIMIT ?1)) \
     ORDER BY sequence LIMIT ?1)";

/// Removes what is older than a nanosecond.
fn older_than(transaction: &Transaction<'_>, nanos: i64) -> rusqlite::Result<Progress> {
    let mut progress = Progress::default();
    // Only from the front, so that what a sink missed is one stretch. A record with a time in the future, after
    // the clock was wrong, keeps those behind it until its time has come, or room is needed.
    let last: Option<i64> = transaction
        .prepare_cached(&format!(
            "{FRONT} SELECT max(sequence) FROM front \
             WHERE sequence < coalesce((SELECT min(sequence) FROM front WHERE time >= ?2), 1 << 62)"
        ))?
        .query_row([ROWS, nanos], |row| row.get(0))?;
    if let Some(last) = last {
        progress.records = delete_records(transaction, last)?;
    }
    for table in Table::ALL {
        progress.samples += delete_samples(transaction, table, nanos / NANOS.cast_signed())?;
    }
    progress.more = last.is_some() || progress.samples > 0;
    Ok(progress)
}

/// Removes the oldest of all there is.
fn oldest(transaction: &Transaction<'_>) -> rusqlite::Result<Progress> {
    let first_record: Option<i64> = transaction
        .prepare_cached(&format!("{FRONT} SELECT time FROM front"))?
        .query_row([1], |row| row.get(0))
        .optional()?;
    let mut first_sample: Option<(i64, Table)> = None;
    for table in Table::ALL {
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
            progress.samples = delete_samples(transaction, table, i64::MAX)?;
        }
        (Some(_), _) => {
            let last: i64 = transaction
                .prepare_cached(&format!("{FRONT} SELECT max(sequence) FROM front"))?
                .query_row([ROWS], |row| row.get(0))?;
            progress.records = delete_records(transaction, last)?;
        }
        (None, _) => return Ok(progress),
    }
    progress.more = true;
    Ok(progress)
}

/// Removes records through a sequence number; how many calls and events.
fn delete_records(transaction: &Transaction<'_>, last: i64) -> rusqlite::Result<u64> {
    let deleted = Numbers::through(transaction, last.max(0).cast_unsigned())?;
    let mut rows = 0;
    for table in TABLES {
        let delete = format!("DELETE FROM {table} WHERE sequence <= ?1");
        let deleted = transaction.prepare_cached(&delete)?.execute([last])?;
        rows += if table == TABLES[MOMENTS] { 0 } else { deleted };
    }
    transaction.prepare_cached("DELETE FROM deaths WHERE call <= ?1")?.execute([last])?;
    kinds::delete_unused(transaction, last)?;
    deleted.set_deleted(transaction)?;
    Ok(rows as u64)
}

/// Removes the oldest samples of a table that are older than a millisecond.
fn delete_samples(transaction: &Transaction<'_>, table: Table, before: i64) -> rusqlite::Result<u64> {
    let name = table.name();
    let deleted = transaction
        .prepare_cached(&format!(
            "DELETE FROM {name} WHERE time < ?1 AND time <= \
             (SELECT max(time) FROM (SELECT time FROM {name} ORDER BY time LIMIT ?2))"
        ))?
        .execute([before, ROWS])?;
    Ok(deleted as u64)
}

/// When the first vitals were sampled that one of these sinks is still to ship, milliseconds.
fn first_to_ship(transaction: &Transaction<'_>, sinks: &[String]) -> rusqlite::Result<i64> {
    let mut first = i64::MAX;
    for sink in
        SinkRow::all(transaction)?.iter().filter(|row| row.gets_vitals() && sinks.contains(row.name()))
    {
        let time: Option<i64> = transaction
            .prepare_cached("SELECT time FROM moments WHERE sequence > ?1 ORDER BY sequence LIMIT 1")?
            .query_row([whole(sink.cursor())], |row| row.get(0))
            .optional()?;
        first = first.min(time.unwrap_or(i64::MAX));
    }
    Ok(first)
}

/// Leaves the first sample of each minute of each thing, in the next stretch that is old enough.
fn thin(transaction: &Transaction<'_>, before: i64) -> rusqlite::Result<Progress> {
    let before = before / MINUTE * MINUTE;
    for table in Table::ALL {
        let name = table.name();
        let mark = format!("thinned_{name}");
        let thinned = whole(numbers::value(transaction, &mark)?);
        let first: Option<i64> = transaction
            .prepare_cached(&format!("SELECT min(time) FROM {name} WHERE time >= ?1"))?
            .query_row([thinned], |row| row.get(0))?;
        let Some(first) = first.filter(|first| *first < before) else { continue };
        let from = first / MINUTE * MINUTE;
        let to = (from + STRETCH).min(before);
        let keys = table.keys().iter().map(|key| format!(", {key}")).collect::<String>();
        let deleted = transaction
            .prepare_cached(&format!(
                "DELETE FROM {name} WHERE time >= ?1 AND time < ?2 AND (time{keys}) NOT IN \
                 (SELECT min(time){keys} FROM {name} WHERE time >= ?1 AND time < ?2 GROUP BY time / {MINUTE}{keys})"
            ))?
            .execute([from, to])?;
        numbers::set_value(transaction, &mark, to)?;
        return Ok(Progress { records: 0, samples: deleted as u64, more: true });
    }
    Ok(Progress::default())
}
