//! Values behind a name: `name=value`, `"name": "value"`, `--name value`.

use std::borrow::Cow;

use crate::cursor::{Cursor, Match, is_name};
use crate::harmless::{Style, is_harmless, is_marked, is_masked, is_nothing, is_parameter};
use crate::name::{self, Class, class};
use crate::rule::Rule;
use crate::strength::{is_issued, is_password, is_random, is_uuid};
use crate::value::{bracket, line, quoted, token};
use crate::{address, number, text_value};

/// Finds the value behind the sign at the cursor: `=`, `:`, `,`, or the first byte of a full-width `：` or `＝`. Returns it
/// and the end of the examined bytes.
pub(crate) fn find(cursor: &Cursor<'_>) -> (Option<Match>, usize) {
    let rest = &cursor.bytes[cursor.at..];
    if rest.starts_with(b"://") {
        return address::url(cursor);
    }
    if rest.starts_with(b"::") {
        return (None, cursor.at + 2);
    }
    if rest[0] == b'>' {
        return (element(cursor), cursor.at + 1);
    }
    let sign = match rest[0] {
        b'-' => 2,
        0xEF if rest.starts_with("：".as_bytes()) || rest.starts_with("＝".as_bytes()) => 3,
        0xE2 | 0xE3 if ["→", "⇒", "“", "「"].iter().any(|sign| rest.starts_with(sign.as_bytes())) => 3,
        0xE2 | 0xE3 | 0xEF => return (None, cursor.at + 3),
        b',' if !matches!(cursor.before(1), b'"' | b'\'') => return (None, cursor.at + 1),
        b':' if is_time(cursor) => return (None, cursor.at + 1),
        _ => 1,
    };
    (value(cursor, cursor.at + sign), cursor.at + sign)
}

/// Returns the text of the XML element whose `>` is at the cursor: `<password>...</password>`.
fn element(cursor: &Cursor<'_>) -> Option<Match> {
    let name = cursor.name_before(cursor.at);
    let (start, open) = (cursor.at + 1, cursor.before(name.len() + 1));
    if open != b'<' || class(&name) != Class::Secret {
        return None;
    }
    let end = cursor.run(start, |byte| byte != b'<' && byte != b'\n');
    let value = String::from_utf8_lossy(&cursor.bytes[start..end]);
    let closed = cursor.bytes[end..].starts_with(b"</") || end == cursor.bytes.len() && !cursor.text.whole;
    (closed && !is_harmless(&name, &value, Style::Quoted)).then_some(Match { start, end, rule: Rule::Key })
}

/// Returns whether the `:` is within a time or behind a line number.
fn is_time(cursor: &Cursor<'_>) -> bool {
    let digits = cursor.run_back(cursor.at, |byte| byte.is_ascii_digit());
    let before = cursor.before_at(digits);
    let date = before == b'T' && cursor.before_at(digits - 1).is_ascii_digit();
    digits < cursor.at && (date || !is_name(before) && !matches!(before, b'"' | b'\''))
}

/// Name before a sign.
struct Name<'a> {
    text: Cow<'a, str>,
    class: Class,
    /// Whether several words in a sentence make the name.
    phrase: bool,
}

impl<'a> Name<'a> {
    fn before(cursor: &'a Cursor<'_>) -> Option<Self> {
        let text = cursor.name_before(cursor.at);
        let named = |text, class| Some(Self { text, class, phrase: false });
        if text.is_empty() {
            // `text (per sentence): ...`
            let text = cursor.name_before(before_remark(cursor).filter(|_| cursor.bytes[cursor.at] != b'-')?);
            let class = class(&text);
            return named(text, class);
        }
        if text.eq_ignore_ascii_case("value") {
            let text = named_before(cursor, text.len()).unwrap_or(text);
            let class = class(&text);
            return named(text, class);
        }
        // `${NAME:-default}`
        if matches!(cursor.before(text.len() + 1), b'{') && cursor.before(text.len() + 2) == b'$' {
            return None;
        }
        if is_signature(cursor, &text) {
            return named(text, Class::Secret);
        }
        if is_announced(cursor, &text) {
            return named(text, Class::Text);
        }
        match class(&text) {
            Class::Plain if text.ends_with('s') && name::is_tokens(&text) => named(
                text,
                if cursor.at < cursor.text.tokens_end.get() { Class::Plain } else { Class::Secret },
            ),
            Class::Plain | Class::Issued if name::ends_phrase(&text) => {
                let text = phrase_before(cursor);
                Some(Self { class: class(&text), text, phrase: true })
            }
            Class::Secret if text == "token" && unexpected(cursor) => named(text, Class::Plain),
            class => named(text, class),
        }
    }
}

/// Returns whether the `token` before the sign is one of a parser.
fn unexpected(cursor: &Cursor<'_>) -> bool {
    phrase_before(cursor).to_ascii_lowercase().ends_with("unexpected token")
}

