//! A stored log event: how it is written and read.

use rusqlite::types::FromSqlError;
use rusqlite::{CachedStatement, Row, params};
use soundpost_core::{Level, LogEvent};

use super::record::EventRow;
use super::sql::{parsed, whole};
use super::{json, request_id};

/// Columns in the order of [`insert`] and [`read`].
pub(super) const COLUMNS: &str = "sequence, ordinal, time, level, message, logger, file, line, thread, request_id, \
    operation, pid, fields";

/// The statement of [`insert`].
pub(super) fn insertion() -> String {
    format!("INSERT INTO stored_events ({COLUMNS}) VALUES ({})", super::sql::places(13))
}

/// Writes an event under its numbers.
pub(super) fn insert(
    statement: &mut CachedStatement<'_>,
    (sequence, ordinal): (u64, u64),
    event: &LogEvent,
) -> rusqlite::Result<()> {
    let some = |text| Some(text).filter(|text: &&String| !text.is_empty());
    statement.execute(params![
        whole(sequence),
        whole(ordinal),
        whole(event.unix_nanos),
        event.level as u8,
        event.message,
        some(&event.logger),
        some(&event.file),
        event.line,
        some(&event.thread),
        some(&event.request_id).map(|id| request_id::stored(id)),
        some(&event.operation),
        event.pid,
        json::fields(&event.fields),
    ])?;
    Ok(())
}

/// Reads a row of [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    let number = |column: usize| row.get(column).map(|number: i64| number.max(0).cast_unsigned());
    let text = |column: usize| row.get(column).map(Option::<String>::unwrap_or_default);
    let level = Level::ALL.get(usize::try_from(number(3)?).unwrap_or(usize::MAX));
    let id = match row.get_ref(9)? {
        rusqlite::types::ValueRef::Null => String::new(),
        id => request_id::read(id)?,
    };
    let event = LogEvent {
        unix_nanos: number(2)?,
        level: *level.ok_or(FromSqlError::InvalidType)?,
        message: row.get(4)?,
        logger: text(5)?,
        file: text(6)?,
        line: row.get(7)?,
        thread: text(8)?,
        request_id: id,
        operation: text(10)?,
        pid: row.get(11)?,
        segment: 0,
        fields: parsed(row, 12, json::read_fields)?,
    };
    Ok(EventRow { sequence: number(0)?, event })
}

/// Bytes it takes in memory, about.
pub(super) fn weight(event: &LogEvent) -> usize {
    let texts =
        [&event.message, &event.logger, &event.file, &event.thread, &event.request_id, &event.operation];
    size_of::<LogEvent>()
        + texts.iter().map(|text| text.len()).sum::<usize>()
        + super::call_row::fields_weight(&event.fields)
}
