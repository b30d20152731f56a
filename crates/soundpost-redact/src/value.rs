//! Extents of values: quoted, bracketed, wrapped, bare, and up to the end of a line.

use crate::cursor::{Cursor, is_name};
use crate::harmless::is_reference_tag;
use crate::name;
use crate::strength::has_digit;

/// Maximum wrappers around a value.
const WRAPPERS: usize = 5;
/// Fields of types that hold one value.
const FIELDS: [&[u8]; 4] = [b"inner", b"value", b"secret", b"0"];

/// Returns the range in the quotes or brackets that open at `start`. Without a closing one, it extends to the end.
pub(crate) fn quoted(cursor: &Cursor<'_>, start: usize) -> Option<(usize, usize)> {
    let bytes = cursor.bytes;
    // `map[name:value]`, as Go prints it.
    let start = if bytes[start..].starts_with(b"map[") { start + 3 } else { start };
    let Some((quote, depth, from)) = quote(cursor, start) else {
        let open = bytes.get(start).is_some_and(|byte| matches!(byte, b'{' | b'[' | b'('));
        return open.then(|| (start, bracket(cursor, start)));
    };
    // Three quotes open a text of several lines.
    let from = from + if depth == 0 && bytes[from..].starts_with(&[quote, quote]) { 2 } else { 0 };
    let mut slashes = 0;
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'\\' => slashes += 1,
            _ if *byte == quote && (slashes == depth || depth == 0 && slashes % 2 == 0) => {
                // Two quotes stand for one within.
                let next = bytes.get(at + 1) == Some(&quote)
                    && bytes.get(at + 2).is_some_and(u8::is_ascii_alphanumeric);
                if depth > 0 || at == from || !next && bytes[at - 1] != quote {
                    return Some((from, at - slashes.min(depth)));
                }
            }
            _ => slashes = 0,
        }
    }
    Some((from, bytes.len()))
}

/// Returns the range of the literal in wrappers at `start`: `Some("...")`, `Value::String(String::from("..."))`, `!str "..."`.
pub(crate) fn wrapped(cursor: &Cursor<'_>, start: usize) -> Option<(usize, usize)> {
    let bytes = cursor.bytes;
    let mut at = start;
    let spaces = |mut at: usize| {
        while let Some(next) =
            next_line(cursor, at).or_else(|| matches!(bytes.get(at), Some(b' ' | b'\t')).then_some(at + 1))
        {
            at = next;
        }
        at
    };
    for _ in 0..WRAPPERS {
        at = spaces(at);
        if quote(cursor, at).is_some() {
            let (from, end) = quoted(cursor, at).filter(|_| at > start)?;
            let behind = cursor.run(end, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
            let comma = bytes.get(behind) == Some(&b',');
            // Other arguments are those of a call.
            return (!comma || bytes.get(spaces(behind + 1)) == Some(&b')')).then_some((from, end));
        }
        let reference = bytes[at..].starts_with(b"&\"") || bytes[at..].starts_with(b"*\"");
        if reference {
            return quoted(cursor, at + 1);
        }
        let tag = cursor.run(at, |byte| byte.is_ascii_alphanumeric() || b"!_/:.,<>-".contains(&byte));
        if bytes.get(tag) == Some(&b' ') && is_tag(&bytes[at..tag]) {
            if is_reference_tag(&bytes[at..tag]) {
                return None;
            }
            let value = cursor.run(tag, |byte| byte == b' ');
            return Some(quoted(cursor, value).unwrap_or_else(|| (value, token(cursor, value))));
        }
        at += if bytes[at..].starts_with(b"new ") { 4 } else { 0 };
        let path = cursor.run(at, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':'));
        // `string(11) "..."`, as PHP prints it.
        let length = cursor.run(path + 1, |byte| byte.is_ascii_digit());
        if &bytes[at..path] == b"string" && bytes[length..].starts_with(b") \"") {
            return quoted(cursor, length + 2);
        }
        if path == at || !name::is_wrapper(&String::from_utf8_lossy(&bytes[at..path])) {
            return None;
        }
        let generic = bytes.get(path) == Some(&b'<');
        let open = if generic { cursor.run(path, |byte| !matches!(byte, b'>' | b'\n')) + 1 } else { path };
        at = open + 1;
        match bytes.get(open) {
            Some(b' ') if quote(cursor, at).is_some() => {}
            // `Masked { inner: "..." }`
            Some(b' ' | b'{') if bytes[open..].trim_ascii_start().starts_with(b"{") => {
                let field = spaces(cursor.run(open, |byte| matches!(byte, b' ' | b'{')));
                at = cursor.run(field, |byte| byte.is_ascii_lowercase() || byte == b'0');
                if !FIELDS.contains(&&bytes[field..at]) || bytes.get(at) != Some(&b':') {
                    return None;
                }
                at += 1;
            }
            Some(b'(') => {
                let end = cursor.run(at, |byte| byte.is_ascii_graphic() && !b"(){}[]\"',;=".contains(&byte));
                let inner = &bytes[at..end];
                let closed = bytes.get(end) == Some(&b')') && inner.len() > 4;
                if closed && has_digit(inner) && inner.iter().any(u8::is_ascii_alphabetic) {
                    return Some((at, end));
                }
            }
            _ => return None,
        }
    }
    None
}

