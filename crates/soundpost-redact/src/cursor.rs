//! The scanner's position in a text, and the matches found so far.

use std::cell::OnceCell;

use crate::rule::Rule;

/// Something to take out: bytes of the text, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) rule: Rule,
}

/// A place in a text that a rule looks at.
pub(crate) struct Cursor<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
    /// Whether the text goes no further than `bytes`.
    pub(crate) whole: bool,
    pub(crate) record_text: bool,
    /// Where the first line ends, once somebody asked.
    pub(crate) first_line: &'a OnceCell<usize>,
}

impl Cursor<'_> {
    /// The `nth` byte before this place; a space before the text.
    pub(crate) fn before(&self, nth: usize) -> u8 {
        self.at.checked_sub(nth).map_or(b' ', |at| self.bytes[at])
    }

    /// The byte before `at`; a space before the text.
    pub(crate) fn before_at(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(b' ', |at| self.bytes[at])
    }

    /// Whether `at` is in the first line.
    pub(crate) fn is_first_line(&self, at: usize) -> bool {
        at <= *self.first_line.get_or_init(|| self.run(0, |byte| byte != b'\n'))
    }

    /// Whether the byte at `at` is a letter or digit of ASCII.
    pub(crate) fn is_word(&self, at: usize) -> bool {
        self.bytes.get(at).is_some_and(u8::is_ascii_alphanumeric)
    }

    /// Where the run of bytes ends that begins at `from`.
    pub(crate) fn run(&self, from: usize, belongs: impl Fn(u8) -> bool) -> usize {
        from + self.bytes[from.min(self.bytes.len())..].iter().take_while(|byte| belongs(**byte)).count()
    }

    /// Where the run of bytes begins that ends at `to`.
    pub(crate) fn run_back(&self, to: usize, belongs: impl Fn(u8) -> bool) -> usize {
        to - self.bytes[..to].iter().rev().take_while(|byte| belongs(**byte)).count()
    }

    /// The name that ends at `end`, quotes, brackets and spaces behind it aside; at most 128 bytes of it.
    pub(crate) fn name_before(&self, end: usize) -> std::borrow::Cow<'_, str> {
        let closes = |byte| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b']' | b'`' | b'*');
        let end = self.run_back(end, closes);
        let belongs =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || byte >= 0x80;
        let mut start = end.saturating_sub(128);
        start += self.bytes[start..end].iter().rposition(|byte| !belongs(*byte)).map_or(0, |at| at + 1);
        String::from_utf8_lossy(&self.bytes[start..end])
    }
}

/// Adds a span behind the others; what it reaches back into becomes one with it.
pub(crate) fn push(spans: &mut Vec<Match>, mut span: Match) {
    while let Some(last) = spans.pop_if(|last| last.end > span.start) {
        span.start = span.start.min(last.start);
        span.end = span.end.max(last.end);
    }
    spans.push(span);
}
