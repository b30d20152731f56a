//! Values below a name in a table: `user,password\\nanna,...`, `| password |`, `(user, password) VALUES ('anna', ...)`.

use std::ops::Range;

use crate::cursor::{Cursor, is_name};
use crate::harmless::{Style, is_harmless};
use crate::name::{Class, class};
use crate::value::next_line;

/// Maximum bytes of a header before a name.
const HEADER_BYTES: usize = 128;
/// Maximum rows that are examined.
const ROWS: usize = 64;

/// Returns the values below the name that ends at the cursor, if it is one in a header of names.
pub(crate) fn column(cursor: &Cursor<'_>) -> Vec<Range<usize>> {
    let bytes = cursor.bytes;
    let part = |byte: u8| is_name(byte) || b",;|\t \"".contains(&byte);
    let separates = |byte: &&u8| b",;|\t".contains(*byte);
    let sign = cursor.bytes[cursor.at..].trim_ascii_start().first();
    if !sign.is_none_or(|sign| b",;|\\)\"".contains(sign))
        && !matches!(bytes.get(cursor.at), Some(b'\n' | b'\r' | b'\t'))
    {
        return Vec::new();
    }
    let name = cursor.name_before(cursor.at);
    let start = cursor.at.saturating_sub(name.len());
    let before =
        bytes[start.saturating_sub(HEADER_BYTES)..start].iter().rev().take_while(|byte| part(**byte));
    let column = before.filter(separates).count();
    let rest = bytes[cursor.at..].iter().take(HEADER_BYTES);
    let mut end = cursor.at + rest.take_while(|byte| part(**byte)).count();
    let columns = column + bytes[cursor.at..end].iter().filter(separates).count();
    let inserted = bytes[end..].get(..9).is_some_and(|rest| rest.eq_ignore_ascii_case(b") VALUES "));
    let mut next = if inserted { Some(end + 9) } else { next_line(cursor, end) };
    if columns == 0 || next.is_none() || class(&name) != Class::Secret {
        return Vec::new();
    }
    let mut found = Vec::new();
    for _ in 0..ROWS {
        let Some(mut start) = next else { break };
        end = cursor.run(start, |byte| !matches!(byte, b'\n' | b'\r' | b'\\'));
        next = next_line(cursor, end);
        let row = &bytes[start..end];
        if row.iter().filter(separates).count() < columns {
            break;
        }
        for (nth, cell) in row.split(|byte| separates(&byte)).enumerate() {
            let edge = |byte: &&u8| b" \"'()N".contains(*byte);
            let from = start + cell.iter().take_while(edge).count();
            let value = &bytes[from..start + cell.len()];
            let value = &value[..value.len() - value.iter().rev().take_while(edge).count()];
            let text = String::from_utf8_lossy(value);
            let word = value.iter().all(u8::is_ascii_graphic) && !value.iter().all(u8::is_ascii_alphabetic);
            if nth == column && value.len() > 3 && word && !is_harmless(&name, &text, Style::Quoted) {
                found.push(from..from + value.len());
            }
            start += cell.len() + 1;
        }
    }
    found
}
