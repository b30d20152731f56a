//! Checksums of rows, which detect changed bytes that SQLite reads as values.

use rusqlite::Row;
use rusqlite::types::{FromSqlError, Value, ValueRef};

/// Column with the checksum of a row; NULL in rows of older versions, and in rows that an operator edited.
pub(super) const CHECKSUM: (&str, &str) = ("checksum", "INTEGER");

/// Checksum of the types and values of a row.
#[derive(Default)]
pub(crate) struct Checksum(crc32fast::Hasher);

impl Checksum {
    /// Returns the checksum of values. NULL does not count, so that columns can be added.
    pub(crate) fn of(values: &[Value]) -> i64 {
        let mut checksum = Self::default();
        values.iter().for_each(|value| checksum.add_value(value.into()));
        checksum.finish()
    }

    pub(super) fn add(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.0.update(&[0]),
            ValueRef::Integer(number) => self.number(1, number.to_le_bytes()),
            // SQLite stores -0.0 as 0.
            ValueRef::Real(number) => self.number(2, (number + 0.0).to_le_bytes()),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                self.0.update(&[if matches!(value, ValueRef::Text(_)) { 3 } else { 4 }]);
                self.0.update(bytes);
            }
        }
    }

    fn number(&mut self, tag: u8, bytes: [u8; 8]) {
        let mut tagged = [tag; 9];
        tagged[1..].copy_from_slice(&bytes);
        self.0.update(&tagged);
    }

    fn add_value(&mut self, value: ValueRef<'_>) {
        if value != ValueRef::Null {
            self.add(value);
        }
    }

    /// Returns the checksum; under cargo-fuzz a constant, so that edited rows reach their readers.
    pub(super) fn finish(self) -> i64 {
        if cfg!(fuzzing) { 0 } else { self.0.finalize().into() }
    }

    /// Compares with the checksum in a column.
    ///
    /// # Errors
    /// When the row differs from what was written.
    pub(super) fn check(self, row: &Row<'_>, column: usize) -> rusqlite::Result<()> {
        match row.get::<_, Option<i64>>(column)? {
            Some(written) if written != self.finish() => Err(FromSqlError::OutOfRange(written).into()),
            _ => Ok(()),
        }
    }
}

/// Checks the first `columns` of a row by the checksum behind them.
///
/// # Errors
/// When the row differs from what was written.
pub(crate) fn check_row(row: &Row<'_>, columns: usize) -> rusqlite::Result<()> {
    let mut checksum = Checksum::default();
    for column in 0..columns {
        checksum.add_value(row.get_ref(column)?);
    }
    checksum.check(row, columns)
}
