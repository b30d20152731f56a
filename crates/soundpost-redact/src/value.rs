//! Extents of values: quoted, bracketed, bare, and up to the end of a line.

use crate::cursor::Cursor;

/// What lies in the quotes or brackets that open at `start`, else `None`. One that never closes goes to the end.
pub(crate) fn quoted(cursor: &Cursor<'_>, start: usize) -> Option<(usize, usize)> {
    let bytes = cursor.bytes;
    let prefix = matches!(bytes.get(start), Some(b'b' | b'B' | b'r' | b'R' | b'u' | b'U' | b'f' | b'F'));
    let opens = |at: usize| matches!(bytes.get(at), Some(b'"' | b'\'' | b'`' | b'\\'));
    let start = if prefix && opens(start + 1) { start + 1 } else { start };
    let quote_at = cursor.run(start, |byte| byte == b'\\');
    let Some(quote) = bytes.get(quote_at).copied().filter(|byte| matches!(byte, b'"' | b'\'' | b'`')) else {
        let open = bytes.get(start).is_some_and(|byte| matches!(byte, b'{' | b'[' | b'('));
        return open.then(|| (start, bracket(cursor, start)));
    };
    let depth = quote_at - start;
    let from = quote_at + 1;
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

/// Where the bracket that opens at `start` is closed.
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

/// Where a value without quotes ends: at a space, or at a `,`, `;` or `&` with nothing or a next pair behind it. Any other
/// of them is the value's own.
pub(crate) fn token(cursor: &Cursor<'_>, start: usize) -> usize {
    let separates = |byte| matches!(byte, b',' | b';' | b'&');
    let mut at = start;
    loop {
        at = cursor.run(at, |byte| !byte.is_ascii_whitespace() && !separates(byte));
        let next = cursor.run(at, separates);
        let ends = cursor.bytes.get(next).is_none_or(u8::is_ascii_whitespace);
        if ends || next == at || is_pair(cursor, next) {
            return at;
        }
        at = next;
    }
}

/// Whether a name with a sign and the beginning of a value stand at `start`; `==` is the end of a value in base64.
pub(crate) fn is_pair(cursor: &Cursor<'_>, start: usize) -> bool {
    let quoted = cursor.run(start, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    let name = cursor.bytes[quoted..].iter().take(64);
    let belongs =
        |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || **byte >= 0x80;
    let name = name.take_while(belongs).count();
    let sign = cursor.run(quoted + name, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    let value = cursor.bytes.get(sign + 1).copied().unwrap_or(b' ');
    match cursor.bytes.get(sign) {
        Some(b':') => name > 0,
        Some(b'=') => name > 0 && value != b'=' && !value.is_ascii_whitespace(),
        _ => false,
    }
}

/// Where the value of a header or a text without quotes ends: at the end of its line, or of what it is quoted in.
pub(crate) fn line(cursor: &Cursor<'_>, start: usize, quote: Option<u8>) -> usize {
    cursor.run(start, |byte| !matches!(byte, b'\n' | b'\r') && Some(byte) != quote)
}

/// How what is hidden already begins.
const HIDDEN: [&[u8]; 2] = [b"[REDACTED:", b"[text of "];

/// Whether what stands here is hidden already.
pub(crate) fn hidden(text: &[u8]) -> bool {
    HIDDEN.iter().any(|hidden| text.starts_with(hidden))
}

/// Nothing to hide: empty, hidden already, or what programs print for none.
pub(crate) fn says_nothing(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let bare = value.strip_suffix(b",").unwrap_or(value);
    bare.iter().all(|byte| *byte == b'*')
        || hidden(value)
        || matches!(bare, b"None" | b"null" | b"nil" | b"true" | b"false" | b"True" | b"False")
}
