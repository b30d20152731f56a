//! One pass over a text. Only bytes that some rule begins at, or is about, are looked at twice; a rule looks back and
//! ahead no further than its own kind of characters go, so that the whole is linear in the text's length.

use std::cell::OnceCell;

use crate::cursor::{Cursor, Match, push};
use crate::{announced_text, key_value, number, token};

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
pub(crate) fn spans(text: &str, whole: bool, record_text: bool) -> Vec<Match> {
    let bytes = text.as_bytes();
    let mut spans: Vec<Match> = Vec::new();
    let first_line = OnceCell::new();
    let mut at = 0;
    while let Some(step) = bytes[at..].iter().position(|byte| NOTABLE[usize::from(*byte)]) {
        at += step;
        let cursor = Cursor { bytes, at, whole, record_text, first_line: &first_line };
        let (found, next) = match bytes[at] {
            b'0'..=b'9' => number::at(&cursor),
            b'@' => (key_value::email(&cursor), at + 1),
            b'=' | b':' | b',' | 0xEF => key_value::at(&cursor),
            b'-' if cursor.before(1) == b'-' => {
                (token::pem(&cursor).or_else(|| key_value::option(&cursor)), at + 1)
            }
            b'-' | b'_' | b'I' => (token::key(&cursor), at + 1),
            b'J' => (token::jwt(&cursor), at + 1),
            b'x' | b'X' | b'z' | b'Z' => (announced_text::announced(&cursor), at + 1),
            _ => (token::authorization(&cursor), at + 1),
        };
        at = next;
        if let Some(span) = found {
            at = at.max(span.end);
            push(&mut spans, span);
        }
    }
    spans
}
