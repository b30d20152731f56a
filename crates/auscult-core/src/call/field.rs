//! Fields: what belongs to one call alone, kept until it ends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::per_process::PerProcess;

/// More fields than this are dropped and counted.
const FIELDS: usize = 64;
/// Longer field texts are cut, bytes.
const FIELD_TEXT: usize = 8192;
/// Longer names are cut, bytes.
const FIELD_NAME: usize = 256;
/// Fields of a call take at most so many words together: 64 KiB.
const WORDS: usize = 8192;
/// A buffer that grew beyond this many words is given back when the next call begins.
const KEPT_WORDS: usize = 512;

/// Value of a field: anything about one call, never a label.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A truth value.
    Bool(bool),
}

macro_rules! field_value {
    ($($given:ty => $variant:ident by $make:expr),* $(,)?) => {
        $(impl From<$given> for FieldValue {
            fn from(value: $given) -> Self {
                let make: fn($given) -> _ = $make;
                Self::$variant(make(value))
            }
        })*
    };
}

field_value! {
    &str => Text by |text| text[..text.floor_char_boundary(FIELD_TEXT)].to_owned(),
    String => Text by |mut text| { text.truncate(text.floor_char_boundary(FIELD_TEXT)); text },
    i32 => Int by i64::from,
    i64 => Int by |value| value,
    u32 => Int by i64::from,
    u64 => Int by |value| i64::try_from(value).unwrap_or(i64::MAX),
    usize => Int by |value| i64::try_from(value).unwrap_or(i64::MAX),
    f32 => Float by f64::from,
    f64 => Float by |value| value,
    bool => Bool by |value| value,
}

/// Fields of one running call, as the words that the record of its end will hold.
#[derive(Default)]
pub(crate) struct FieldBuffer {
    /// Which use of the slot they belong to.
    ticket: u64,
    count: usize,
    words: Vec<u64>,
}

impl FieldBuffer {
    /// The words of the fields of this use of the slot.
    pub(crate) fn words(&self, ticket: u64) -> &[u64] {
        if self.ticket == ticket { &self.words } else { &[] }
    }

    /// Sets a field, in its place where it was set before; false when there is no room. One that comes when another
    /// call has the slot already is nobody's.
    pub(crate) fn set(&mut self, ticket: u64, name: &str, value: &FieldValue) -> bool {
        if self.ticket > ticket {
            return true;
        }
        if self.ticket != ticket {
            self.ticket = ticket;
            self.count = 0;
            self.words.clear();
            self.words.shrink_to(KEPT_WORDS);
        }
        let name = &name[..name.floor_char_boundary(FIELD_NAME)];
        let mut rest = self.words.as_slice();
        let mut known = None;
        while let Some((other, _, after)) = split(rest) {
            if same(other, name) {
                known = Some(self.words.len() - rest.len()..self.words.len() - after.len());
                break;
            }
            rest = after;
        }
        let length = words_of(name, value);
        let replaced = known.as_ref().map_or(0, ExactSizeIterator::len);
        if known.is_none() && self.count == FIELDS || self.words.len() - replaced + length > WORDS {
            return false;
        }
        match known {
            Some(at) => drop(self.words.splice(at, encode(name, value))),
            None => {
                self.words.extend(encode(name, value));
                self.count += 1;
            }
        }
        true
    }
}

/// As many whole fields from the beginning of `words` as fit `room`, and how many do not.
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

/// The fields in `words`, up to the first that is damaged.
pub(crate) fn decode(words: &[u64]) -> Vec<(String, FieldValue)> {
    let mut rest = words;
    let mut fields = Vec::new();
    while let Some((name, value, after)) = split(rest) {
        let Some(field) = text(name).zip(value.decode()) else { break };
        fields.push(field);
        rest = after;
    }
    fields
}

const TEXT: u64 = 1;
const INT: u64 = 2;
const FLOAT: u64 = 3;
const BOOL: u64 = 4;

/// Bytes that lie eight to a word.
#[derive(Clone, Copy)]
struct Bytes<'a> {
    words: &'a [u64],
    length: usize,
}

