//! Parts of statements and of rows.

use rusqlite::Row;
use rusqlite::types::Type;

/// `?1, ?2, ...`: places for so many values.
pub(super) fn places(count: usize) -> String {
    (1..=count).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ")
}

/// A count or time as SQLite has it.
pub(super) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column of JSON.
pub(super) fn parsed<T>(
    row: &Row<'_>,
    column: usize,
    parse: fn(Option<&str>) -> serde_json::Result<T>,
) -> rusqlite::Result<T> {
    parse(row.get_ref(column)?.as_str_or_null()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
