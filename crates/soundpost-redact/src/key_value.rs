//! What a text says with a sign: `name=value`, `"name": "value"`, `scheme://user:password@host`, `somebody@somewhere`.

use crate::cursor::{Cursor, Match};
use crate::name::{Class, class, counts};
use crate::rule::Rule;
use crate::text_value;
use crate::value::{hidden, line, quoted, says_nothing, token};

/// Looks at a `=`, `:`, `,` or the first byte of a full-width `：` or `＝`; tells up to where it looked.
pub(crate) fn at(cursor: &Cursor<'_>) -> (Option<Match>, usize) {
    let rest = &cursor.bytes[cursor.at..];
    if rest.starts_with(b"://") {
        return url(cursor);
    }
    if rest.starts_with(b"::") {
        return (None, cursor.at + 2);
    }
    let sign = match rest[0] {
        0xEF if rest.starts_with("：".as_bytes()) || rest.starts_with("＝".as_bytes()) => 3,
        0xEF => return (None, cursor.at + 3),
        b',' if !matches!(cursor.before(1), b'"' | b'\'') => return (None, cursor.at + 1),
        _ => 1,
    };
    (value_of(cursor, cursor.at + sign), cursor.at + sign)
}

/// The value behind the sign that ends at `after`, where the name before it says that it is one.
fn value_of(cursor: &Cursor<'_>, after: usize) -> Option<Match> {
    // Nearly all signs stand behind a name that ends in a letter, a quote or a bracket, or between digits.
    let mut name = cursor.name_before(cursor.at);
    let class = if is_signature(cursor, &name) {
        Class::Secret
    } else if name.is_empty() && cursor.record_text {
        Class::Plain
    } else if name.is_empty() {
        // `text (per sentence): ...`
        name = cursor.name_before(before_remark(cursor)?);
        if class(&name) == Class::Text { Class::Text } else { Class::Plain }
    } else if is_said(cursor, &name) {
        Class::Text
    } else {
        class(&name)
    };
    let rule = match class {
        Class::Plain => return None,
        Class::Text if cursor.record_text => return None,
        Class::Text => Rule::Text,
        Class::Secret | Class::Header => Rule::Key,
    };
    let opening = quote_before(cursor, name.len());
    // A comma pairs only in a tuple or an array of two, as lists of headers have them.
    let paired_by = (cursor.bytes[cursor.at] == b',').then(|| opening.map_or(b' ', |(bracket, _)| bracket));
    if paired_by.is_some_and(|bracket| !matches!(bracket, b'(' | b'[')) {
        return None;
    }
    let after = cursor.run(after, |byte| matches!(byte, b'=' | b':' | b'>'));
    let start = cursor.run(after, |byte| matches!(byte, b' ' | b'\t'));
    if hidden(&cursor.bytes[start..]) {
        return None;
    }
    if paired_by == Some(b'[') && !matches!(cursor.bytes.get(start), Some(b'"' | b'\'' | b'\\')) {
        return None;
    }
    let opening = opening.map(|(_, quote)| quote);
    if class == Class::Text && text_value::is_literal(cursor, start, opening.is_some()) {
        return None;
    }
    let (start, end) = match class {
        // To the first quote that can close it: there may be many arrays.
        Class::Text if paired_by == Some(b'[') => quoted(cursor, start)?,
        Class::Text => {
            text_value::extent(cursor, start, opening.is_some() || cursor.bytes[cursor.at] == b'=', opening)
        }
        _ => match quoted(cursor, start) {
            Some(value) => value,
            None if class == Class::Secret => (start, token(cursor, start)),
            None => (start, line(cursor, start, opening)),
        },
    };
    let behind = cursor.run(end, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    if paired_by == Some(b'[')
        && (behind == end || cursor.bytes.get(behind) != Some(&b']'))
        && end < cursor.bytes.len()
    {
        return None;
    }
    let value = &cursor.bytes[start..end];
    let digits = std::str::from_utf8(value).map(|value| value.trim_end_matches([')', ']', '}', '.']));
    let number = digits.ok().and_then(|digits| digits.parse().ok());
    let bare = !matches!(cursor.before_at(start), b'"' | b'\'' | b'`');
    let counts = class == Class::Secret && bare && number.is_some_and(|number| counts(&name, number));
    (!counts && !says_nothing(value)).then_some(Match { start, end, rule })
}

/// Where the remark in brackets begins that ends before this place.
fn before_remark(cursor: &Cursor<'_>) -> Option<usize> {
    let end = cursor.run_back(cursor.at, |byte| matches!(byte, b' ' | b'\t'));
    let remark = cursor.bytes[end.saturating_sub(REMARK)..end].strip_suffix(b")")?;
    let length = remark.iter().rev().position(|byte| *byte == b'(')?;
    Some(end - length - 2)
}

/// Whether a text to synthesise is said to follow: `TTS request: ...`, `Generating speech for: ...`.
fn is_said(cursor: &Cursor<'_>, name: &str) -> bool {
    let before: &[&str] = match name {
        "request" | "Request" => &["tts"],
        "for" => &["tts", "speech", "audio"],
        _ => return false,
    };
    let start = cursor.run_back(cursor.at, |byte| matches!(byte, b' ' | b'\t')).saturating_sub(name.len());
    let said = cursor.bytes[..start].trim_ascii_end();
    before.iter().any(|word| {
        let from = said.len().saturating_sub(word.len());
        said[from..].eq_ignore_ascii_case(word.as_bytes()) && !cursor.before_at(from).is_ascii_alphanumeric()
    })
}

/// Whether this is the `sig` of a URL that was signed.
fn is_signature(cursor: &Cursor<'_>, name: &str) -> bool {
    name == "sig" && cursor.bytes[cursor.at] == b'=' && matches!(cursor.before(4), b'?' | b'&' | b';')
}

/// The value of an option `--name value`, also as the items of a list, whose second `-` is at this place.
pub(crate) fn option(cursor: &Cursor<'_>) -> Option<Match> {
    let before = cursor.before(2);
    if !before.is_ascii_whitespace() && !matches!(before, b'"' | b'\'' | b'`' | b'[' | b'(' | b',' | b'\\') {
        return None;
    }
    let from = cursor.at + 1;
    let end = cursor.run(from, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let name = &cursor.bytes[from..end];
    if !name.first().is_some_and(u8::is_ascii_alphabetic) || name.len() > 64 {
        return None;
    }
    let rule = match class(&String::from_utf8_lossy(name)) {
        Class::Secret => Rule::Key,
        Class::Text if !cursor.record_text => Rule::Text,
        _ => return None,
    };
    let quoted_by = |byte| matches!(byte, b'"' | b'\'' | b'\\');
    let closed = cursor.run(end, quoted_by);
    let listed = closed > end && cursor.bytes.get(closed) == Some(&b',');
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
    let value = &cursor.bytes[start..end];
    let told = value.starts_with(b"-") && !listed || PROSE.iter().any(|word| word.as_bytes() == value);
    (!value.is_empty() && !told && !says_nothing(value)).then_some(Match { start, end, rule })
}

/// Where the next option begins behind `start`, or the line ends.
fn next_option(cursor: &Cursor<'_>, start: usize) -> usize {
    let ends =
        |at: &usize| cursor.bytes[*at..].starts_with(b" --") || matches!(cursor.bytes[*at], b'\n' | b'\r');
    (start..cursor.bytes.len()).find(ends).unwrap_or(cursor.bytes.len())
}

/// Most bytes of a remark.
const REMARK: usize = 48;

/// Words behind the name of an option in a sentence about it.
const PROSE: [&str; 18] = [
    "is", "was", "are", "to", "or", "and", "for", "in", "must", "may", "can", "not", "has", "needs",
    "requires", "option", "flag", "argument",
];

/// What stands before the name of `length` that ends before this place: the quote, and what is before that.
fn quote_before(cursor: &Cursor<'_>, length: usize) -> Option<(u8, u8)> {
    let closes = |byte| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b']' | b'`' | b'*');
    let start = cursor.run_back(cursor.at, closes).checked_sub(length + 1)?;
    let quote = cursor.bytes[start];
    let prefix = |byte: u8| matches!(byte, b'b' | b'r' | b'u' | b'\\' | b' ');
    let before = cursor.run_back(start, prefix).checked_sub(1).map_or(b' ', |at| cursor.bytes[at]);
    matches!(quote, b'"' | b'\'').then_some((before, quote))
}

/// User and password of a URL whose `://` is at this place.
fn url(cursor: &Cursor<'_>) -> (Option<Match>, usize) {
    let start = cursor.at + 3;
    let ends = |byte: u8| {
        byte.is_ascii_whitespace()
            || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`')
    };
    let end = cursor.run(start, |byte| !ends(byte));
    let at = cursor.bytes[start..end].iter().rposition(|byte| *byte == b'@').map(|at| start + at);
    // What was cut off may have held the `@`.
    let cut = (!cursor.whole && end == cursor.bytes.len() && cursor.bytes[start..end].contains(&b':'))
        .then_some(end);
    // What is hidden already stays as it is.
    let shows = |end: &usize| cursor.bytes[start..*end].iter().any(|byte| !matches!(byte, b'*' | b':'));
    match at.or(cut).filter(shows) {
        Some(end) => (Some(Match { start, end, rule: Rule::Url }), (end + 1).min(cursor.bytes.len())),
        None => (None, start),
    }
}

/// The address whose `@` is at this place.
pub(crate) fn email(cursor: &Cursor<'_>) -> Option<Match> {
    let local = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte);
    let start = cursor.run_back(cursor.at, local);
    let start = cursor.run(start, |byte| byte == b'.');
    let domain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let end = cursor.run(cursor.at + 1, domain);
    let end = cursor.run_back(end, |byte| matches!(byte, b'.' | b'-'));
    let host = cursor.bytes.get(cursor.at + 1..end)?;
    let last = host.iter().rposition(|byte| *byte == b'.')?;
    let top = &host[last + 1..];
    let address = start < cursor.at && last > 0 && top.len() >= 2 && top.iter().all(u8::is_ascii_alphabetic);
    address.then_some(Match { start, end, rule: Rule::Email })
}
