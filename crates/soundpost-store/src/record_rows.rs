//! Rows of calls and log events: read by filter, and as batches that follow a cursor.

use std::ops::ControlFlow;

use rusqlite::types::FromSqlError;
use rusqlite::{Connection, Row, params_from_iter};

use crate::cursor::{RecordKinds, Sequence};
use crate::error::is_damage;
use crate::filter::{CallFilter, Filter, LogFilter};
use crate::record::{CallRow, EventRow, Record, RecordBatch, VitalsRow};
use crate::sample_rows::{NANOS, SampleReader};
use crate::scan::Scan;
use crate::schema::{CALLS, EVENTS, RecordTable, SAMPLE_TIMES, SampleTable, SampleTime};
use crate::shared_rows::SharedRows;

/// Maximum memory of a batch for each table, bytes.
const BATCH_BYTES: usize = 8 << 20;

/// Distance in sequence numbers at which a scan begins earlier, because a damaged number misleads a search in its page.
const MARGIN: u64 = 1000;

/// Returns the calls that match, in the filter's order, and the number of damaged calls that were skipped.
pub(crate) fn calls(connection: &Connection, filter: &CallFilter) -> rusqlite::Result<(Vec<CallRow>, u64)> {
    // One transaction, so that a series exists as long as its calls.
    let transaction = connection.unchecked_transaction()?;
    match indexed_calls(&transaction, filter) {
        Err(error) if is_damage(&error) => matching(filter, |visit| sound_calls(&transaction, visit)),
        calls => calls.map(|calls| (calls, 0)),
    }
}

/// Returns the log events that match, as [`calls`] does.
pub(crate) fn events(connection: &Connection, filter: &LogFilter) -> rusqlite::Result<(Vec<EventRow>, u64)> {
    let transaction = connection.unchecked_transaction()?;
    match selected_events(&transaction, filter) {
        Err(error) if is_damage(&error) => matching(filter, |visit| sound_events(&transaction, visit)),
        events => events.map(|events| (events, 0)),
    }
}

/// Returns the visited records that match, in the filter's order, and the number that `visit` returns.
fn matching<F: Filter>(
    filter: &F,
    visit: impl FnOnce(&mut dyn FnMut(F::Row)) -> rusqlite::Result<u64>,
) -> rusqlite::Result<(Vec<F::Row>, u64)> {
    let (mut rows, limit) = (Vec::new(), filter.limit().unwrap_or(usize::MAX));
    let damaged = visit(&mut |row| {
        if filter.matches(&row) {
            rows.push(row);
        }
        if rows.len() / 2 > limit.max(MARGIN as usize) {
            filter.sort(&mut rows);
        }
    })?;
    filter.sort(&mut rows);
    Ok((rows, damaged))
}

/// Returns the calls that match, by the indexes.
fn indexed_calls(connection: &Connection, filter: &CallFilter) -> rusqlite::Result<Vec<CallRow>> {
    let (sql, values) = filter.select();
    let mut shared = SharedRows::new(connection);
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(params_from_iter(&values), |row| Ok(call(row, &mut shared)?.1))?.collect()
}

/// Returns the events that match, read no further than the limit.
fn selected_events(connection: &Connection, filter: &LogFilter) -> rusqlite::Result<Vec<EventRow>> {
    let (sql, values) = filter.select();
    let mut statement = connection.prepare_cached(&sql)?;
    let mut shared = SharedRows::new(connection);
    let events = statement.query_map(params_from_iter(&values), |row| event(row, &mut shared))?;
    let is_wanted = |row: &EventRow| filter.has_pattern(&row.event);
    let wanted = events.filter(|row| row.as_ref().map_or(true, is_wanted));
    wanted.take(filter.limit.unwrap_or(usize::MAX)).collect()
}

/// Visits the sound calls in the order of the table. Returns the number of damaged ones.
pub(crate) fn sound_calls(connection: &Connection, visit: impl FnMut(CallRow)) -> rusqlite::Result<u64> {
    let mut shared = SharedRows::new(connection);
    let read = |row: &Row<'_>| call(row, &mut shared).map(|(_, call)| (call.sequence, call));
    sound(connection, &CALLS, read, visit)
}

