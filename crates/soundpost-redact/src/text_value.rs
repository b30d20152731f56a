//! Extents of texts to synthesise.

use crate::cursor::Cursor;
use crate::harmless::is_nothing;
use crate::value::{bracket, is_pair, quote};

/// Ends of known messages, behind the text.
const ENDS: [&str; 2] = [" too short than prompt text ", ", this may lead to bad performance"];

/// Returns the range of the text whose value begins at `start`. With `quoted`, a quote there is around the text and no part
/// of it. `opening` is the quote before the name or the announcement.
pub(crate) fn extent(cursor: &Cursor<'_>, start: usize, quoted: bool, opening: Option<u8>) -> (usize, usize) {
    if let Some((sign, depth, from)) = quote(cursor, start) {
        let (end, sure) = closing(cursor, from, sign, depth);
        if sure || quoted {
            return (from, end);
        }
    } else if matches!(cursor.bytes.get(start), Some(b'{' | b'[' | b'(')) {
        let end = bracket(cursor, start);
        if quoted && opening.is_some() || end == cursor.bytes.len() || closes(cursor, end) {
            return (start, end);
        }
    }
    bare(cursor, start, opening)
}

/// Returns whether the value at `start` is no text: none, or a number behind a quoted name.
pub(crate) fn is_literal(cursor: &Cursor<'_>, start: usize, named: bool) -> bool {
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
    let end = start + cursor.bytes[start..].iter().take(32).take_while(part).count();
    let word = &cursor.bytes[start..end];
    let number = named && std::str::from_utf8(word).is_ok_and(|word| word.parse::<f64>().is_ok());
    let ends = named && matches!(cursor.bytes.get(end), Some(b',' | b'}' | b']'));
    end > start && (number || is_nothing(&String::from_utf8_lossy(word))) && (ends || closes(cursor, end))
}

/// Returns the range of a text without quotes.
fn bare(cursor: &Cursor<'_>, start: usize, opening: Option<u8>) -> (usize, usize) {
    let line = cursor.run(start, |byte| !matches!(byte, b'\n' | b'\r'));
    let (start, mut end) = if cursor.is_first_line(start) {
        (cursor.run(start, |byte| byte.is_ascii_whitespace()), cursor.bytes.len())
    } else {
        (start, line)
    };
    if let Some(quote) = opening
        && let Some(last) = cursor.bytes[start..end].iter().rposition(|byte| *byte == quote)
    {
        end = start + last;
    }
    let value = &cursor.bytes[start..end];
    for known in ENDS {
        if let Some(at) = find(value, known.as_bytes()) {
            end = start + at;
            break;
        }
    }
    (start, cursor.run_back(end, |byte| byte.is_ascii_whitespace()).max(start))
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|part| part == what)
}

/// Returns the end of the quote that opened before `from`, and whether text goes on behind it as after a value.
/// Otherwise the last possible quote ends it.
fn closing(cursor: &Cursor<'_>, from: usize, quote: u8, depth: usize) -> (usize, bool) {
    let on = cursor.is_first_line(from);
    let mut last = None;
    let mut slashes = 0;
    for (at, byte) in cursor.bytes.iter().enumerate().skip(from) {
        match byte {
            b'\\' => slashes += 1,
            // In a traceback, the next line is no part of the text.
            b'\n' if !on && last.is_some() => break,
            _ if *byte == quote && (slashes == depth || depth == 0 && slashes % 2 == 0) => {
                let end = at - slashes.min(depth);
                if closes(cursor, at + 1) {
                    return (end, true);
                }
                let within = cursor.is_word(at + 1) && at > from && cursor.is_word(at - 1);
                last = if within { last } else { Some(end) };
                slashes = 0;
            }
            _ => slashes = 0,
        }
    }
    (last.filter(|_| cursor.text.whole).unwrap_or(cursor.bytes.len()), false)
}

/// Returns whether the text at `at` goes on as behind a value.
fn closes(cursor: &Cursor<'_>, at: usize) -> bool {
    let spaces = |at: usize| cursor.run(at, |byte| matches!(byte, b' ' | b'\t'));
    let ends = |at: usize| {
        matches!(cursor.bytes.get(at), None | Some(b'\n' | b'\r'))
            && (cursor.text.whole || at < cursor.bytes.len())
    };
    let closers = |byte: u8| matches!(byte, b')' | b'}' | b']' | b'"' | b'\'' | b'\\' | b'`');
    // Eight are enough, and keep it linear.
    let behind = at + cursor.bytes[at..].iter().take(8).take_while(|byte| closers(**byte)).count();
    match cursor.bytes.get(behind) {
        Some(b',' | b';') => {
            let next = spaces(behind + 1);
            ends(next) || matches!(cursor.bytes.get(next), Some(b'{' | b'[' | b'(')) || is_pair(cursor, next)
        }
        Some(b' ' | b'\t') => ends(spaces(behind)) || is_pair(cursor, spaces(behind)),
        _ => ends(behind),
    }
}
