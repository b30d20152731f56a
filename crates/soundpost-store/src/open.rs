//! The open file of a store, with its prepared statements and caches.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use soundpost_core::{FinishedCall, step};

use crate::batch::{Batch, DeathKey, RingEvent};
use crate::cursor::{CALLS, EVENTS, Sequence, SinkRow};
use crate::file::{self, Identity};
use crate::sample_rows::SampleWriter;
use crate::schema;
use crate::shared_rows::SharedIds;
use crate::sql::{run, whole};

/// Maximum number of prepared statements.
const STATEMENTS: usize = 32;

pub(crate) struct OpenFile {
    pub(crate) connection: Connection,
    pub(crate) shared: SharedIds,
    samples: SampleWriter,
    pub(crate) identity: Identity,
    /// Number that changes when another program writes to the file.
    version: i64,
}

impl OpenFile {
    pub(crate) fn new(connection: Connection, path: &Path) -> rusqlite::Result<Self> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let samples = SampleWriter::new(&connection)?;
        connection.prepare_cached(schema::CALLS.insertion())?;
        connection.prepare_cached(schema::EVENTS.insertion())?;
        connection.prepare_cached(schema::SAMPLE_TIMES.insertion())?;
        schema::check(&connection)?;
        SinkRow::all(&connection)?;
        let identity = file::identity(path);
        Ok(Self { connection, shared: SharedIds::default(), samples, identity, version: 0 })
    }

    /// Returns the sinks as far as a damaged file has them; `last` is its newest record.
    pub(crate) fn sinks(&self, last: &Sequence) -> Vec<SinkRow> {
        let mut sinks = SinkRow::all(&self.connection).unwrap_or_default();
        let deleted = Sequence::deleted(&self.connection).ok().filter(|deleted| deleted.is_within(last));
        if let Some(deleted) = deleted {
            sinks.iter_mut().for_each(|sink| sink.skip_removed(&deleted));
        }
        sinks
    }

    /// Continues the numbers and the sinks of another file, whose records are lost.
    pub(crate) fn continue_from(&self, last: Sequence, sinks: &[SinkRow]) -> rusqlite::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        last.set_deleted(&transaction)?;
        for sink in sinks {
            let mut sink = sink.clone();
            sink.drop_damaged(&last);
            sink.save(&transaction)?;
        }
        transaction.commit()
    }

    /// Stores a batch. Returns the numbers of its last record.
    pub(crate) fn write(&mut self, batch: &Batch<'_>, last: Sequence) -> rusqlite::Result<Sequence> {
        let Self { connection, shared, samples, version, .. } = self;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // The program may have removed shared rows.
        let found = transaction.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if std::mem::replace(version, found) != found {
            shared.clear();
        }
        let written = write_records(&transaction, shared, batch, last).and_then(|mut last| {
            let origin = batch.vitals_origin;
            samples.write(&transaction, batch.vitals, &mut last, |sequence| {
                shared.origin(&transaction, origin, sequence)
            })?;
            shared.finish(&transaction)?;
            write_cursors(&transaction, batch.cursors)?;
            step::reach("store-commit");
            transaction.commit()?;
            step::reach("store-commit");
            Ok(last)
        });
        if written.is_err() {
            shared.clear();
            samples.clear();
        }
        written
    }
}

fn write_records(
    transaction: &Transaction<'_>,
    shared: &mut SharedIds,
    batch: &Batch<'_>,
    mut last: Sequence,
) -> rusqlite::Result<Sequence> {
    let mut insert_call = transaction.prepare_cached(schema::CALLS.insertion())?;
    let mut insert_event = transaction.prepare_cached(schema::EVENTS.insertion())?;
    let mut add_call = |shared: &mut SharedIds, call: &FinishedCall, last: &mut Sequence| {
        let (sequence, ordinal) = last.next(CALLS);
        let series = shared.series(transaction, call, sequence)?;
        let origin = shared.origin(transaction, call.origin.as_deref(), sequence)?;
        let keys = [Some(whole(sequence)), Some(whole(ordinal)), Some(series), origin];
        schema::CALLS.insert(&mut insert_call, &keys, call)
    };
    for record in batch.records {
        match record {
            RingEvent::Call(call) => add_call(shared, call, &mut last)?,
            RingEvent::Log(event) => {
                let (sequence, ordinal) = last.next(EVENTS);
                let origin = shared.origin(transaction, event.origin.as_deref(), sequence)?;
                let keys = [Some(whole(sequence)), Some(whole(ordinal)), origin];
                schema::EVENTS.insert(&mut insert_event, &keys, event)?;
            }
        }
    }
    for (key, call) in batch.died {
        if insert_death(transaction, key, last.number + 1)? {
            add_call(shared, call, &mut last)?;
        }
    }
    Ok(last)
}

/// Stores a death. Returns whether it is new.
fn insert_death(transaction: &Transaction<'_>, key: &DeathKey, sequence: u64) -> rusqlite::Result<bool> {
    let insert = "INSERT OR IGNORE INTO deaths (segment, slot, sequence, call) VALUES (?1, ?2, ?3, ?4)";
    let [segment, slot_use] = [key.segment, key.sequence].map(u64::cast_signed);
    Ok(run(transaction, insert, params![segment, key.slot, slot_use, whole(sequence)])? == 1)
}

fn write_cursors(transaction: &Transaction<'_>, cursors: &[(u64, u64)]) -> rusqlite::Result<()> {
    for (segment, position) in cursors {
        step::reach("cursor-save");
        let values = [segment, position].map(|number| number.cast_signed().into());
        schema::SEGMENT_CURSORS.replace(transaction, values.into())?;
    }
    Ok(())
}
