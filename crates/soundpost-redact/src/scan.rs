//! One pass over a text for the rules that depend on a sign or a digit.
//!
//! Only bytes at which some rule applies are examined. A rule looks back and ahead over characters of its own kind
//! only, so the pass is linear in the length of the text.

use crate::cursor::{Match, Text};
use crate::{address, call, key_value, number};

/// Bytes at which some rule applies.
static NOTABLE: [bool; 256] = {
    let mut notable = [false; 256];
    let bytes = b"0123456789@=:,-%>(\xE2\xE3\xEF";
    let mut at = 0;
    while at < bytes.len() {
        notable[bytes[at] as usize] = true;
        at += 1;
    }
    notable
};

/// Appends the matches in a text.
pub(crate) fn find(text: &Text<'_>, matches: &mut Vec<Match>) {
    let bytes = text.bytes;
    let mut at = 0;
    while let Some(step) = bytes[at..].iter().position(|byte| NOTABLE[usize::from(*byte)]) {
        at += step;
        let cursor = text.cursor(at);
        let (found, next) = match bytes[at] {
            b'0'..=b'9' => number::find(&cursor),
            0xEF if number::is_wide_digit(&bytes[at..]) => number::find(&cursor),
            b'@' => (address::user(&cursor, 1), at + 1),
            b'%' if bytes[at..].starts_with(b"%40") => (address::user(&cursor, 3), at + 3),
            b'%' if bytes[at..].starts_with(b"%2540") => (address::user(&cursor, 5), at + 5),
            0xEF if bytes[at..].starts_with("＠".as_bytes()) => (address::user(&cursor, 3), at + 3),
            b'=' | b':' | b',' | b'>' | 0xE2 | 0xE3 | 0xEF => key_value::find(&cursor),
            b'(' => {
                call::find(&cursor, matches);
                (None, at + 1)
            }
            b'-' if bytes[at..].starts_with(b"->") => key_value::find(&cursor),
            b'-' if cursor.before(1) == b'-'
                || (cursor.before(1).is_ascii_whitespace() || matches!(cursor.before(1), b'"' | b'\''))
                    && cursor.is_word(at + 1) =>
            {
                (key_value::option(&cursor), at + 1)
            }
            _ => (None, at + 1),
        };
        at = next;
        if let Some(found) = found {
            at = at.max(found.end);
            matches.push(found);
        }
    }
}
