//! Values behind a name: `name=value`, `"name": "value"`.

use crate::cursor::{Cursor, Match, is_name};
use crate::harmless::{Style, is_harmless, is_marked, is_masked, is_nothing, is_parameter};
use crate::name::{self, Class};
use crate::pair_name::{Name, Opening};
use crate::rule::Rule;
use crate::strength::{has_digit, is_issued, is_mixed, is_password, is_random, is_uuid};
use crate::value::{bracket, declared, line, line_break, quoted, token, wrapped};
use crate::{address, element, list, number, text_value};

/// Appends the values behind the sign at the cursor: `=`, `:`, `,`, or the first byte of a full-width `：` or `＝`. Returns
/// the end of the examined bytes.
pub(crate) fn find(cursor: &Cursor<'_>, matches: &mut Vec<Match>) -> usize {
    let rest = &cursor.bytes[cursor.at..];
    // `password://...` is no scheme.
    if rest.starts_with(b"://") && name::class(&cursor.name_before(cursor.at)) != Class::Secret {
        let (found, next) = address::url(cursor);
        matches.extend(found);
        return next;
    }
    if rest.starts_with(b"::") {
        return cursor.at + 2;
    }
    let sign = match rest[0] {
        b'>' => {
            let found = element::find(cursor);
            let end = found.as_ref().map_or(cursor.at + 1, |found| found.end);
            matches.extend(found);
            return end;
        }
        b'-' => 2,
        0xEF if rest.starts_with("：".as_bytes()) || rest.starts_with("＝".as_bytes()) => 3,
        0xE2 | 0xE3 if ["→", "⇒", "“", "「"].iter().any(|sign| rest.starts_with(sign.as_bytes())) => 3,
        0xE2 | 0xE3 | 0xEF => return cursor.at + 3,
        b',' if !matches!(cursor.before(1), b'"' | b'\'') => return cursor.at + 1,
        b':' if is_time(cursor) => {
            if !cursor.bytes[..cursor.at].ends_with(b":5432") {
                return cursor.at + 1;
            }
            let found = address::password_file(cursor);
            let end = found.as_ref().map_or(cursor.at + 1, |found| found.end);
            matches.extend(found);
            return end;
        }
        _ => 1,
    };
    let count = matches.len();
    values(cursor, cursor.at + sign, matches);
    matches[count..].last().map_or(cursor.at + sign, |found| found.end)
}

/// Appends the value behind the sign that ends at `after`, and those that follow it in a list.
#[inline]
fn values(cursor: &Cursor<'_>, after: usize, matches: &mut Vec<Match>) {
    let Some(name) = Name::before(cursor) else { return };
    if name.class != Class::Plain {
        values_of(cursor, after, &name, matches);
    }
}

/// Appends the values of this name.
#[cold]
fn values_of(cursor: &Cursor<'_>, after: usize, name: &Name<'_>, matches: &mut Vec<Match>) {
    let add = |range: std::ops::Range<usize>| Match { start: range.start, end: range.end, rule: Rule::Key };
    if name.class == Class::Text {
        if !cursor.text.record_text {
            matches.extend(value(cursor, after, name));
        }
        return;
    }
    if let Some(items) = list::block(cursor, after, &name.text) {
        matches.extend(items.into_iter().map(add));
        return;
    }
    let found = value(cursor, after, name);
    let first = found
        .as_ref()
        .map(|found| found.start..found.end)
        .or_else(|| list::account(cursor, after, &name.text));
    let several = name.class == Class::Secret
        && (name::is_list(&name.text) || list::is_last_of_two(cursor, &name.text));
    matches.extend(found);
    if let Some(first) = first.filter(|_| several) {
        matches.extend(list::rest(cursor, first).into_iter().map(add));
    }
}

/// Returns whether the `:` is within a time or behind a line number.
fn is_time(cursor: &Cursor<'_>) -> bool {
    let digits = cursor.run_back(cursor.at, |byte| byte.is_ascii_digit());
    let before = cursor.before_at(digits);
    let date = before == b'T' && cursor.before_at(digits - 1).is_ascii_digit();
    digits < cursor.at && (date || !is_name(before) && !matches!(before, b'"' | b'\''))
}

