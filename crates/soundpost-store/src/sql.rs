//! Parts of statements and rows.

use rusqlite::types::FromSql;
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