/// Returns the name in the pair before `value`: `name: TOKEN value: ...`, `<add key="token" value=...`, `key=a:token value=...`.
fn named_before<'a>(cursor: &'a Cursor<'_>, length: usize) -> Option<Cow<'a, str>> {
    let apart = |byte: u8| {
        byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'\\' | b',' | b'=' | b':' | b'{' | b'-')
    };
    let skip = |to: usize| {
        let to = cursor.run_back(to, apart);
        let line = cursor.bytes[..to].ends_with(b"\\n");
        if line { cursor.run_back(to - 2, apart) } else { to }
    };
    let value = skip(cursor.at).saturating_sub(length);
    let end = skip(value);
    let name = cursor.name_before(end);
    let mut at = end - name.len().min(end);
    if cursor.before_at(at) == b':' && !cursor.before(1).is_ascii_whitespace() {
        let prefix = cursor.name_before(at - 1);
        let begin = at - 1 - prefix.len();
        at = if cursor.before_at(begin) == b'=' { begin } else { at };
    }
    let key = cursor.name_before(skip(at));
    ["name", "key"].iter().any(|known| key.eq_ignore_ascii_case(known)).then_some(name)
}

/// Returns the last words before the sign, at most three, with single spaces between them.
pub(crate) fn phrase_before<'a>(cursor: &'a Cursor<'_>) -> Cow<'a, str> {
    let end = cursor.run_back(cursor.at, |byte| !is_name(byte));
    let mut start = end;
    for _ in 0..3 {
        start = cursor.run_back(start, is_name);
        if cursor.before_at(start) != b' ' || start < 2 || !is_name(cursor.bytes[start - 2]) {
            break;
        }
        start -= 1;
    }
    String::from_utf8_lossy(&cursor.bytes[start.max(end.saturating_sub(64))..end])
}

/// Brackets and quotes before a name.
#[derive(Clone, Copy)]
struct Opening {
    quote: u8,
    bracket: u8,
    /// Whether the bracket is in another one, as the pairs of a list are.
    nested: bool,
}

/// Returns the value behind the sign that ends at `after`, if its name makes it a secret or a text.
fn value(cursor: &Cursor<'_>, after: usize) -> Option<Match> {
    let bytes = cursor.bytes;
    let name = Name::before(cursor)?;
    let rule = match name.class {
        Class::Plain => return None,
        Class::Text if cursor.text.record_text => return None,
        Class::Text => Rule::Text,
        Class::Weak | Class::Issued | Class::Secret | Class::Header => Rule::Key,
    };
    let opening = opening_before(cursor, name.text.len());
    // A comma pairs only in a tuple, or in an array of two that is in another one: lists of headers have them.
    let comma = bytes[cursor.at] == b',';
    let bracket = opening.filter(|_| comma).map(|opening| opening.bracket);
    let array = bracket == Some(b'[') && opening.is_some_and(|opening| opening.nested);
    if comma && bracket != Some(b'(') && !array {
        return None;
    }
    let after = cursor.run(after, |byte| matches!(byte, b'=' | b':' | b'>'));
    let start = cursor.run(after, |byte| matches!(byte, b' ' | b'\t'));
    if is_marked(&bytes[start..]) || is_resource(cursor, &name.text) {
        return None;
    }
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
    let (start, end) = match name.class {
        // The first quote ends it, since there may be many arrays.
        Class::Text if array => quoted(cursor, start)?,
        Class::Text => text_value::extent(cursor, start, quote.is_some() || bytes[cursor.at] == b'=', quote),
        _ => match quoted(cursor, start) {
            Some(value) => value,
            None if name.class == Class::Header => (start, line(cursor, start, quote)),
            None => {
                let number = number::find(&cursor.text.cursor(start)).0.map_or(start, |found| found.end);
                (start, groups(cursor, start, call_end(cursor, start, token(cursor, start))).max(number))
            }
        },
    };
    let behind = cursor.run(end, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    if array && (behind == end || bytes.get(behind) != Some(&b']')) && end < bytes.len() {
        return None;
    }
    let value = String::from_utf8_lossy(&bytes[start..end]);
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
    let word = bare && name.phrase || comma && name.class == Class::Secret;
    let word = word || matches!(bytes[cursor.at], 0xE2 | 0xE3);
    let word = word || style == Style::Stated && cursor.before(name.text.len() + 1) == b'/';
    // The scope `token:refresh`.
    let scope = bare && bytes[cursor.at] == b':' && start == after && !name::is_chosen(&name.text);
    let word = word || scope && value.len() <= 12 && value.bytes().all(|byte| byte.is_ascii_lowercase());
    let harmless = harmless || word && !value.bytes().any(|byte| byte.is_ascii_digit());
    let masked = name.class == Class::Secret && bytes[end..].starts_with(b" ***");
    let harmless =
        harmless || masked || style == Style::Stated && is_sentence(&name.text, &value, &bytes[end..]);
    let end = if bare && rule == Rule::Key { listed(cursor, &name.text, start, end) } else { end };
    (!harmless).then_some(Match { start, end, rule })
}

/// Returns the end of the call that a value is, with all its arguments.
fn call_end(cursor: &Cursor<'_>, start: usize, end: usize) -> usize {
    let open = cursor.run(start, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':'));
    let called = open > start && open < end && cursor.bytes[open] == b'(';
    if called { end.max(bracket(cursor, open)) } else { end }
}