/// Returns the value behind the sign that ends at `after`, if its name makes it a secret or a text.
fn value(cursor: &Cursor<'_>, after: usize, name: &Name<'_>) -> Option<Match> {
    let bytes = cursor.bytes;
    let rule = if name.class == Class::Text { Rule::Text } else { Rule::Key };
    let opening = Opening::before(cursor, name.text.len());
    // A comma pairs only in a tuple, or in an array of two: lists of headers have them.
    let comma = bytes[cursor.at] == b',';
    let bracket = opening.filter(|_| comma).map(|opening| opening.bracket);
    let nested = opening.is_some_and(|opening| opening.nested);
    let array = bracket == Some(b'[');
    if comma && bracket != Some(b'(') && !array {
        return None;
    }
    let after = cursor.run(after, |byte| matches!(byte, b'=' | b':' | b'>'));
    let start = cursor.run(after, |byte| matches!(byte, b' ' | b'\t'));
    if is_marked(&bytes[start..]) || is_resource(cursor, &name.text) {
        return None;
    }
    let (start, scalar) = if rule == Rule::Key { line_break(cursor, start)? } else { (start, None) };
    if matches!(name.class, Class::Weak | Class::Issued)
        && matches!(bytes.get(start), Some(b'[' | b'{' | b'('))
    {
        return None;
    }
    if array && !matches!(bytes.get(start), Some(b'"' | b'\'' | b'\\')) {
        return None;
    }
    let quote = opening.map(|opening| opening.quote);
    if name.class == Class::Text && text_value::is_literal(cursor, start, quote.is_some()) {
        return None;
    }
    let declared = if bytes[cursor.at] == b':' && start > after { declared(cursor, start) } else { None };
    let wrapper = start;
    let (start, end) = match name.class {
        // The first quote ends it, since there may be many arrays.
        Class::Text if array => quoted(cursor, start)?,
        Class::Text => text_value::extent(cursor, start, quote.is_some() || bytes[cursor.at] == b'=', quote),
        _ if let Some(end) = scalar => (start, end),
        _ => match quoted(cursor, start).or(declared).or_else(|| wrapped(cursor, start)) {
            Some(value) => value,
            None if name.class == Class::Header => (start, line(cursor, start, quote)),
            None => {
                let number = number::find(&cursor.text.cursor(start)).0.map_or(start, |found| found.end);
                (start, groups(cursor, start, call_end(cursor, start, token(cursor, start))).max(number))
            }
        },
    };
    let behind = cursor.run(end, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    let closed = behind > end && matches!(bytes.get(behind), Some(b']' | b')'));
    if array && !closed && end < bytes.len() {
        return None;
    }
    let value = String::from_utf8_lossy(&bytes[start..end]);
    // An array of names and a pair alone look the same.
    if array && !nested && !is_mixed(value.as_bytes()) && !is_password(value.as_bytes()) {
        return None;
    }
    if rule == Rule::Key
        && let Some(end) = list::phrase(cursor, &name.text, start, true)
    {
        return Some(Match { start, end, rule });
    }
    let bare = !matches!(cursor.before_at(start), b'"' | b'\'' | b'`');
    let style = match (bare, bytes[cursor.at]) {
        (false, _) => Style::Quoted,
        (true, b'=') if matches!(cursor.before(name.text.len() + 1), b'?' | b'&') => Style::Quoted,
        (true, b':') if start > after => Style::Stated,
        _ => Style::Bare,
    };
    let harmless = match name.class {
        Class::Text => is_nothing(&value) || bare && is_parameter(&value),
        Class::Weak if !is_random(value.as_bytes()) && !is_password(value.as_bytes()) => true,
        Class::Issued
            if !is_issued(value.as_bytes()) && !is_key_of_robot(&name.text, &value)
                || is_key_of_record(cursor, &name.text, &value) =>
        {
            true
        }
        Class::Header if is_hidden_header(&value) => true,
        _ if name::is_tokens(&name.text) => {
            let harmless = is_harmless(&name.text, &value, style);
            cursor.text.tokens_end.set(if harmless { end } else { 0 });
            harmless
        }
        _ => is_harmless(&name.text, &value, style),
    };
    // `令牌：12 个`
    let digits = end < start + 5 && bytes[start..end].iter().all(u8::is_ascii_digit);
    let harmless = harmless || digits && name::is_chinese_unit(bytes[end..].trim_ascii_start());
    // A sentence about a name goes on with words, and a tuple of names with a name.
    let pair = nested && closed && name::is_chosen(&name.text);
    let word = bare && name.phrase || comma && name.class == Class::Secret && !pair;
    let word = word || matches!(bytes[cursor.at], 0xE2 | 0xE3 | b'-') && value.len() < 64;
    let word = word || style == Style::Stated && cursor.before(name.text.len() + 1) == b'/';
    // The scope `token:refresh`.
    let scope = bare && bytes[cursor.at] == b':' && start == after && !name::is_chosen(&name.text);
    let word = word || scope && value.len() <= 12 && value.bytes().all(|byte| byte.is_ascii_lowercase());
    let harmless = harmless || word && !has_digit(value.as_bytes()) && !is_password(value.as_bytes());
    // Tokens of a parser stand in types as well: `Ident("let")`.
    let chosen = name::is_chosen(&name.text);
    let weak = !is_random(value.as_bytes()) && !is_mixed(value.as_bytes()) && !is_password(value.as_bytes());
    let header = name.class == Class::Header || nested && closed;
    let wrapped = !bare && start > wrapper + 3 || comma && !header;
    let harmless =
        harmless || rule == Rule::Key && wrapped && (!chosen && weak && value.len() < 20 || value.len() < 3);
    // `PASS: TestLogin`
    let harmless = harmless || &*name.text == "PASS" && style == Style::Stated && weak;
    let masked = name.class == Class::Secret && bytes[end..].starts_with(b" ***");
    let harmless =
        harmless || masked || style == Style::Stated && is_sentence(&name.text, &value, &bytes[end..]);
    (!harmless).then_some(Match { start, end, rule })
}

/// Returns the end of the call that a value is, with all its arguments.
fn call_end(cursor: &Cursor<'_>, start: usize, end: usize) -> usize {
    let open = cursor.run(start, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':'));
    let called = open > start && open < end && cursor.bytes[open] == b'(';
    if called { end.max(bracket(cursor, open)) } else { end }
}

