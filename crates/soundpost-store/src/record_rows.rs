//! Rows of calls and log events: read by filter, and as batches that follow a cursor.

use rusqlite::{Connection, Params, Row};

use crate::cursor::{RecordKinds, Sequence};
use crate::record::{CallRow, EventRow, Record, RecordBatch, VitalsRow};
use crate::sample_rows::{self, NANOS};
use crate::schema::{CALLS, EVENTS, SampleTable};
use crate::series::CallSeries;
use crate::sql::{count, whole};

/// Maximum memory of a batch for each table, bytes.
const BATCH_BYTES: usize = 8 << 20;

/// Returns the calls of a statement that selects the columns of [`CALLS`].
pub(crate) fn calls(
    connection: &Connection,
    sql: &str,
    values: impl Params,
) -> rusqlite::Result<Vec<CallRow>> {
    // One transaction, so that a series exists as long as its calls.
    let transaction = connection.unchecked_transaction()?;
    let mut series = CallSeries::new(&transaction)?;
    let mut statement = transaction.prepare_cached(sql)?;
    statement.query_map(values, |row| call(row, &mut series))?.collect()
}

fn call(row: &Row<'_>, series: &mut CallSeries<'_>) -> rusqlite::Result<CallRow> {
    let mut call = CallRow { sequence: count(row.get(0)?), ..CallRow::default() };
    (call.call.operation, call.call.labels) = series.get(row.get(2)?)?;
    CALLS.read(row, &mut call.call)?;
    Ok(call)
}

/// Reads the batch after a sequence number, in one transaction.
pub(crate) fn batch(
    connection: &Connection,
    after: u64,
    kinds: RecordKinds,
    limit: usize,
) -> rusqlite::Result<RecordBatch> {
    let transaction = connection.unchecked_transaction()?;
    let mut reading =
        Reading { connection: &transaction, after, limit, horizon: u64::MAX, records: Vec::new() };
    if kinds.calls {
        let mut series = CallSeries::new(&transaction)?;
        reading.table("stored_calls", &CALLS.names(), |row| call(row, &mut series).map(Record::Call))?;
    }
    if kinds.events {
        reading.table("stored_events", &EVENTS.names(), |row| {
            let mut event = EventRow { sequence: count(row.get(0)?), ..EventRow::default() };
            EVENTS.read(row, &mut event.event)?;
            Ok(Record::Event(event))
        })?;
    }
    if kinds.vitals {
        reading.table("vitals_samples", "sequence, ordinal, time", |row| vitals(&transaction, row))?;
    }
    let Reading { horizon, mut records, .. } = reading;
    records.retain(|record| record.sequence() <= horizon);
    records.sort_by_key(Record::sequence);
    let is_last = horizon == u64::MAX && records.len() <= limit;
    records.truncate(limit);
    let numbers = match records.last().filter(|_| !is_last) {
        Some(last) => Sequence::through(&transaction, last.sequence())?,
        None => Sequence::last(&transaction)?,
    };
    let (through, passed) = (numbers.number.max(after), numbers.count(kinds));
    Ok(RecordBatch { after, records, through, passed, more: !is_last })
}

struct Reading<'a> {
    connection: &'a Connection,
    after: u64,
    limit: usize,
    /// Last sequence number up to which all tables were read.
    horizon: u64,
    records: Vec<Record>,
}

impl Reading<'_> {
    fn table(
        &mut self,
        table: &str,
        columns: &str,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<Record>,
    ) -> rusqlite::Result<()> {
        let sql = format!("SELECT {columns} FROM {table} WHERE sequence > ?1 ORDER BY sequence LIMIT ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let mut rows = statement.query([whole(self.after), limit])?;
        let (mut bytes, mut count, mut last) = (0, 0, self.after);
        while let Some(row) = rows.next()? {
            if bytes >= BATCH_BYTES {
                self.horizon = self.horizon.min(last);
                return Ok(());
            }
            let record = read(row)?;
            (bytes, count, last) = (bytes + record.weight(), count + 1, record.sequence());
            self.records.push(record);
        }
        if count >= self.limit {
            self.horizon = self.horizon.min(last);
        }
        Ok(())
    }
}

fn vitals(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<Record> {
    let sequence = count(row.get(0)?);
    let unix_nanos = count(row.get(2)?) * NANOS;
    let mut samples = Vec::new();
    for table in SampleTable::ALL {
        let range = unix_nanos..unix_nanos + NANOS;
        samples.extend(sample_rows::read(connection, table, &range, table.columns())?);
    }
    samples.retain(|sample| !sample.values.is_empty());
    Ok(Record::Vitals(VitalsRow { sequence, unix_nanos, samples }))
}
