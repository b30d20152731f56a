//! Values without a name of their own, behind words about secrets: `SK 明文打印：...`, `AUTH ... rejected`.

use std::ops::Range;

use crate::cursor::{Cursor, Match, Text, is_name};
use crate::harmless::is_marked;
use crate::key_value::groups;
use crate::name::{self, Class, class};
use crate::number;
use crate::rule::Rule;
use crate::strength::{has_digit, is_issued, is_password, is_random, is_words};
use crate::{list, one_time_code};

/// Bytes before a value that are searched for words about secrets.
const CONTEXT_BYTES: usize = 72;
/// Bytes behind a Chinese word for a secret that are searched for its value.
const REACH_BYTES: usize = 64;

/// Returns the match of an issued value, of which a run of letters and digits is known, if words before it are about a secret.
pub(crate) fn behind(text: &Text<'_>, start: usize, end: usize) -> Option<Match> {
    let cursor = text.cursor(start);
    let part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'.');
    let start =
        start - cursor.bytes[..start].iter().rev().take(REACH_BYTES).take_while(|byte| part(**byte)).count();
    let before = cursor.run_back(start, |byte| matches!(byte, b'"' | b'\'' | b'`' | b' ' | b'(' | b'['));
    let number = cursor.run_back(before.saturating_sub(1), |byte| byte.is_ascii_digit());
    let numbered =
        cursor.before_at(before) == b':' && number + 1 < before && !is_name(cursor.before_at(number));
    let named = match cursor.before_at(before) {
        b'/' => before == start,
        byte => !numbered && matches!(byte, b'=' | b':' | b'@' | b'?' | b'&' | b','),
    };
    if named || before == 0 {
        return None;
    }
    let end = cursor.run(end, |byte| part(byte) || byte == b'=');
    let end = cursor.run_back(end, |byte| byte == b'.').max(start);
    let value = &cursor.bytes[start..end];
    let secret =
        !value.starts_with(b"/") && is_issued(value) && is_about_secret(context(text, before), value);
    secret.then_some(Match { start, end, rule: Rule::Key })
}

/// Returns the text before a place in its line, from the last sentence on, without marks.
fn context<'a>(text: &Text<'a>, at: usize) -> &'a str {
    let from = at.saturating_sub(CONTEXT_BYTES);
    let bytes = &text.bytes[from..at];
    let ends = |at: &usize| match bytes[*at] {
        b'\n' | b']' => true,
        b'.' | b';' => bytes.get(at + 1) == Some(&b' '),
        0x82 => bytes[..*at].ends_with(b"\xE3\x80"),
        0x9B => bytes[..*at].ends_with(b"\xEF\xBC"),
        _ => false,
    };
    let begin = (0..bytes.len()).rev().find(ends).map_or(0, |at| at + 1);
    let all = text.as_str();
    &all[all.ceil_char_boundary(from + begin)
        ..all.floor_char_boundary(at).max(all.ceil_char_boundary(from + begin))]
}

/// Returns whether words are about a secret, and the last of them is none for an id.
fn is_about_secret(context: &str, value: &[u8]) -> bool {
    let words = || {
        context.split(|letter: char| !letter.is_ascii_alphanumeric() && !matches!(letter, '_' | '-' | '.'))
    };
    let last = words().rfind(|word| !word.is_empty()).unwrap_or_default();
    let ends_with_it = context.trim_ascii_end().ends_with(last);
    // Credentials behind `Bearer` are a pattern.
    let bearer = last.eq_ignore_ascii_case("bearer");
    if !last.is_empty() && ends_with_it && (bearer || name::is_record(last))
        || name::is_chinese_record(context)
    {
        return false;
    }
    let mixed = value.iter().any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase);
    let cached =
        ["cache", "lookup", "hit", "miss", "evict", "缓存", "命中"].iter().any(|word| context.contains(word));
    let mut before = "";
    words().any(|word| {
        let key = ["key", "keys"].iter().any(|key| word.eq_ignore_ascii_case(key))
            && !name::is_plain_key(before)
            && (mixed || !cached && (!before.is_empty() || !context.is_ascii()));
        before = if word.is_empty() { before } else { word };
        key || name::is_credential(word) || matches!(class(word), Class::Secret | Class::Header)
    }) || last == "login" && ends_with_it
        || name::mentions_secret(context)
}

/// Returns the passwords in the sentence behind the word for one at the cursor.
pub(crate) fn password(cursor: &Cursor<'_>) -> Vec<Range<usize>> {
    let reach = cursor.line_end(REACH_BYTES);
    let separates = |byte: u8| byte.is_ascii_whitespace() || b"\"'`(),;".contains(&byte);
    let mut found = Vec::new();
    let mut at = cursor.at;
    while at < reach {
        let start = cursor.run(at, separates);
        at = cursor.run(start, |byte| !separates(byte));
        let end = cursor.run_back(at, |byte| matches!(byte, b'.' | b':' | b'?')).max(start);
        if is_password(&cursor.bytes[start..end]) {
            found.push(start..end);
        } else if end < at && cursor.bytes[at - 1] == b'.' {
            break;
        }
        at = at.max(start + 1);
    }
    found
}

