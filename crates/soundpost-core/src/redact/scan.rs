//! One pass over a text. Only bytes that some rule begins at, or is about, are looked at twice; a rule looks back and
//! ahead no further than its own kind of characters go, so that the whole is linear in the text's length.

use std::cell::OnceCell;

use super::rule::Rule;
use super::{number, pair, spoken, token};

/// Something to take out: bytes of the text, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) rule: Rule,
}

/// A place in a text that a rule looks at.
pub(super) struct Look<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// Whether the text goes no further than `bytes`.
    pub(super) whole: bool,
    pub(super) record_text: bool,
    /// Where the first line ends, once somebody asked.
    first_line: &'a OnceCell<usize>,
}

impl Look<'_> {
    /// The `nth` byte before this place; a space before the text.
    pub(super) fn before(&self, nth: usize) -> u8 {
        self.at.checked_sub(nth).map_or(b' ', |at| self.bytes[at])
    }

    /// The byte before `at`; a space before the text.
    pub(super) fn before_at(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(b' ', |at| self.bytes[at])
    }

    /// Whether `at` is in the first line.
    pub(super) fn is_first_line(&self, at: usize) -> bool {
        at <= *self.first_line.get_or_init(|| self.run(0, |byte| byte != b'\n'))
    }

    /// Whether the byte at `at` is a letter or digit of ASCII.
    pub(super) fn is_word(&self, at: usize) -> bool {
        self.bytes.get(at).is_some_and(u8::is_ascii_alphanumeric)
    }

    /// Where the run of bytes ends that begins at `from`.
    pub(super) fn run(&self, from: usize, belongs: impl Fn(u8) -> bool) -> usize {
        from + self.bytes[from.min(self.bytes.len())..].iter().take_while(|byte| belongs(**byte)).count()
    }

    /// Where the run of bytes begins that ends at `to`.
    pub(super) fn run_back(&self, to: usize, belongs: impl Fn(u8) -> bool) -> usize {
        to - self.bytes[..to].iter().rev().take_while(|byte| belongs(**byte)).count()
    }

    /// The name that ends at `end`, quotes, brackets and spaces behind it aside; at most 128 bytes of it.
    pub(super) fn name_before(&self, end: usize) -> std::borrow::Cow<'_, str> {
        let closes = |byte| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b']' | b'`' | b'*');
        let end = self.run_back(end, closes);
        let belongs =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || byte >= 0x80;
        let mut start = end.saturating_sub(128);
        start += self.bytes[start..end].iter().rposition(|byte| !belongs(*byte)).map_or(0, |at| at + 1);
        String::from_utf8_lossy(&self.bytes[start..end])
    }
}

/// Bytes that some rule is about.
static NOTABLE: [bool; 256] = {
    let mut notable = [false; 256];
    let bytes = b"0123456789@=:,-_IJbBxXzZ\xEF";
    let mut at = 0;
    while at < bytes.len() {
        notable[bytes[at] as usize] = true;
        at += 1;
    }
    notable
};

/// What is to be taken out of a text, in order and apart from each other. `whole`: the text goes on no further.
pub(super) fn spans(text: &str, whole: bool, record_text: bool) -> Vec<Span> {
    let bytes = text.as_bytes();
    let mut spans: Vec<Span> = Vec::new();
    let first_line = OnceCell::new();
    let mut at = 0;
    while let Some(step) = bytes[at..].iter().position(|byte| NOTABLE[usize::from(*byte)]) {
        at += step;
        let look = Look { bytes, at, whole, record_text, first_line: &first_line };
        let (found, next) = match bytes[at] {
            b'0'..=b'9' => number::at(&look),
            b'@' => (pair::email(&look), at + 1),
            b'=' | b':' | b',' | 0xEF => pair::at(&look),
            b'-' if look.before(1) == b'-' => (token::pem(&look).or_else(|| pair::option(&look)), at + 1),
            b'-' | b'_' | b'I' => (token::key(&look), at + 1),
            b'J' => (token::jwt(&look), at + 1),
            b'x' | b'X' | b'z' | b'Z' => (spoken::announced(&look), at + 1),
            _ => (token::authorization(&look), at + 1),
        };
        at = next;
        if let Some(span) = found {
            at = at.max(span.end);
            push(&mut spans, span);
        }
    }
    spans
}

/// Adds a span behind the others; what it reaches back into becomes one with it.
pub(super) fn push(spans: &mut Vec<Span>, mut span: Span) {
    while let Some(last) = spans.pop_if(|last| last.end > span.start) {
        span.start = span.start.min(last.start);
        span.end = span.end.max(last.end);
    }
    spans.push(span);
}
