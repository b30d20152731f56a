//! What a text says with a sign: `name=value`, `"name": "value"`, `scheme://user:password@host`, `somebody@somewhere`.

use super::key::{Class, class, counts};
use super::rule::Rule;
use super::scan::{Look, Span};
use super::spoken;

/// Looks at a `=`, `:`, `,` or the first byte of a full-width `：` or `＝`; tells up to where it looked.
pub(super) fn at(look: &Look<'_>) -> (Option<Span>, usize) {
    let rest = &look.bytes[look.at..];
    if rest.starts_with(b"://") {
        return url(look);
    }
    if rest.starts_with(b"::") {
        return (None, look.at + 2);
    }
    let sign = match rest[0] {
        0xEF if rest.starts_with("：".as_bytes()) || rest.starts_with("＝".as_bytes()) => 3,
        0xEF => return (None, look.at + 3),
        b',' if !matches!(look.before(1), b'"' | b'\'') => return (None, look.at + 1),
        _ => 1,
    };
    (value_of(look, look.at + sign), look.at + sign)
}

/// The value behind the sign that ends at `after`, where the name before it says that it is one.
fn value_of(look: &Look<'_>, after: usize) -> Option<Span> {
    // Nearly all signs stand behind a name that ends in a letter, a quote or a bracket, or between digits.
    let mut name = look.name_before(look.at);
    let class = if is_signature(look, &name) {
        Class::Secret
    } else if name.is_empty() && look.record_text {
        Class::Plain
    } else if name.is_empty() {
        // `text (per sentence): ...`
        name = look.name_before(before_remark(look)?);
        if class(&name) == Class::Text { Class::Text } else { Class::Plain }
    } else if is_said(look, &name) {
        Class::Text
    } else {
        class(&name)
    };
    let rule = match class {
        Class::Plain => return None,
        Class::Text if look.record_text => return None,
        Class::Text => Rule::Text,
        Class::Secret | Class::Header => Rule::Key,
    };
    let opening = quote_before(look, name.len());
    // A comma pairs only in a tuple or an array of two, as lists of headers have them.
    let paired_by = (look.bytes[look.at] == b',').then(|| opening.map_or(b' ', |(bracket, _)| bracket));
    if paired_by.is_some_and(|bracket| !matches!(bracket, b'(' | b'[')) {
        return None;
    }
    let after = look.run(after, |byte| matches!(byte, b'=' | b':' | b'>'));
    let start = look.run(after, |byte| matches!(byte, b' ' | b'\t'));
    if hidden(&look.bytes[start..]) {
        return None;
    }
    if paired_by == Some(b'[') && !matches!(look.bytes.get(start), Some(b'"' | b'\'' | b'\\')) {
        return None;
    }
    let opening = opening.map(|(_, quote)| quote);
    if class == Class::Text && spoken::is_literal(look, start, opening.is_some()) {
        return None;
    }
    let (start, end) = match class {
        // To the first quote that can close it: there may be many arrays.
        Class::Text if paired_by == Some(b'[') => quoted(look, start)?,
        Class::Text => spoken::value(look, start, opening.is_some() || look.bytes[look.at] == b'=', opening),
        _ => match quoted(look, start) {
            Some(value) => value,
            None if class == Class::Secret => (start, token(look, start)),
            None => (start, line(look, start, opening)),
        },
    };
    let behind = look.run(end, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    if paired_by == Some(b'[')
        && (behind == end || look.bytes.get(behind) != Some(&b']'))
        && end < look.bytes.len()
    {
        return None;
    }
    let value = &look.bytes[start..end];
    let digits = std::str::from_utf8(value).map(|value| value.trim_end_matches([')', ']', '}', '.']));
    let number = digits.ok().and_then(|digits| digits.parse().ok());
    let bare = !matches!(look.before_at(start), b'"' | b'\'' | b'`');
    let counts = class == Class::Secret && bare && number.is_some_and(|number| counts(&name, number));
    (!counts && !says_nothing(value)).then_some(Span { start, end, rule })
}

/// Where the remark in brackets begins that ends before this place.
fn before_remark(look: &Look<'_>) -> Option<usize> {
    let end = look.run_back(look.at, |byte| matches!(byte, b' ' | b'\t'));
    let remark = look.bytes[end.saturating_sub(REMARK)..end].strip_suffix(b")")?;
    let length = remark.iter().rev().position(|byte| *byte == b'(')?;
    Some(end - length - 2)
}

/// Whether a text to synthesise is said to follow: `TTS request: ...`, `Generating speech for: ...`.
fn is_said(look: &Look<'_>, name: &str) -> bool {
    let before: &[&str] = match name {
        "request" | "Request" => &["tts"],
        "for" => &["tts", "speech", "audio"],
        _ => return false,
    };
    let start = look.run_back(look.at, |byte| matches!(byte, b' ' | b'\t')).saturating_sub(name.len());
    let said = look.bytes[..start].trim_ascii_end();
    before.iter().any(|word| {
        let from = said.len().saturating_sub(word.len());
        said[from..].eq_ignore_ascii_case(word.as_bytes()) && !look.before_at(from).is_ascii_alphanumeric()
    })
}

/// Whether this is the `sig` of a URL that was signed.
fn is_signature(look: &Look<'_>, name: &str) -> bool {
    name == "sig" && look.bytes[look.at] == b'=' && matches!(look.before(4), b'?' | b'&' | b';')
}

/// The value of an option `--name value`, also as the items of a list, whose second `-` is at this place.
pub(super) fn option(look: &Look<'_>) -> Option<Span> {
    let before = look.before(2);
    if !before.is_ascii_whitespace() && !matches!(before, b'"' | b'\'' | b'`' | b'[' | b'(' | b',' | b'\\') {
        return None;
    }
    let from = look.at + 1;
    let end = look.run(from, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let name = &look.bytes[from..end];
    if !name.first().is_some_and(u8::is_ascii_alphabetic) || name.len() > 64 {
        return None;
    }
    let rule = match class(&String::from_utf8_lossy(name)) {
        Class::Secret => Rule::Key,
        Class::Text if !look.record_text => Rule::Text,
        _ => return None,
    };
    let quoted_by = |byte| matches!(byte, b'"' | b'\'' | b'\\');
    let closed = look.run(end, quoted_by);
    let listed = closed > end && look.bytes.get(closed) == Some(&b',');
    let space = |byte: u8| matches!(byte, b' ' | b'\t') || listed && byte.is_ascii_whitespace();
    let start = look.run(if listed { closed + 1 } else { end }, space);
    // `--password` alone, or as the last word of what is quoted.
    if start == end || closed > end && !listed {
        return None;
    }
    let (start, end) = match quoted(look, start) {
        Some(value) => value,
        None if listed => return None,
        None if rule == Rule::Text => (start, next_option(look, start)),
        None => {
            let end = token(look, start);
            (start, look.run_back(end, quoted_by).max(start))
        }
    };
    let value = &look.bytes[start..end];
    let told = value.starts_with(b"-") && !listed || PROSE.iter().any(|word| word.as_bytes() == value);
    (!value.is_empty() && !told && !says_nothing(value)).then_some(Span { start, end, rule })
}

/// Where the next option begins behind `start`, or the line ends.
fn next_option(look: &Look<'_>, start: usize) -> usize {
    let ends = |at: &usize| look.bytes[*at..].starts_with(b" --") || matches!(look.bytes[*at], b'\n' | b'\r');
    (start..look.bytes.len()).find(ends).unwrap_or(look.bytes.len())
}

/// Most bytes of a remark.
const REMARK: usize = 48;

/// Words behind the name of an option in a sentence about it.
const PROSE: [&str; 18] = [
    "is", "was", "are", "to", "or", "and", "for", "in", "must", "may", "can", "not", "has", "needs",
    "requires", "option", "flag", "argument",
];

/// What stands before the name of `length` that ends before this place: the quote, and what is before that.
fn quote_before(look: &Look<'_>, length: usize) -> Option<(u8, u8)> {
    let closes = |byte| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b']' | b'`' | b'*');
    let start = look.run_back(look.at, closes).checked_sub(length + 1)?;
    let quote = look.bytes[start];
    let prefix = |byte: u8| matches!(byte, b'b' | b'r' | b'u' | b'\\' | b' ');
    let before = look.run_back(start, prefix).checked_sub(1).map_or(b' ', |at| look.bytes[at]);
    matches!(quote, b'"' | b'\'').then_some((before, quote))
}

/// What lies in the quotes or brackets that open at `start`, else `None`. One that never closes goes to the end.
fn quoted(look: &Look<'_>, start: usize) -> Option<(usize, usize)> {
    let bytes = look.bytes;
    let prefix = matches!(bytes.get(start), Some(b'b' | b'B' | b'r' | b'R' | b'u' | b'U' | b'f' | b'F'));
    let opens = |at: usize| matches!(bytes.get(at), Some(b'"' | b'\'' | b'`' | b'\\'));
    let start = if prefix && opens(start + 1) { start + 1 } else { start };
    let quote_at = look.run(start, |byte| byte == b'\\');
    let Some(quote) = bytes.get(quote_at).copied().filter(|byte| matches!(byte, b'"' | b'\'' | b'`')) else {
        let open = bytes.get(start).is_some_and(|byte| matches!(byte, b'{' | b'[' | b'('));
        return open.then(|| (start, bracket(look, start)));
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
pub(super) fn bracket(look: &Look<'_>, start: usize) -> usize {
    let mut depth = 0;
    let mut quote = None;
    let mut escaped = false;
    for (at, byte) in look.bytes.iter().enumerate().skip(start) {
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
    look.bytes.len()
}

/// Where a value without quotes ends: at a space, or at a `,`, `;` or `&` with nothing or a next pair behind it. Any other
/// of them is the value's own.
fn token(look: &Look<'_>, start: usize) -> usize {
    let separates = |byte| matches!(byte, b',' | b';' | b'&');
    let mut at = start;
    loop {
        at = look.run(at, |byte| !byte.is_ascii_whitespace() && !separates(byte));
        let next = look.run(at, separates);
        let ends = look.bytes.get(next).is_none_or(u8::is_ascii_whitespace);
        if ends || next == at || is_pair(look, next) {
            return at;
        }
        at = next;
    }
}

/// Whether a name with a sign and the beginning of a value stand at `start`; `==` is the end of a value in base64.
pub(super) fn is_pair(look: &Look<'_>, start: usize) -> bool {
    let quoted = look.run(start, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    let name = look.bytes[quoted..].iter().take(64);
    let belongs =
        |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || **byte >= 0x80;
    let name = name.take_while(belongs).count();
    let sign = look.run(quoted + name, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    let value = look.bytes.get(sign + 1).copied().unwrap_or(b' ');
    match look.bytes.get(sign) {
        Some(b':') => name > 0,
        Some(b'=') => name > 0 && value != b'=' && !value.is_ascii_whitespace(),
        _ => false,
    }
}

/// Where the value of a header or a text without quotes ends: at the end of its line, or of what it is quoted in.
fn line(look: &Look<'_>, start: usize, quote: Option<u8>) -> usize {
    look.run(start, |byte| !matches!(byte, b'\n' | b'\r') && Some(byte) != quote)
}

/// How what is hidden already begins.
const HIDDEN: [&[u8]; 2] = [b"[REDACTED:", b"[text of "];

/// Whether what stands here is hidden already.
pub(super) fn hidden(text: &[u8]) -> bool {
    HIDDEN.iter().any(|hidden| text.starts_with(hidden))
}

/// Nothing to hide: empty, hidden already, or what programs print for none.
pub(super) fn says_nothing(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let bare = value.strip_suffix(b",").unwrap_or(value);
    bare.iter().all(|byte| *byte == b'*')
        || hidden(value)
        || matches!(bare, b"None" | b"null" | b"nil" | b"true" | b"false" | b"True" | b"False")
}

/// User and password of a URL whose `://` is at this place.
fn url(look: &Look<'_>) -> (Option<Span>, usize) {
    let start = look.at + 3;
    let ends = |byte: u8| {
        byte.is_ascii_whitespace()
            || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`')
    };
    let end = look.run(start, |byte| !ends(byte));
    let at = look.bytes[start..end].iter().rposition(|byte| *byte == b'@').map(|at| start + at);
    // What was cut off may have held the `@`.
    let cut =
        (!look.whole && end == look.bytes.len() && look.bytes[start..end].contains(&b':')).then_some(end);
    // What is hidden already stays as it is.
    let shows = |end: &usize| look.bytes[start..*end].iter().any(|byte| !matches!(byte, b'*' | b':'));
    match at.or(cut).filter(shows) {
        Some(end) => (Some(Span { start, end, rule: Rule::Url }), (end + 1).min(look.bytes.len())),
        None => (None, start),
    }
}

/// The address whose `@` is at this place.
pub(super) fn email(look: &Look<'_>) -> Option<Span> {
    let local = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte);
    let start = look.run_back(look.at, local);
    let start = look.run(start, |byte| byte == b'.');
    let domain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let end = look.run(look.at + 1, domain);
    let end = look.run_back(end, |byte| matches!(byte, b'.' | b'-'));
    let host = look.bytes.get(look.at + 1..end)?;
    let last = host.iter().rposition(|byte| *byte == b'.')?;
    let top = &host[last + 1..];
    let address = start < look.at && last > 0 && top.len() >= 2 && top.iter().all(u8::is_ascii_alphabetic);
    address.then_some(Span { start, end, rule: Rule::Email })
}
