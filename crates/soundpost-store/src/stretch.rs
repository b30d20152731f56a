//! Reading on: the records after a cursor, of several tables in one order.

use rusqlite::{Connection, Params, Row};

use super::column::{Column, Table};
use super::kinds::Kinds;
use super::numbers::Numbers;
use super::record::{Moment, Record, RecordKinds, Stretch};
use super::samples::NANOS;
use super::sql::whole;
use super::{call_row, event_row, samples};

/// A stretch takes at most about so many bytes of memory from each table.
const BYTES: usize = 8 << 20;
/// What a record takes beside its texts and fields, at least.
const ROW: usize = 128;

/// Reads the stretch, from one moment of the store.
pub(super) fn read(
    connection: &Connection,
    after: u64,
    kinds: RecordKinds,
    limit: usize,
) -> rusqlite::Result<Stretch> {
    let transaction = connection.unchecked_transaction()?;
    let mut reading =
        Reading { connection: &transaction, after, limit, horizon: u64::MAX, records: Vec::new() };
    if kinds.calls {
        let mut known = Kinds::new(&transaction)?;
        reading.table("stored_calls", call_row::COLUMNS, |row| {
            let call = call_row::read(row, &mut known)?;
            Ok((ROW + call_row::fields_weight(&call.fields), Record::Call(call)))
        })?;
    }
    if kinds.events {
        reading.table("stored_events", event_row::COLUMNS, |row| {
            let row = event_row::read(row)?;
            Ok((ROW + event_row::weight(&row.event), Record::Event(row)))
        })?;
    }
    if kinds.vitals {
        reading.table("moments", "sequence, ordinal, time", |row| moment(&transaction, row))?;
    }
    let Reading { horizon, mut records, .. } = reading;
    records.retain(|record| record.sequence() <= horizon);
    records.sort_by_key(Record::sequence);
    let whole = horizon == u64::MAX && records.len() <= limit;
    records.truncate(limit);
    let numbers = match records.last().filter(|_| !whole) {
        Some(last) => Numbers::through(&transaction, last.sequence())?,
        None => Numbers::last(&transaction)?,
    };
    let (through, passed) = (numbers.sequence.max(after), numbers.counts.of(kinds));
    Ok(Stretch { after, records, through, passed, more: !whole })
}

struct Reading<'a> {
    connection: &'a Connection,
    after: u64,
    limit: usize,
    /// What lies behind it was not read of all tables.
    horizon: u64,
    records: Vec<Record>,
}

impl Reading<'_> {
    /// Reads on in a table; `read` gives a record and about its bytes.
    fn table(
        &mut self,
        table: &str,
        columns: &str,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<(usize, Record)>,
    ) -> rusqlite::Result<()> {
        let sql = format!("SELECT {columns} FROM {table} WHERE sequence > ?1 ORDER BY sequence LIMIT ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let mut rows = statement.query(bound(self.after, limit))?;
        let (mut bytes, mut count, mut last) = (0, 0, self.after);
        while let Some(row) = rows.next()? {
            if bytes >= BYTES {
                self.horizon = self.horizon.min(last);
                return Ok(());
            }
            let (weight, record) = read(row)?;
            (bytes, count, last) = (bytes + weight, count + 1, record.sequence());
            self.records.push(record);
        }
        if count >= self.limit {
            self.horizon = self.horizon.min(last);
        }
        Ok(())
    }
}

fn bound(after: u64, limit: i64) -> impl Params {
    [whole(after), limit]
}

fn moment(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<(usize, Record)> {
    let sequence = row.get::<_, i64>(0)?.max(0).cast_unsigned();
    let unix_nanos = row.get::<_, i64>(2)?.max(0).cast_unsigned() * NANOS;
    let mut found = Vec::new();
    for table in Table::ALL {
        let columns: Vec<&'static Column> = table.columns().iter().collect();
        found.extend(samples::read(connection, table, &(unix_nanos..unix_nanos + NANOS), &columns)?);
    }
    found.retain(|sample| !sample.values.is_empty());
    let weight = ROW + found.len() * 64;
    Ok((weight, Record::Vitals(Moment { sequence, unix_nanos, samples: found })))
}
