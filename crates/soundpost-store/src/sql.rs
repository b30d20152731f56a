//! Parts of statements and rows.

use rusqlite::types::{FromSql, Value};
use rusqlite::{Connection, OptionalExtension as _, Params};

/// Runs a statement, which is cached. Returns the number of changed rows.
pub(crate) fn run(connection: &Connection, sql: &str, values: impl Params) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(values)
}

/// Returns the first column of the first row of a query, which is cached; `None` without a row.
pub(crate) fn first<T: FromSql>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
) -> rusqlite::Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()
}

/// Returns `?1, ?2, ...`: placeholders for `count` values.
pub(crate) fn places(count: usize) -> String {
    (1..=count).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ")
}

/// Converts a count or time for SQLite; saturates.
pub(crate) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Converts a count or time of SQLite; a negative number is 0.
pub(crate) fn count(number: i64) -> u64 {
    number.max(0).cast_unsigned()
}

/// Returns an integer; `None` for a value that is none, because it is damaged.
pub(crate) fn whole_of(value: &Value) -> Option<i64> {
    if let Value::Integer(number) = value { Some(*number) } else { None }
}

/// Returns a number of the table `state`; 0 if it has none, or something else.
pub(crate) fn state(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let value: Option<Value> = first(connection, "SELECT value FROM state WHERE name = ?1", [name])?;
    Ok(value.and_then(|value| whole_of(&value)).map_or(0, count))
}

pub(crate) fn set_state(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    run(connection, "INSERT OR REPLACE INTO state (name, value) VALUES (?1, ?2)", (name, value)).map(drop)
}