/// Appends the values behind the Chinese word for a secret that ends at the cursor: in its sentence, and behind at most one comma.
pub(crate) fn chinese(cursor: &Cursor<'_>, found: &mut Vec<Range<usize>>) {
    let text = cursor.text.as_str();
    let reach = &text[cursor.at..text.floor_char_boundary(cursor.at + REACH_BYTES)];
    let sentence = reach.find(['\n', '。', '；']).map_or(reach, |end| &reach[..end]);
    if name::begins_noun(sentence) {
        return;
    }
    let candidate = |byte: u8| byte.is_ascii_alphanumeric() || b"!@#$%^&*+/._~?;-".contains(&byte);
    let mut at = cursor.at;
    let end = cursor.at + sentence.len();
    while let Some(start) =
        (at..end).find(|at| candidate(cursor.bytes[*at]) || number::is_wide_digit(&cursor.bytes[*at..]))
    {
        at = if candidate(cursor.bytes[start]) {
            cursor.run(start, candidate)
        } else {
            number::run(cursor.bytes, start).1
        };
        let gap = &text[cursor.at..start];
        let base64 = cursor.run(at, |byte| byte == b'=');
        let last = cursor.run_back(at, |byte| matches!(byte, b'.' | b'?' | b';')).max(start);
        let value = &cursor.bytes[start..last];
        if gap.matches('，').count() > 1
            || is_marked(&cursor.bytes[start..])
            || gap.ends_with("[") && value == b"REDACTED"
        {
            return;
        }
        let pair = matches!(cursor.bytes.get(at), Some(b'=' | b':')) && cursor.is_word(base64.max(at + 1));
        if pair {
            return;
        }
        // `验证码 90 33 41`
        if let Some(end) = one_time_code::digits(cursor, start)
            && is_direct(gap)
            && end > at
            && gap.len() < 8
        {
            found.push(start..end);
            at = end;
            continue;
        }
        let particle = name::ends_as_particle(gap);
        let chosen = ["密码", "口令"].iter().any(|word| text[..cursor.at].ends_with(word));
        let code = text[..cursor.at].ends_with("授权码")
            && value.len() == 16
            && value.iter().all(u8::is_ascii_lowercase);
        let masked = cursor.bytes[at..].starts_with(b" ***")
            || value.windows(3).any(|part| part == b"***" || part == b"...");
        let digits = number::run(cursor.bytes, start);
        let listed = found.last().is_some_and(|last| list::next_item(cursor, last.end) == Some(start));
        let origin = gap.trim_end().ends_with(['由', '从']);
        let changed = ["改", "变", "换", "更", "修改为", "修改成", "→", "到"]
            .iter()
            .any(|verb| text[at..].trim_start().starts_with(verb));
        let ratio = value.split(|byte| *byte == b'/').all(|part| part.iter().all(u8::is_ascii_digit))
            && value.contains(&b'/');
        let secret = match () {
            () if masked || ratio => false,
            () if listed || origin && changed => {
                has_digit(value) && value.iter().any(u8::is_ascii_alphabetic) || is_password(value)
            }
            () if is_direct(gap) && digits.1 >= last && digits.0 >= 4 => true,
            () if is_direct(gap) && particle => {
                code || value.len() >= 4 && value.iter().any(u8::is_ascii_digit) || is_password(value)
            }
            () if is_direct(gap) => {
                code || is_random(value)
                    || is_password(value)
                    || chosen && !is_words(value) && value.iter().any(u8::is_ascii_digit)
            }
            () if particle && is_random(value) && value.len() > 7 => true,
            () => is_password(value) || is_issued(value) && !name::is_chinese_record(gap),
        };
        if secret {
            let end = if base64 > at { base64 } else { last };
            found.push(start..groups(cursor, start, end));
            at = at.max(end);
        }
    }
}

/// Returns whether no words but particles are between the name and the value.
fn is_direct(gap: &str) -> bool {
    let mut rest = gap.strip_prefix("号码").or(gap.strip_prefix('号')).unwrap_or(gap);
    while let Some(shorter) =
        name::without_particle(rest.trim_end_matches([
            ' ', ':', '：', '=', '＝', '"', '\'', '`', '“', '「', '（', '(', '【', '『', '→',
        ]))
    {
        rest = shorter;
    }
    rest.trim_end_matches([' ', ':', '：', '=', '＝', '"', '\'', '`', '“', '「', '（', '(', '【', '『', '→'])
        .is_empty()
}