/// Returns the end of the values of a list without brackets, under a name for several.
fn listed(cursor: &Cursor<'_>, name: &str, start: usize, mut end: usize) -> usize {
    if !name::is_list(name) {
        return end;
    }
    let length = end - start;
    while let Some(sign) =
        [", ", "，", "、"].iter().find(|sign| cursor.bytes[end..].starts_with(sign.as_bytes()))
    {
        let next = end + sign.len();
        let last = token(cursor, next);
        let alike =
            (last - next).abs_diff(length) < 4 && cursor.bytes[next..last].iter().any(u8::is_ascii_digit);
        if !alike || cursor.bytes[next..last].iter().any(|byte| matches!(byte, b'=' | b':')) {
            break;
        }
        end = last;
    }
    end
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

/// Returns the begin of the remark in brackets that ends before the sign.
fn before_remark(cursor: &Cursor<'_>) -> Option<usize> {
    let end = cursor.run_back(cursor.at, |byte| matches!(byte, b' ' | b'\t'));
    let remark = cursor.bytes[end.saturating_sub(REMARK_BYTES)..end].strip_suffix(b")")?;
    let length = remark.iter().rev().position(|byte| *byte == b'(')?;
    Some(end - length - 2)
}

/// Returns whether the words before the sign announce a text: `TTS request: ...`, `Generating speech for: ...`.
fn is_announced(cursor: &Cursor<'_>, name: &str) -> bool {
    let before: &[&str] = match name {
        "request" | "Request" => &["tts"],
        "for" => &["tts", "speech", "audio"],
        _ => return false,
    };
    let start = cursor.run_back(cursor.at, |byte| matches!(byte, b' ' | b'\t')).saturating_sub(name.len());
    let words = cursor.bytes[..start].trim_ascii_end();
    before.iter().any(|word| {
        let from = words.len().saturating_sub(word.len());
        words[from..].eq_ignore_ascii_case(word.as_bytes()) && !cursor.before_at(from).is_ascii_alphanumeric()
    })
}

/// Returns whether this is the `sig` of a signed URL.
fn is_signature(cursor: &Cursor<'_>, name: &str) -> bool {
    matches!(name, "sig" | "sign")
        && cursor.bytes[cursor.at] == b'='
        && matches!(cursor.before(name.len() + 1), b'?' | b'&' | b';')
}

/// Finds the value of an option `--name value` or `-name value`, also as items of a list, whose last `-` is at the cursor.
pub(crate) fn option(cursor: &Cursor<'_>) -> Option<Match> {
    let before = cursor.before(if cursor.before(1) == b'-' { 2 } else { 1 });
    if !before.is_ascii_whitespace() && !matches!(before, b'"' | b'\'' | b'`' | b'[' | b'(' | b',' | b'\\') {
        return None;
    }
    let from = cursor.at + 1;
    let end = cursor.run(from, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let name = &cursor.bytes[from..end];
    if !name.first().is_some_and(u8::is_ascii_alphabetic) || name.len() > 64 {
        return None;
    }
    let name = String::from_utf8_lossy(name);
    if name.len() == 1 || name == "user" {
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
    let from = if name == "user" { colon? } else { start };
    (end < start && is_password(&cursor.bytes[from..stop])).then_some(Match {
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

/// Maximum bytes of a remark.
const REMARK_BYTES: usize = 48;

/// Returns the quotes and brackets before the name of `length` that ends before the sign.
fn opening_before(cursor: &Cursor<'_>, length: usize) -> Option<Opening> {
    let bytes = cursor.bytes;
    let closes = |byte| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b']' | b'`' | b'*');
    let start = cursor.run_back(cursor.at, closes).checked_sub(length + 1)?;
    let quote = bytes[start];
    let prefix = |byte: u8| matches!(byte, b'b' | b'r' | b'u' | b'\\' | b' ');
    let bracket = cursor.run_back(start, prefix);
    let around = cursor.run_back(bracket.saturating_sub(1), |byte| byte.is_ascii_whitespace());
    let nested = bracket > 1 && matches!(cursor.before_at(around), b'[' | b',');
    matches!(quote, b'"' | b'\'').then(|| Opening { quote, bracket: cursor.before_at(bracket), nested })
}
