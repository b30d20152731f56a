//! Request ids: as bytes where they are the 32 hexadecimal digits that we and traces make, which takes half.

use rusqlite::types::{FromSqlResult, Value, ValueRef};

/// What is stored for an id.
pub(super) fn stored(id: &str) -> Value {
    match bytes(id.as_bytes()) {
        Some(bytes) => Value::Blob(bytes),
        None => Value::Text(id.to_owned()),
    }
}

/// The id of what is stored.
pub(super) fn read(stored: ValueRef<'_>) -> FromSqlResult<String> {
    if let ValueRef::Blob(bytes) = stored {
        let digit = |digit: u8| char::from(DIGITS[usize::from(digit)]);
        return Ok(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect());
    }
    stored.as_str().map(str::to_owned)
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

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