/// A value as words.
struct Raw<'a> {
    kind: u64,
    bytes: Bytes<'a>,
}

impl Raw<'_> {
    fn decode(&self) -> Option<FieldValue> {
        let word = || self.bytes.words.first().copied();
        Some(match self.kind {
            TEXT => FieldValue::Text(text(self.bytes)?),
            INT => FieldValue::Int(word()? as i64),
            FLOAT => FieldValue::Float(f64::from_bits(word()?)),
            BOOL => FieldValue::Bool(word()? != 0),
            _ => return None,
        })
    }
}

/// The first field of `words`: name, value, what follows.
fn split(words: &[u64]) -> Option<(Bytes<'_>, Raw<'_>, &[u64])> {
    let (head, rest) = words.split_first()?;
    let (kind, name, value) = (head & 0xFF, (head >> 8 & 0xFFFF) as usize, (head >> 32) as usize);
    let (name_words, rest) = rest.split_at_checked(name.div_ceil(8))?;
    let (value_words, rest) = rest.split_at_checked(value.div_ceil(8))?;
    let bytes = Bytes { words: value_words, length: value };
    Some((Bytes { words: name_words, length: name }, Raw { kind, bytes }, rest))
}

fn words_of(name: &str, value: &FieldValue) -> usize {
    let value = if let FieldValue::Text(text) = value { text.len() } else { 8 };
    1 + name.len().div_ceil(8) + value.div_ceil(8)
}

fn encode<'a>(name: &'a str, value: &'a FieldValue) -> impl Iterator<Item = u64> + 'a {
    let (kind, number, text) = match value {
        FieldValue::Text(text) => (TEXT, None, text.as_str()),
        FieldValue::Int(value) => (INT, Some(*value as u64), ""),
        FieldValue::Float(value) => (FLOAT, Some(value.to_bits()), ""),
        FieldValue::Bool(value) => (BOOL, Some(u64::from(*value)), ""),
    };
    let length = number.map_or(text.len(), |_| 8) as u64;
    let head = kind | (name.len() as u64) << 8 | length << 32;
    [head].into_iter().chain(packed(name)).chain(number).chain(packed(text))
}

fn packed(text: &str) -> impl Iterator<Item = u64> {
    text.as_bytes().chunks(8).map(|chunk| {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(bytes)
    })
}

fn same(bytes: Bytes<'_>, text: &str) -> bool {
    bytes.length == text.len() && bytes.words.iter().copied().eq(packed(text))
}

fn text(bytes: Bytes<'_>) -> Option<String> {
    let mut text: Vec<u8> = bytes.words.iter().flat_map(|word| word.to_le_bytes()).collect();
    text.truncate(bytes.length);
    String::from_utf8(text).ok()
}

/// Fields of all running calls of a process, by the number of their slot.
pub(crate) struct Fields {
    slots: usize,
    tables: PerProcess<Box<[Mutex<FieldBuffer>]>>,
}

impl Fields {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, tables: PerProcess::new() }
    }

    /// The buffer of a slot, if any field was set in this process.
    pub(crate) fn get(&self, slot: u32) -> Option<MutexGuard<'_, FieldBuffer>> {
        self.tables.get().and_then(|table| lock(table.get(slot as usize)?))
    }

    /// The buffer of a slot.
    pub(crate) fn of(&self, slot: u32) -> Option<MutexGuard<'_, FieldBuffer>> {
        let make = || (0..self.slots).map(|_| Mutex::default()).collect();
        lock(self.tables.get_or_make(make).get(slot as usize)?)
    }
}

pub(crate) fn lock(buffer: &Mutex<FieldBuffer>) -> Option<MutexGuard<'_, FieldBuffer>> {
    Some(buffer.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_comes_too_late_takes_nothing_from_the_next_call() {
        let mut buffer = FieldBuffer::default();
        assert!(buffer.set(1, "first", &1.into()) && buffer.set(2, "second", &2.into()));
        assert!(buffer.set(1, "late", &3.into()));
        assert_eq!(decode(buffer.words(2)), [("second".to_owned(), 2.into())]);
        assert!(buffer.words(1).is_empty());
    }
}
