//! Position of the scanner in a text, and the matches found so far.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::cmp::Reverse;

use crate::rule::Rule;

/// Range of bytes to redact, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) rule: Rule,
}

/// Sorts matches and merges those that overlap; the first of them gives the rule.
pub(crate) fn merge(matches: &mut Vec<Match>) {
    matches.sort_by_key(|found| (found.start, Reverse(found.end)));
    matches.dedup_by(|next, found| {
        let overlaps = next.start < found.end;
        found.end = if overlaps { found.end.max(next.end) } else { found.end };
        overlaps
    });
}

/// Text that is scanned.
pub(crate) struct Text<'a> {
    text: &'a str,
    pub(crate) bytes: &'a [u8],
    /// Whether the text ends with `bytes`; a truncated text goes on.
    pub(crate) whole: bool,
    pub(crate) record_text: bool,
    /// End of the first line, found on demand.
    first_line: OnceCell<usize>,
    /// End of the last list of tokens of a language model; those within are no secrets either.
    pub(crate) tokens_end: Cell<usize>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(text: &'a str, whole: bool, record_text: bool) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            whole,
            record_text,
            first_line: OnceCell::new(),
            tokens_end: Cell::new(0),
        }
    }

    pub(crate) fn as_str(&self) -> &'a str {
        self.text
    }

    pub(crate) fn cursor(&self, at: usize) -> Cursor<'_> {
        Cursor { bytes: self.bytes, at, text: self }
    }
}

/// Position in a text.
pub(crate) struct Cursor<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
    pub(crate) text: &'a Text<'a>,
}

impl Cursor<'_> {
    /// Returns the `nth` byte before the cursor, or a space before the text.
    pub(crate) fn before(&self, nth: usize) -> u8 {
        self.at.checked_sub(nth).map_or(b' ', |at| self.bytes[at])
    }

    /// Returns the byte before `at`, or a space before the text.
    pub(crate) fn before_at(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(b' ', |at| self.bytes[at])
    }

    /// Returns whether `at` is in the first line.
    pub(crate) fn is_first_line(&self, at: usize) -> bool {
        at <= *self.text.first_line.get_or_init(|| self.run(0, |byte| byte != b'\n'))
    }

    /// Returns whether the byte at `at` is a letter or digit of ASCII.
    pub(crate) fn is_word(&self, at: usize) -> bool {
        self.bytes.get(at).is_some_and(u8::is_ascii_alphanumeric)
    }

    /// Returns the end of the run of bytes that begins at `from`.
    pub(crate) fn run(&self, from: usize, belongs: impl Fn(u8) -> bool) -> usize {
        from + self.bytes[from.min(self.bytes.len())..].iter().take_while(|byte| belongs(**byte)).count()
    }

    /// Returns the begin of the run of bytes that ends at `to`.
    pub(crate) fn run_back(&self, to: usize, belongs: impl Fn(u8) -> bool) -> usize {
        to - self.bytes[..to].iter().rev().take_while(|byte| belongs(**byte)).count()
    }

    /// Returns the end of the line, at most `most` bytes behind the cursor.
    pub(crate) fn line_end(&self, most: usize) -> usize {
        let rest = self.bytes[self.at..].iter().take(most);
        self.at + rest.take_while(|byte| **byte != b'\n').count()
    }

    /// Returns the name that ends at `end`, at most 128 bytes, without the quotes, brackets and spaces behind it.
    pub(crate) fn name_before(&self, end: usize) -> Cow<'_, str> {
        let closes = |byte| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b']' | b'`' | b'*');
        let end = self.run_back(end, closes);
        let mut start = end.saturating_sub(128);
        start += self.bytes[start..end].iter().rposition(|byte| !is_name(*byte)).map_or(0, |at| at + 1);
        String::from_utf8_lossy(&self.bytes[start..end])
    }
}

/// Returns whether the byte belongs to a name.
pub(crate) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || byte >= 0x80
}
