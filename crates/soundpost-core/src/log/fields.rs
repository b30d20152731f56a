//! Fields of an event while it is put together.

use crate::field::{FIELDS, FieldRef, FieldValue, NAME, WORDS, cut, decode, encode, split, words_of};

/// Longer texts are cut, bytes: a traceback of some hundred lines is whole.
const TEXT: usize = 32 * 1024;

/// A buffer that grew beyond this many words gives them back.
const KEPT_WORDS: usize = 1024;

/// Fields of one event, as the words that its record will hold; to be used again for the next.
///
/// At most 64 fields and 64 KiB together; what is beyond is left out and counted. The first of a name is kept.
#[derive(Debug, Default)]
pub struct LogFields {
    words: Vec<u64>,
    count: usize,
    left: u64,
    shortened: u64,
}

impl LogFields {
    /// None yet.
    pub const fn new() -> Self {
        Self { words: Vec::new(), count: 0, left: 0, shortened: 0 }
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.words.clear();
        self.words.shrink_to(KEPT_WORDS);
        (self.count, self.left, self.shortened) = (0, 0, 0);
    }

    /// Whether there is a field of this name.
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

    /// Adds a field, unless there is one of the name. Texts are cut at 32 KiB, names at 256 bytes.
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

    /// Says that a text was cut before it came here.
    pub(super) fn count_cut(&mut self) {
        self.shortened += 1;
    }

    /// Says that there were more fields.
    pub(super) fn count_left(&mut self, fields: u64) {
        self.left += fields;
    }

    /// The fields, in the order in which they came.
    pub fn to_vec(&self) -> Vec<(String, FieldValue)> {
        decode(&self.words)
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    /// How many fields there was no room for.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// How many texts were cut.
    pub(super) fn shortened(&self) -> u64 {
        self.shortened
    }
}
