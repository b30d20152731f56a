//! Parts of statements and rows.

use rusqlite::{Connection, OptionalExtension as _};

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

/// Returns a number of the table `state`; 0 if it has none.
pub(crate) fn state(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let value: Option<i64> = connection
        .prepare_cached("SELECT value FROM state WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(value.map_or(0, count))
}

/// Stores a number in the table `state`.
pub(crate) fn set_state(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO state (name, value) VALUES (?1, ?2)")?
        .execute((name, value))
        .map(drop)
}
