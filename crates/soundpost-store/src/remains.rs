//! Remains of removed records in a file from before removed bytes were overwritten. They are overwritten once, in steps.
//!
//! A page that is freed is overwritten. So each step deletes consecutive rows, which frees their pages, and inserts them
//! again.

use rusqlite::types::{FromSqlError, Value};
use rusqlite::{Connection, TransactionBehavior, params_from_iter};

use crate::error::is_damage;
use crate::schema::{REMAINS, set_state, state};
use crate::sql::{places, run, whole};

/// Tables with texts of records, their keys, and the number of rows of a step, which takes some milliseconds. The index of
/// a series has its texts as well, so all of them are rewritten at once.
const TABLES: [(&str, &str, usize); 3] =
    [("stored_calls", "sequence", 512), ("stored_events", "sequence", 512), ("call_series", "id", 1 << 14)];
/// Number of rows that two steps have in common: more than a page has, so that each page is freed.
const COMMON_ROWS: usize = 128;
/// Maximum pages that a step returns to the file system.
const VACUUM_PAGES: i64 = 64;
/// Number of times that each row is rewritten.
const PASSES: u64 = 2;
/// Progress in a table without remains.
const DONE: i64 = i64::MAX;

/// Returns whether the file may have remains.
pub(crate) fn exist(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(state(connection, REMAINS)? > 0)
}

/// Runs a step, if there are remains. Returns whether work is left.
pub(crate) fn remove_step(connection: &mut Connection) -> rusqlite::Result<bool> {
    let pass = state(connection, REMAINS)?;
    if pass == 0 {
        return Ok(false);
    }
    let marks = TABLES.map(|(table, ..)| format!("{REMAINS}_{table}"));
    for ((table, key, rows), mark) in TABLES.iter().zip(&marks) {
        let from = whole(state(connection, mark)?);
        if from < DONE {
            // Balancing leaves copies of rows in the pages at the ends of a step; the second pass has other ends.
            let rows = if pass == PASSES && from == 0 { rows / 2 } else { *rows };
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let rewritten = rewrite(&transaction, table, key, from, rows)
                .and_then(|next| set_state(&transaction, mark, next))
                .and_then(|()| transaction.commit());
            match rewritten {
                // Damaged rows stay as they are, and readers skip them.
                Err(error) if is_damage(&error) => set_state(connection, mark, DONE)?,
                rewritten => rewritten?,
            }
            return Ok(true);
        }
    }
    if pass < PASSES {
        marks.iter().try_for_each(|mark| set_state(connection, mark, 0))?;
        return set_state(connection, REMAINS, whole(PASSES)).map(|()| true);
    }
    let free = || connection.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0));
    let before = free()?;
    connection.pragma(None, "incremental_vacuum", VACUUM_PAGES, |_| Ok(()))?;
    let is_done = [0, before].contains(&free()?);
    if is_done {
        set_state(connection, REMAINS, 0)?;
    }
    Ok(!is_done)
}

/// Deletes rows from a key on and inserts them again. Returns the key from which the next step continues.
fn rewrite(connection: &Connection, table: &str, key: &str, from: i64, most: usize) -> rusqlite::Result<i64> {
    let select = format!("SELECT {key}, * FROM {table} WHERE {key} >= ?1 ORDER BY {key} LIMIT {most}");
    let mut select = connection.prepare_cached(&select)?;
    let names = select.column_names().skip(1).collect::<Vec<_>>().join(", ");
    let count = select.column_count();
    let read = |row: &rusqlite::Row<'_>| (0..count).map(|column| row.get(column)).collect();
    let from_key = if from == 0 { i64::MIN } else { from };
    let rows: Vec<Vec<Value>> = select.query_map([from_key], read)?.collect::<rusqlite::Result<_>>()?;
    let keys: Vec<&Value> = rows.iter().filter_map(|row| row.first()).collect();
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(DONE) };
    let deleted = if from == 0 && keys.len() < most {
        // Without a condition, the first page of the table and of its indexes is overwritten, too.
        run(connection, &format!("DELETE FROM {table}"), [])?
    } else {
        run(connection, &format!("DELETE FROM {table} WHERE {key} BETWEEN ?1 AND ?2"), [first, last])?
    };
    if deleted != rows.len() {
        // A damaged key is out of order.
        return Err(FromSqlError::InvalidType.into());
    }
    let insert = format!("INSERT INTO {table} ({names}) VALUES ({})", places(count - 1));
    let mut insert = connection.prepare_cached(&insert)?;
    for row in &rows {
        insert.execute(params_from_iter(&row[1..]))?;
    }
    match keys.get(most - COMMON_ROWS) {
        Some(Value::Integer(next)) if keys.len() == most => Ok(*next),
        _ => Ok(DONE),
    }
}
