//! Request ids in the store: 32 hexadecimal digits, the usual form, as 16 bytes.

use rusqlite::types::{FromSqlResult, ToSqlOutput, Value, ValueRef};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Returns the stored form of an id.
pub(crate) fn stored(id: &str) -> ToSqlOutput<'_> {
    match bytes(id.as_bytes()) {
        Some(bytes) => ToSqlOutput::Owned(Value::Blob(bytes)),
        None => id.into(),
    }
}

/// Returns the id of a stored form; empty for NULL.
pub(super) fn read(stored: ValueRef<'_>) -> FromSqlResult<String> {
    if let ValueRef::Blob(bytes) = stored {
        let digit = |digit: u8| char::from(DIGITS[usize::from(digit)]);
        return Ok(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect());
    }
    stored.as_str_or_null().map(|id| id.unwrap_or_default().to_owned())
}

fn bytes(id: &[u8]) -> Option<Vec<u8>> {
    if id.len() != 32 {
        return None;
    }
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    id.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
