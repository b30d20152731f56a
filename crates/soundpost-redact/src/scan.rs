//! One pass over a text for the rules that depend on a sign or a digit.
//!
//! Only bytes at which some rule applies are examined. A rule looks back and ahead over characters of its own kind
//! only, so the pass is linear in the length of the text.

use crate::cursor::{Cursor, Match, Text};
use crate::{address, call, iban, key_value, number, option};

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
    let mut at = 0;
    while let Some(step) = text.bytes[at..].iter().position(|byte| NOTABLE[usize::from(*byte)]) {
        at = examine(&text.cursor(at + step), matches);
    }
}

/// Appends the matches at the notable byte at the cursor. Returns the end of the examined bytes.
#[inline(never)]
fn examine(cursor: &Cursor<'_>, matches: &mut Vec<Match>) -> usize {
    let (at, rest) = (cursor.at, &cursor.bytes[cursor.at..]);
    let (found, next) = match rest[0] {
        b'0'..=b'9' if cursor.before(1).is_ascii_uppercase() => {
            iban::find(cursor).unwrap_or_else(|| number::find(cursor))
        }
        b'0'..=b'9' => number::find(cursor),
        0xEF if number::is_wide_digit(rest) => number::find(cursor),
        b'@' => (address::user(cursor, 1), at + 1),
        b'%' if rest.starts_with(b"%40") => (address::user(cursor, 3), at + 3),
        b'%' if rest.starts_with(b"%2540") => (address::user(cursor, 5), at + 5),
        0xEF if rest.starts_with("＠".as_bytes()) => (address::user(cursor, 3), at + 3),
        b'=' | b':' | b',' | b'>' | 0xE2 | 0xE3 | 0xEF => return key_value::find(cursor, matches),
        b'(' => {
            call::find(cursor, matches);
            return at + 1;
        }
        b'-' if rest.starts_with(b"->") => return key_value::find(cursor, matches),
        b'-' if cursor.before(1) == b'-'
            || (cursor.before(1).is_ascii_whitespace() || matches!(cursor.before(1), b'"' | b'\''))
                && cursor.is_word(at + 1) =>
        {
            (option::find(cursor), at + 1)
        }
        _ => return at + 1,
    };
    let Some(found) = found else { return next };
    let end = next.max(found.end);
    matches.push(found);
    end
}
