//! Fields as words of the event ring: each has a head, a name and a value.

use super::value::{FieldRef, FieldValue};

/// Maximum number of fields of a record.
pub(crate) const FIELDS: usize = 64;
/// Maximum length of a name, bytes.
pub(crate) const NAME: usize = 256;
/// Maximum length of all fields of a record, words: 64 KiB.
pub(crate) const WORDS: usize = 8192;

#[inline]
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Returns the leading fields of `words` that fit `room`, and the number of the others.
pub(crate) fn fitting(words: &[u64], room: usize) -> (&[u64], u64) {
    let (mut rest, mut fits, mut left) = (words, 0, 0);
    while let Some((.., after)) = split(rest) {
        let end = words.len() - after.len();
        if end <= room {
            fits = end;
        } else {
            left += 1;
        }
        rest = after;
    }
    (&words[..fits], left)
}

/// Decodes the fields in `words`, up to the first damaged one.
pub(crate) fn decode(words: &[u64]) -> Vec<(String, FieldValue)> {
    let mut rest = words;
    let mut fields = Vec::new();
    while let Some((name, value, after)) = split(rest) {
        let Some(field) = name.text().zip(value.decode()) else { break };
        fields.push(field);
        rest = after;
    }
    fields
}

const TEXT: u64 = 1;
const INT: u64 = 2;
const FLOAT: u64 = 3;
const BOOL: u64 = 4;

/// Bytes, eight to a word.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a> {
    words: &'a [u64],
    length: usize,
}

impl<'a> Bytes<'a> {
    /// Splits off the first `length` bytes of `words`.
    pub(crate) fn split(words: &'a [u64], length: usize) -> Option<(Self, &'a [u64])> {
        let (own, rest) = words.split_at_checked(length.div_ceil(8))?;
        Some((Self { words: own, length }, rest))
    }

    /// Returns the bytes as text, if they are UTF-8.
    pub(crate) fn text(self) -> Option<String> {
        let mut text: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        text.truncate(self.length);
        String::from_utf8(text).ok()
    }

    #[inline]
    pub(crate) fn is(self, text: &str) -> bool {
        self.length == text.len() && self.words.iter().copied().eq(packed(text))
    }
}

/// A value as words.
pub(crate) struct RawValue<'a> {
    kind: u64,
    bytes: Bytes<'a>,
}

impl RawValue<'_> {
    fn decode(&self) -> Option<FieldValue> {
        let word = || self.bytes.words.first().copied();
        Some(match self.kind {
            TEXT => FieldValue::Text(self.bytes.text()?),
            INT => FieldValue::Int(word()? as i64),
            FLOAT => FieldValue::Float(f64::from_bits(word()?)),
            BOOL => FieldValue::Bool(word()? != 0),
            _ => return None,
        })
    }
}

/// Splits off the first field of `words`: name, value, rest.
pub(crate) fn split(words: &[u64]) -> Option<(Bytes<'_>, RawValue<'_>, &[u64])> {
    let (head, rest) = words.split_first()?;
    let (kind, name, value) = (head & 0xFF, (head >> 8 & 0xFFFF) as usize, (head >> 32) as usize);
    let (name, rest) = Bytes::split(rest, name)?;
    let (bytes, rest) = Bytes::split(rest, value)?;
    Some((name, RawValue { kind, bytes }, rest))
}

/// Returns the number of words of a field.
#[inline]
pub(crate) fn words_of(name: &str, value: FieldRef<'_>) -> usize {
    let value = if let FieldRef::Text(text) = value { text.len() } else { 8 };
    1 + name.len().div_ceil(8) + value.div_ceil(8)
}

#[inline]
pub(crate) fn encode<'a>(name: &'a str, value: FieldRef<'a>) -> impl Iterator<Item = u64> + 'a {
    let (kind, number, text) = match value {
        FieldRef::Text(text) => (TEXT, None, text),
        FieldRef::Int(value) => (INT, Some(value as u64), ""),
        FieldRef::Float(value) => (FLOAT, Some(value.to_bits()), ""),
        FieldRef::Bool(value) => (BOOL, Some(u64::from(value)), ""),
    };
    let length = number.map_or(text.len(), |_| 8) as u64;
    let head = kind | (name.len() as u64) << 8 | length << 32;
    [head].into_iter().chain(packed(name)).chain(number).chain(packed(text))
}

/// Packs a text, eight bytes to a word.
#[inline]
pub(crate) fn packed(text: &str) -> impl Iterator<Item = u64> {
    text.as_bytes().chunks(8).map(|chunk| {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(bytes)
    })
}
