//! Fields of a log event while it is put together.

use crate::field::{FIELDS, FieldRef, FieldValue, NAME, WORDS, cut, decode, encode, split, words_of};

/// Maximum length of a text, bytes; a traceback of some hundred lines fits.
const TEXT: usize = 32 * 1024;
/// Maximum capacity that a reused buffer keeps, words.
const KEPT_WORDS: usize = 1024;

/// Fields of one log event, encoded as in its record; a reusable buffer.
///
/// It holds at most 64 fields and 64 KiB. Further fields are dropped and counted. The first field of a name wins.
#[derive(Debug, Default)]
pub struct LogFields {
    words: Vec<u64>,
    count: usize,
    left: u64,
    shortened: u64,
}

impl LogFields {
    /// Makes an empty buffer.
    pub const fn new() -> Self {
        Self { words: Vec::new(), count: 0, left: 0, shortened: 0 }
    }

    /// Removes all fields.
    pub fn clear(&mut self) {
        self.words.clear();
        self.words.shrink_to(KEPT_WORDS);
        (self.count, self.left, self.shortened) = (0, 0, 0);
    }

    /// Reports whether a field has this name.
    pub fn contains(&self, name: &str) -> bool {
        let name = cut(name, NAME);
        let mut rest = self.words.as_slice();
        while let Some((other, _, after)) = split(rest) {
            if other.is(name) {
                return true;
            }
            rest = after;
        }
        false
    }

    /// Adds a field, unless a field has its name. Texts are cut at 32 KiB, names at 256 bytes.
    pub fn push(&mut self, name: &str, value: FieldRef<'_>) {
        let name = cut(name, NAME);
        let (value, shortened) = match value {
            FieldRef::Text(text) if text.len() > TEXT => (FieldRef::Text(cut(text, TEXT)), 1),
            value => (value, 0),
        };
        if self.contains(name) {
            return;
        }
        if self.count == FIELDS || self.words.len() + words_of(name, value) > WORDS {
            self.left += 1;
            return;
        }
        self.words.extend(encode(name, value));
        self.count += 1;
        self.shortened += shortened;
    }

    pub(super) fn count_cut(&mut self) {
        self.shortened += 1;
    }

    /// Counts fields that the caller left out.
    pub(super) fn count_left(&mut self, fields: u64) {
        self.left += fields;
    }

    /// Returns the fields in the order in which they were added.
    pub fn to_vec(&self) -> Vec<(String, FieldValue)> {
        decode(&self.words)
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    pub(super) fn left(&self) -> u64 {
        self.left
    }

    pub(super) fn shortened(&self) -> u64 {
        self.shortened
    }
}
