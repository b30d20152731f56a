//! The file of a store that is open: what is kept ready to write to it.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use soundpost_core::{FinishedCall, step};

use super::batch::{Batch, DeathKey, RingEvent};
use super::kinds::KindIds;
use super::numbers::{CALLS, EVENTS, Numbers};
use super::samples::Samples;
use super::sinks::SinkRow;
use super::sql::whole;
use super::{call_row, event_row, file, schema};

/// Statements that are kept ready.
const STATEMENTS: usize = 32;

/// How calls and events are inserted.
struct Insertions {
    call: String,
    event: String,
}

/// The open file.
pub(super) struct Open {
    pub(super) connection: Connection,
    pub(super) kinds: KindIds,
    samples: Samples,
    insertions: Insertions,
    /// Which files it has open.
    pub(super) files: file::Identity,
}

impl Open {
    pub(super) fn new(connection: Connection, path: &Path) -> rusqlite::Result<Self> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let samples = Samples::new(&connection)?;
        let insertions = Insertions { call: call_row::insertion(), event: event_row::insertion() };
        connection.prepare_cached(&insertions.call)?;
        connection.prepare_cached(&insertions.event)?;
        schema::check(&connection)?;
        SinkRow::all(&connection)?;
        let files = file::identity(path);
        Ok(Self { connection, kinds: KindIds::default(), samples, insertions, files })
    }

    /// The sinks, as far as a damaged file tells, whose last numbers were these.
    pub(super) fn sinks(&self, last: &Numbers) -> Vec<SinkRow> {
        let mut sinks = SinkRow::all(&self.connection).unwrap_or_default();
        if let Some(deleted) =
            Numbers::deleted(&self.connection).ok().filter(|deleted| deleted.is_within(last))
        {
            sinks.iter_mut().for_each(|sink| sink.skip_removed(&deleted));
        }
        sinks
    }

    /// Goes on with the numbers and sinks of another file, whose records are lost.
    pub(super) fn adopt(&self, last: Numbers, sinks: &[SinkRow]) -> rusqlite::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        last.set_deleted(&transaction)?;
        for sink in sinks {
            let mut sink = sink.clone();
            sink.after_damage(&last);
            sink.save(&transaction)?;
        }
        transaction.commit()
    }

    /// Stores a batch; the numbers of its last record.
    pub(super) fn write(&mut self, batch: &Batch<'_>, last: Numbers) -> rusqlite::Result<Numbers> {
        let Self { connection, kinds, samples, insertions, .. } = self;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let written = write_records(&transaction, insertions, kinds, batch, last).and_then(|mut last| {
            samples.write(&transaction, batch.vitals, &mut last)?;
            write_cursors(&transaction, batch.cursors)?;
            step::reach("store-commit");
            transaction.commit()?;
            step::reach("store-commit");
            Ok(last)
        });
        if written.is_err() {
            // What was made for this batch is not there.
            kinds.forget();
            samples.forget();
        }
        written
    }
}

fn write_records(
    transaction: &Transaction<'_>,
    insertions: &Insertions,
    kinds: &mut KindIds,
    batch: &Batch<'_>,
    mut last: Numbers,
) -> rusqlite::Result<Numbers> {
    let mut insert_call = transaction.prepare_cached(&insertions.call)?;
    let mut insert_event = transaction.prepare_cached(&insertions.event)?;
    let mut add = |call: &FinishedCall, last: &mut Numbers| {
        let numbers = last.next(CALLS);
        let kind = kinds.id(transaction, call, numbers.0)?;
        call_row::insert(&mut insert_call, numbers, kind, call)
    };
    for record in batch.records {
        match record {
            RingEvent::Call(call) => add(call, &mut last)?,
            RingEvent::Log(event) => event_row::insert(&mut insert_event, last.next(EVENTS), event)?,
        }
    }
    for (key, call) in batch.died {
        if is_news(transaction, key, last.sequence + 1)? {
            add(call, &mut last)?;
        }
    }
    kinds.finish(transaction)?;
    Ok(last)
}

/// Notes that a call died; whether that was not known.
fn is_news(transaction: &Transaction<'_>, key: &DeathKey, sequence: u64) -> rusqlite::Result<bool> {
    let mut statement = transaction.prepare_cached(
        "INSERT OR IGNORE INTO deaths (segment, slot, sequence, call) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let [segment, use_of_slot] = [key.segment, key.sequence].map(u64::cast_signed);
    Ok(statement.execute(params![segment, key.slot, use_of_slot, whole(sequence)])? == 1)
}

fn write_cursors(transaction: &Transaction<'_>, cursors: &[(u64, u64)]) -> rusqlite::Result<()> {
    let mut statement = transaction
        .prepare_cached("INSERT OR REPLACE INTO segment_cursors (segment, position) VALUES (?1, ?2)")?;
    for (segment, position) in cursors {
        step::reach("cursor-save");
        statement.execute([segment.cast_signed(), position.cast_signed()])?;
    }
    Ok(())
}