/// Visits the sound log events as [`sound_calls`] does.
pub(crate) fn sound_events(connection: &Connection, visit: impl FnMut(EventRow)) -> rusqlite::Result<u64> {
    let mut shared = SharedRows::new(connection);
    let read = |row: &Row<'_>| event(row, &mut shared).map(|event| (event.sequence, event));
    sound(connection, &EVENTS, read, visit)
}

/// Visits the sound records in the order of the table; `read` returns each with its sequence number. Returns the number
/// of damaged ones.
pub(crate) fn sound<R: Default, T>(
    connection: &Connection,
    table: &RecordTable<R>,
    mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<(u64, T)>,
    mut visit: impl FnMut(T),
) -> rusqlite::Result<u64> {
    let mut damaged = 0;
    Scan::after(table.name(), &table.names(), 0).visit(connection, |row| {
        if let Some(sequence) = row.and_then(|row| table.erased(row)) {
            return Ok(ControlFlow::Continue(Some(sequence)));
        }
        let sound = match row.map(&mut read) {
            Some(Err(error)) if !is_damage(&error) => return Err(error),
            read => read.and_then(Result::ok),
        };
        damaged += u64::from(sound.is_none());
        let sequence = sound.as_ref().map(|(sequence, _)| *sequence);
        sound.into_iter().for_each(|(_, record)| visit(record));
        Ok(ControlFlow::Continue(sequence))
    })?;
    Ok(damaged)
}

/// Returns the ordinal and the call of a row.
fn call(row: &Row<'_>, shared: &mut SharedRows<'_>) -> rusqlite::Result<(u64, CallRow)> {
    let mut call = CallRow::default();
    let ([sequence, ordinal], origin) = CALLS.read(row, &mut call.call)?;
    call.sequence = sequence;
    (call.call.operation, call.call.labels) = shared.series(row.get(2)?)?;
    call.call.origin = shared.origin(origin)?;
    Ok((ordinal, call))
}

fn event(row: &Row<'_>, shared: &mut SharedRows<'_>) -> rusqlite::Result<EventRow> {
    let mut event = EventRow::default();
    let ([sequence, _], origin) = EVENTS.read(row, &mut event.event)?;
    event.sequence = sequence;
    event.event.origin = shared.origin(origin)?;
    Ok(event)
}

/// Reads the batch after a sequence number, in one transaction.
pub(crate) fn batch(
    connection: &Connection,
    after: u64,
    kinds: RecordKinds,
    limit: usize,
) -> rusqlite::Result<RecordBatch> {
    let transaction = connection.unchecked_transaction()?;
    match batch_with(&transaction, after, kinds, limit, 0)? {
        (batch, 0) => Ok(batch),
        _ => Ok(batch_with(&transaction, after, kinds, limit, MARGIN)?.0),
    }
}