/// Returns whether a sentence begins with the value: `secret: permission denied`, `password: Ensure this field has ...`.
fn is_sentence(name: &str, value: &str, behind: &[u8]) -> bool {
    let word = value.bytes().all(|byte| byte.is_ascii_alphabetic());
    let upper = value.starts_with(|first: char| first.is_ascii_uppercase())
        && value.bytes().skip(1).all(|byte| byte.is_ascii_lowercase());
    let next = behind.strip_prefix(b" ").unwrap_or_default();
    let letters = next.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let goes_on =
        letters > 1 && next.get(letters).is_none_or(|byte| matches!(byte, b' ' | b',' | b'.' | b';'));
    let quoted = matches!(next, [b'"' | b'\'', ..]) && name::is_secret_word(value);
    word && (goes_on && (upper || !name::is_chosen(name)) || quoted)
}

/// Returns whether the name is a part of the name of a resource: `arn:aws:secretsmanager:...:secret:...`.
fn is_resource(cursor: &Cursor<'_>, name: &str) -> bool {
    let from = cursor.at.saturating_sub(name.len() + 128);
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'/' | b'_' | b'-');
    cursor.bytes[cursor.at] == b':'
        && cursor.before(name.len() + 1) == b':'
        && cursor.bytes[cursor.at - cursor.bytes[from..cursor.at].iter().rev().take_while(part).count()..]
            .starts_with(b"arn:")
}

/// Returns whether the value of `key` is one of a cache: in hexadecimal, outside of a URL and of a Chinese sentence.
fn is_key_of_record(cursor: &Cursor<'_>, name: &str, value: &str) -> bool {
    let url = matches!(cursor.before(name.len() + 1), b'?' | b'&');
    let alone = name.eq_ignore_ascii_case("key") || name::mentions_record(name);
    let path = value.contains(':') || value.contains('/') && value.contains('.');
    alone && !url && (path || value.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Returns whether the value of `key` is a UUID in a Chinese sentence, as the keys of robots are.
fn is_key_of_robot(name: &str, value: &str) -> bool {
    !name.is_ascii()
        && name::ends_phrase(name.rsplit(' ').next().unwrap_or_default())
        && is_uuid(value.as_bytes())
}

/// Returns whether the credentials of a header are hidden, and words follow.
fn is_hidden_header(value: &str) -> bool {
    let value =
        ["Bearer ", "Basic ", "Token "].iter().find_map(|scheme| value.strip_prefix(scheme)).unwrap_or(value);
    let first = value.split([' ', '\t', ';']).next().unwrap_or_default();
    // `session=[FILTERED]`
    let first = first.split_once('=').map_or(first, |(_, first)| first);
    let signed = first.starts_with(['*', '<', '[', '{', '$']) && !first.contains('=');
    signed && is_masked(first) && !value.split(';').skip(1).any(|item| is_random(item.as_bytes()))
}

/// Returns the end of the groups of digits, such as those of a card, of which the first is from `start` to `end`.
pub(crate) fn groups(cursor: &Cursor<'_>, start: usize, mut end: usize) -> usize {
    let (count, first) = number::run(cursor.bytes, start);
    let mut grouped = count > 3 && first == end;
    while grouped && cursor.bytes.get(end) == Some(&b' ') {
        let (count, next) = number::run(cursor.bytes, end + 1);
        grouped = (3..=4).contains(&count) && !cursor.is_word(next);
        end = if grouped { next } else { end };
    }
    end
}
