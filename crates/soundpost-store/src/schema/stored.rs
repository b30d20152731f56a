//! Types of values that have a column.

use rusqlite::types::{FromSqlError, FromSqlResult, ToSqlOutput, Value, ValueRef};
use soundpost_core::{FieldValue, Level, Outcome};

use super::json;
use crate::sql::{count, whole};

pub(super) const NULL: ToSqlOutput<'static> = ToSqlOutput::Owned(Value::Null);

/// A type of value with a column of one SQL type.
pub(super) trait Stored: Sized {
    const SQL: &'static str;

    fn store(&self) -> ToSqlOutput<'_>;

    /// Reads a value; NULL where an older file has no such column.
    fn load(value: ValueRef<'_>) -> FromSqlResult<Self>;
}

/// Returns the SQL type of a field.
pub(super) const fn sql_type<R, T: Stored>(_field: fn(&R) -> &T) -> &'static str {
    T::SQL
}

/// Implements [`Stored`]: type, SQL type, and the conversions of each.
macro_rules! stored {
    ($($type:ty, $sql:literal, |$stored:ident| $store:expr, |$value:ident| $load:expr;)*) => {$(
        impl Stored for $type {
            const SQL: &'static str = $sql;

            fn store(&self) -> ToSqlOutput<'_> {
                let $stored = self;
                $store
            }

            fn load($value: ValueRef<'_>) -> FromSqlResult<Self> {
                $load
            }
        }
    )*};
}

stored! {
    u64, "INTEGER NOT NULL DEFAULT 0", |number| whole(*number).into(), |value| Ok(integer(value)?.map_or(0, count));
    i64, "INTEGER NOT NULL DEFAULT 0", |number| (*number).into(), |value| Ok(integer(value)?.unwrap_or(0));
    u32, "INTEGER NOT NULL DEFAULT 0", |number| (*number).into(), |value| Ok(small(value)?.unwrap_or(0));
    bool, "INTEGER NOT NULL DEFAULT 0", |truth| (*truth).into(), |value| Ok(integer(value)?.is_some_and(|truth| truth != 0));
    f64, "REAL NOT NULL DEFAULT 0", |number| finite(*number).into(), |value| Ok(value.as_f64_or_null()?.unwrap_or(0.0));
    String, "TEXT NOT NULL DEFAULT ''", |text| text.as_str().into(), |value| Ok(text(value)?.unwrap_or_default());
    Option<u64>, "INTEGER", |number| number.map_or(NULL, |number| whole(number).into()), |value| Ok(integer(value)?.map(count));
    Option<u32>, "INTEGER", |number| number.map_or(NULL, ToSqlOutput::from), |value| small(value);
    Option<String>, "TEXT", |text| text.as_deref().map_or(NULL, ToSqlOutput::from), |value| text(value);
    Outcome, "TEXT NOT NULL", |outcome| outcome.name().into(),
        |value| Outcome::from_name(value.as_str()?).ok_or(FromSqlError::InvalidType);
    Level, "INTEGER NOT NULL", |level| i64::from(*level as u8).into(),
        |value| Level::ALL.get(value.as_i64()? as usize).copied().ok_or(FromSqlError::InvalidType);
    Vec<(String, FieldValue)>, "TEXT", |fields| json::output(json::fields(fields)),
        |value| json::read(value, json::read_fields);
}

fn integer(value: ValueRef<'_>) -> FromSqlResult<Option<i64>> {
    value.as_i64_or_null()
}

fn small(value: ValueRef<'_>) -> FromSqlResult<Option<u32>> {
    let number = |number| u32::try_from(number).map_err(|_| FromSqlError::OutOfRange(number));
    integer(value)?.map(number).transpose()
}

fn text(value: ValueRef<'_>) -> FromSqlResult<Option<String>> {
    Ok(value.as_str_or_null()?.map(str::to_owned))
}

fn finite(number: f64) -> f64 {
    if number.is_finite() { number } else { 0.0 }
}
