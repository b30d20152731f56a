//! Values of options of commands: `--name value`, `-p value`.

use crate::command;
use crate::cursor::{Cursor, Match};
use crate::harmless::{Style, is_harmless, is_marked, is_nothing};
use crate::name::{Class, class};
use crate::rule::Rule;
use crate::strength::is_password;
use crate::value::{quoted, token};

/// Finds the value of an option `--name value` or `-name value`, also as items of a list, whose last `-` is at the cursor.
pub(crate) fn find(cursor: &Cursor<'_>) -> Option<Match> {
    let before = cursor.before(if cursor.before(1) == b'-' { 2 } else { 1 });
    if !before.is_ascii_whitespace() && !matches!(before, b'"' | b'\'' | b'`' | b'[' | b'(' | b',' | b'\\') {
        return None;
    }
    if cursor.before(1) != b'-'
        && let Some(found) = command::option(cursor)
    {
        return Some(found);
    }
    let from = cursor.at + 1;
    let end = cursor.run(from, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let name = &cursor.bytes[from..end];
    if !name.first().is_some_and(u8::is_ascii_alphabetic) || name.len() > 64 {
        return None;
    }
    let name = String::from_utf8_lossy(name);
    if name.len() == 1 || name.ends_with("user") {
        return short_option(cursor, end, &name);
    }
    let rule = match class(&name) {
        Class::Secret => Rule::Key,
        Class::Text if !cursor.text.record_text => Rule::Text,
        _ => return None,
    };
    let metavar = |value: &[u8]| value.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_');
    let quoted_by = |byte| matches!(byte, b'"' | b'\'' | b'\\');
    let closed = cursor.run(end, quoted_by);
    // Rust prints the words of a command in quotes, with spaces between.
    let words = cursor.bytes[closed..].starts_with(b" \"") && cursor.bytes[..closed].ends_with(b"\"");
    let listed = closed > end && (words || cursor.bytes.get(closed) == Some(&b','));
    let space = |byte: u8| matches!(byte, b' ' | b'\t') || listed && byte.is_ascii_whitespace();
    let start = cursor.run(if listed { closed + 1 } else { end }, space);
    // `--password` alone, or as the last word of what is quoted.
    if start == end || closed > end && !listed {
        return None;
    }
    let (start, end) = match quoted(cursor, start) {
        Some(value) => value,
        None if listed => return None,
        None if rule == Rule::Text => (start, next_option(cursor, start)),
        None => {
            let end = token(cursor, start);
            (start, cursor.run_back(end, quoted_by).max(start))
        }
    };
    let value = String::from_utf8_lossy(&cursor.bytes[start..end]);
    let next = value.starts_with('-') && !listed;
    let harmless =
        if rule == Rule::Text { is_nothing(&value) } else { is_harmless(&name, &value, Style::Bare) };
    let harmless = harmless || metavar(value.trim_end_matches([']', ',']).as_bytes());
    (!next && !harmless).then_some(Match { start, end, rule })
}

/// Returns the password behind an option of one letter, or behind the user of `--user name:password`.
fn short_option(cursor: &Cursor<'_>, end: usize, name: &str) -> Option<Match> {
    let between = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b',' | b'=');
    let start = cursor.run(end, between);
    let stop = cursor.run(start, |byte| !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\'' | b','));
    let colon = cursor.bytes[start..stop].iter().position(|byte| *byte == b':').map(|at| start + at + 1);
    let from = if name.len() > 1 { colon? } else { start };
    // `-u "$USER:$PASSWORD"`
    let variable = is_marked(&cursor.bytes[start..])
        || cursor.bytes[from..].starts_with(b"$")
        || cursor.bytes[from..stop].windows(2).any(|pair| pair == b":$");
    let value = &cursor.bytes[from..stop];
    let account =
        name.len() > 1 && value.len() > 3 && command::takes_account(cursor) && command::is_given(value);
    (end < start && !variable && (account || is_password(value))).then_some(Match {
        start: from,
        end: stop,
        rule: Rule::Key,
    })
}

/// Returns the begin of the next option behind `start`, or the end of the line.
fn next_option(cursor: &Cursor<'_>, start: usize) -> usize {
    let ends =
        |at: &usize| cursor.bytes[*at..].starts_with(b" --") || matches!(cursor.bytes[*at], b'\n' | b'\r');
    (start..cursor.bytes.len()).find(ends).unwrap_or(cursor.bytes.len())
}