/// Reads a batch by scans that begin `margin` records earlier. Returns it with the difference between its records and
/// the records that were stored.
fn batch_with(
    transaction: &Connection,
    after: u64,
    kinds: RecordKinds,
    limit: usize,
    margin: u64,
) -> rusqlite::Result<(RecordBatch, i64)> {
    let (horizon, records, erased) = (u64::MAX, Vec::new(), Vec::new());
    let mut reading = Reading { connection: transaction, after, margin, limit, horizon, records, erased };
    let mut shared = SharedRows::new(transaction);
    if kinds.calls {
        let read = |row: &Row<'_>| Ok(Record::Call(call(row, &mut shared)?.1));
        reading.table(CALLS.name(), &CALLS.names(), |row| CALLS.erased(row), read)?;
    }
    if kinds.events {
        let read = |row: &Row<'_>| event(row, &mut shared).map(Record::Event);
        reading.table(EVENTS.name(), &EVENTS.names(), |row| EVENTS.erased(row), read)?;
    }
    if kinds.vitals {
        let mut reader = SampleReader::new(transaction);
        let read = |row: &Row<'_>| vitals(&mut reader, row, &mut shared);
        reading.table(SAMPLE_TIMES.name(), &SAMPLE_TIMES.names(), |_| None, read)?;
    }
    let Reading { horizon, mut records, mut erased, .. } = reading;
    records.retain(|record| record.sequence() <= horizon);
    records.sort_by_key(Record::sequence);
    let is_last = horizon == u64::MAX && records.len() <= limit;
    records.truncate(limit);
    let end = records.last().filter(|_| !is_last).map_or(u64::MAX, Record::sequence);
    let [_, numbers] = Sequence::range(transaction, end, margin)?;
    // A damaged number may mislead the search for the last record.
    let last = records.last().map_or(after, Record::sequence);
    let (through, passed) = (if is_last { numbers.number.max(last) } else { last }, numbers.count(kinds));
    // Damaged records at the cursor may belong to either batch.
    let [before, _] = Sequence::range(transaction, after, margin)?;
    erased.retain(|sequence| *sequence <= through);
    let read = records.len() + erased.len();
    let missing = passed.saturating_sub(before.count(kinds)).cast_signed() - read as i64;
    let damaged = missing.max(0).cast_unsigned();
    Ok((RecordBatch { after, records, through, passed, damaged, erased, more: !is_last }, missing))
}

struct Reading<'a> {
    connection: &'a Connection,
    after: u64,
    margin: u64,
    limit: usize,
    /// Last sequence number up to which all tables were read.
    horizon: u64,
    records: Vec<Record>,
    /// Sequence numbers of erased records.
    erased: Vec<u64>,
}

impl Reading<'_> {
    fn table(
        &mut self,
        table: &str,
        columns: &str,
        erased: impl Fn(&Row<'_>) -> Option<u64>,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<Record>,
    ) -> rusqlite::Result<()> {
        let Self { after, limit, .. } = *self;
        let (mut bytes, mut count, mut last, mut is_cut) = (0, 0, after, limit == 0);
        Scan::after(table, columns, after.saturating_sub(self.margin)).visit(self.connection, |row| {
            if bytes >= BATCH_BYTES || count >= limit {
                is_cut = true;
                return Ok(ControlFlow::Break(()));
            }
            if let Some(sequence) = row.and_then(&erased) {
                self.erased.extend((sequence > after).then_some(sequence));
                return Ok(ControlFlow::Continue(Some(sequence)));
            }
            let record = match row.map(&mut read) {
                Some(Ok(record)) => record,
                Some(Err(error)) if !is_damage(&error) => return Err(error),
                _ => return Ok(ControlFlow::Continue(None)),
            };
            let sequence = record.sequence();
            if sequence > after {
                (bytes, count, last) = (bytes + record.weight(), count + 1, sequence);
                self.records.push(record);
            }
            Ok(ControlFlow::Continue(Some(sequence)))
        })?;
        if is_cut {
            self.horizon = self.horizon.min(last);
        }
        Ok(())
    }
}

fn vitals(
    reader: &mut SampleReader<'_>,
    row: &Row<'_>,
    shared: &mut SharedRows<'_>,
) -> rusqlite::Result<Record> {
    let mut time = SampleTime::default();
    let ([sequence, _], origin) = SAMPLE_TIMES.read(row, &mut time)?;
    let unix_nanos = time.millis.saturating_mul(NANOS);
    let (mut samples, mut damaged) = (Vec::new(), 0);
    for table in SampleTable::ALL {
        let range = unix_nanos..unix_nanos.saturating_add(NANOS);
        let (read, lost) = reader.read(table, &range, |_| true)?;
        samples.extend(read);
        damaged += lost;
    }
    if samples.is_empty() && damaged > 0 {
        return Err(FromSqlError::InvalidType.into());
    }
    samples.retain(|sample| !sample.values.is_empty());
    let origin = shared.origin(origin)?;
    Ok(Record::Vitals(VitalsRow { sequence, unix_nanos, origin, samples }))
}