/// Returns whether this is a tag of YAML before a value: `!str`, `!!binary`, `!<tag:...>`.
fn is_tag(tag: &[u8]) -> bool {
    const TAGS: [&[u8]; 6] = [b"!str", b"!string", b"!unsafe", b"!binary", b"!plain", b"!raw"];
    let letters = |rest: &[u8]| rest.iter().all(|byte| byte.is_ascii_lowercase() || b"_/:.".contains(byte));
    TAGS.contains(&tag)
        || tag.strip_prefix(b"!!").is_some_and(|rest| rest.len() > 2 && letters(rest))
        || tag.starts_with(b"!<") && tag.ends_with(b">")
        || is_reference_tag(tag)
}

/// Returns the range of the literal behind the type at `start`: `&'static str = "..."`.
pub(crate) fn declared(cursor: &Cursor<'_>, start: usize) -> Option<(usize, usize)> {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"_&'<>[].:| ".contains(&byte);
    let sign = start + cursor.bytes[start..].iter().take(48).take_while(|byte| part(**byte)).count();
    let value = cursor.run(sign + 1, |byte| byte == b' ');
    let assigned =
        sign > start + 2 && cursor.bytes.get(sign) == Some(&b'=') && cursor.before_at(sign) == b' ';
    (assigned && quote(cursor, value).is_some()).then(|| quoted(cursor, value))?
}

/// Returns the begin of the value behind a name, also on the next line, and its end if it is a block of YAML there. A line
/// that ends otherwise has no value.
pub(crate) fn line_break(cursor: &Cursor<'_>, start: usize) -> Option<(usize, Option<usize>)> {
    let scalar = cursor.run(start, |byte| matches!(byte, b'|' | b'>' | b'-' | b'+'));
    let block = scalar > start && matches!(cursor.bytes[start], b'|' | b'>');
    let Some(next) = next_line(cursor, if block { scalar } else { start }) else {
        return Some((start, None));
    };
    let value = cursor.run(next, |byte| matches!(byte, b' ' | b'\t'));
    if block {
        let comment = matches!(cursor.bytes.get(value), Some(b'#' | b'$'));
        return (!comment).then(|| (value, Some(line_end(cursor, value))));
    }
    quote(cursor, value).filter(|(.., from)| cursor.is_word(*from)).map(|_| (value, None))
}

/// Returns the begin of the next line, if a line ends at `at`: by its sign, or by an escape of it.
pub(crate) fn next_line(cursor: &Cursor<'_>, at: usize) -> Option<usize> {
    let ends = ["\r\n", "\n", "\\r\\n", "\\n"];
    ends.iter().find(|end| cursor.bytes[at..].starts_with(end.as_bytes())).map(|end| at + end.len())
}

/// Returns the end of the line from `start` on, or of the quotes around it.
pub(crate) fn line_end(cursor: &Cursor<'_>, start: usize) -> usize {
    let bytes = cursor.bytes;
    let ends = |at: &usize| {
        matches!(bytes[*at], b'\n' | b'\r' | b'"' | b'\'')
            || bytes[*at..].starts_with(b"\\n")
            || bytes[*at..].starts_with(b"\\r\\n")
    };
    (start..bytes.len()).find(ends).unwrap_or(bytes.len())
}

/// Returns the quote that opens at `start` or behind a prefix there, the number of backslashes before it, and its end.
pub(crate) fn quote(cursor: &Cursor<'_>, start: usize) -> Option<(u8, usize, usize)> {
    let byte = |at: usize| cursor.bytes.get(at).copied().unwrap_or(b' ');
    let prefix = matches!(byte(start), b'b' | b'B' | b'r' | b'R' | b'u' | b'U' | b'f' | b'F' | b'N');
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
    // `${NAME:?must be set}`
    let variable = cursor.bytes[start..].starts_with(b"${");
    let closed = if variable { bracket(cursor, start + 1) } else { start };
    let (mut at, mut from) = (closed, closed);
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
