//! Extents of values: quoted, bracketed, bare, and up to the end of a line.

use crate::cursor::{Cursor, is_name};

/// Returns the range in the quotes or brackets that open at `start`. Without a closing one, it extends to the end.
pub(crate) fn quoted(cursor: &Cursor<'_>, start: usize) -> Option<(usize, usize)> {
    let bytes = cursor.bytes;
    // `map[name:value]`, as Go prints it.
    let start = if bytes[start..].starts_with(b"map[") { start + 3 } else { start };
    let Some((quote, depth, from)) = quote(cursor, start) else {
        let open = bytes.get(start).is_some_and(|byte| matches!(byte, b'{' | b'[' | b'('));
        return open.then(|| (start, bracket(cursor, start)));
    };
    let mut slashes = 0;
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'\\' => slashes += 1,
            _ if *byte == quote && (slashes == depth || depth == 0 && slashes % 2 == 0) => {
                return Some((from, at - slashes.min(depth)));
            }
            _ => slashes = 0,
        }
    }
    Some((from, bytes.len()))
}

/// Returns the quote that opens at `start` or behind a prefix there, the number of backslashes before it, and its end.
pub(crate) fn quote(cursor: &Cursor<'_>, start: usize) -> Option<(u8, usize, usize)> {
    let byte = |at: usize| cursor.bytes.get(at).copied().unwrap_or(b' ');
    let prefix = matches!(byte(start), b'b' | b'B' | b'r' | b'R' | b'u' | b'U' | b'f' | b'F');
    let opens = matches!(byte(start + 1), b'"' | b'\'' | b'`' | b'\\');
    let open = if prefix && opens { start + 1 } else { start };
    let at = cursor.run(open, |byte| byte == b'\\');
    matches!(byte(at), b'"' | b'\'' | b'`').then(|| (byte(at), at - open, at + 1))
}

/// Returns the end of the bracket that opens at `start`.
pub(crate) fn bracket(cursor: &Cursor<'_>, start: usize) -> usize {
    let mut depth = 0;
    let mut quote = None;
    let mut escaped = false;
    for (at, byte) in cursor.bytes.iter().enumerate().skip(start) {
        match (quote, byte) {
            _ if escaped => escaped = false,
            (_, b'\\') => escaped = true,
            (Some(open), _) if *byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'{' | b'[' | b'(') => depth += 1,
            (None, b'}' | b']' | b')') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    cursor.bytes.len()
}

/// Returns the end of a value without quotes: at a space, at a punctuation mark of Chinese, or at a `,`, `;` or `&` before
/// a space or a next pair. Any other of them is a part of the value.
pub(crate) fn token(cursor: &Cursor<'_>, start: usize) -> usize {
    let separates = |byte| matches!(byte, b',' | b';' | b'&');
    let (mut at, mut from) = (start, start);
    loop {
        at = cursor.run(at, |byte| !byte.is_ascii_whitespace() && !separates(byte));
        if let Some(mark) = chinese_mark(&cursor.bytes[from..at]) {
            return from + mark;
        }
        from = at;
        let next = cursor.run(at, separates);
        let ends = cursor.bytes.get(next).is_none_or(u8::is_ascii_whitespace);
        if ends || next == at || is_pair(cursor, next) {
            return unclosed(cursor.bytes, start, at);
        }
        at = next;
    }
}

/// Returns the end without the brackets and quotes that close one before the value.
fn unclosed(bytes: &[u8], start: usize, mut end: usize) -> usize {
    while end > start + 1 {
        let open = match bytes[end - 1] {
            b')' => b'(',
            b']' => b'[',
            b'}' => b'{',
            quote @ (b'"' | b'\'') => quote,
            _ => break,
        };
        if bytes[start..end - 1].contains(&open) {
            break;
        }
        end -= 1;
    }
    end
}

/// Returns the place of the first punctuation mark of Chinese.
fn chinese_mark(bytes: &[u8]) -> Option<usize> {
    let marks = ["，", "。", "；", "、", "）", "】", "”", "」", "！"];
    let is_mark =
        |at: &usize| bytes[*at] >= 0xE0 && marks.iter().any(|mark| bytes[*at..].starts_with(mark.as_bytes()));
    (0..bytes.len()).find(is_mark)
}

/// Returns whether a name, a sign and a value begin at `start`. A `==` ends a value in base64.
pub(crate) fn is_pair(cursor: &Cursor<'_>, start: usize) -> bool {
    let quoted = cursor.run(start, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    let name = cursor.bytes[quoted..].iter().take(64);
    let name = name.take_while(|byte| is_name(**byte)).count();
    let sign = cursor.run(quoted + name, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    let value = cursor.bytes.get(sign + 1).copied().unwrap_or(b' ');
    match cursor.bytes.get(sign) {
        Some(b':') => name > 0,
        Some(b'=') => name > 0 && value != b'=' && !value.is_ascii_whitespace(),
        _ => false,
    }
}

/// Returns the end of the value of a header without quotes: the end of the line, or of the quotes around the header.
pub(crate) fn line(cursor: &Cursor<'_>, start: usize, quote: Option<u8>) -> usize {
    cursor.run(start, |byte| !matches!(byte, b'\n' | b'\r') && Some(byte) != quote)
}
