//! Several values under one name: items of a block of YAML, lists in sentences, phrases, accounts.

use std::ops::Range;

use crate::cursor::{Cursor, is_name};
use crate::harmless::{Style, is_harmless};
use crate::name;
use crate::strength::{has_digit, is_mixed, is_password, is_random};
use crate::value::{line_end, next_line, quote, quoted, token};

/// Maximum items of a list.
const ITEMS: usize = 32;
/// Maximum bytes of a phrase.
const PHRASE_BYTES: usize = 256;
/// Signs and words between the items of a list in a sentence.
#[rustfmt::skip]
const SEPARATORS: [&str; 14] =
    [", and ", ", ", " and ", " or ", " to ", " / ", " & ", "，", "、", " 和 ", "和", " 与 ", "与", " 以及 "];

/// Returns the secrets among the items of a block that begins behind a name: `passwords:\n  - ...`.
pub(crate) fn block(cursor: &Cursor<'_>, after: usize, name: &str) -> Option<Vec<Range<usize>>> {
    let space = |at| cursor.run(at, |byte| matches!(byte, b' ' | b'\t'));
    let mut next = next_line(cursor, space(after));
    let mut items = None;
    for _ in 0..ITEMS {
        let Some(dash) = next.map(space).filter(|at| cursor.bytes[*at..].starts_with(b"- ")) else { break };
        let from = space(dash + 1);
        let in_quotes = quote(cursor, from).is_some();
        let (start, end) =
            quoted(cursor, from).filter(|_| in_quotes).unwrap_or_else(|| (from, line_end(cursor, from)));
        let secret = is_item(name, &cursor.bytes[start..end], in_quotes);
        items.get_or_insert_with(Vec::new).extend(secret.then_some(start..end));
        next = next_line(cursor, cursor.run(end, |byte| matches!(byte, b' ' | b'"' | b'\'')));
    }
    items
}

/// Returns whether an item of a block is a secret, and neither a word nor a map.
fn is_item(name: &str, item: &[u8], in_quotes: bool) -> bool {
    let strong = is_random(item) || is_mixed(item) || is_password(item);
    let chosen = name::is_chosen(name) && (in_quotes || has_digit(item));
    (strong || chosen)
        && item.iter().all(u8::is_ascii_graphic)
        && !is_harmless(name, &String::from_utf8_lossy(item), Style::Bare)
}

/// Returns the values that follow the first one in a sentence: `passwords: ..., ... and ...`.
pub(crate) fn rest(cursor: &Cursor<'_>, first: Range<usize>) -> Vec<Range<usize>> {
    let mut items = Vec::new();
    let mut last = first.clone();
    while items.len() < ITEMS {
        let Some(start) = next_item(cursor, last.end) else { break };
        let end = token(cursor, start);
        let end = cursor.run_back(end, |byte| matches!(byte, b'"' | b'\'' | b'.' | b'!')).max(start);
        let item = &cursor.bytes[start..end];
        let alike =
            has_digit(item) && item.len().abs_diff(first.len()) < 9 || is_password(item) || is_mixed(item);
        let pair = item.iter().any(|byte| matches!(byte, b'=' | b':'));
        if !alike
            || pair
            || item.len() < 4
            || item.iter().all(u8::is_ascii_digit)
                && !cursor.bytes[first.clone()].iter().all(u8::is_ascii_digit)
        {
            break;
        }
        last = start..end;
        items.push(last.clone());
    }
    items
}

/// Returns the begin of the item behind the sign of a list at `end`.
pub(crate) fn next_item(cursor: &Cursor<'_>, end: usize) -> Option<usize> {
    const QUOTES: [&str; 8] = ["\"", "'", "`", "”", "“", "」", "「", "\\\""];
    let unquoted = |mut at: usize| {
        while let Some(quote) = QUOTES.iter().find(|quote| cursor.bytes[at..].starts_with(quote.as_bytes())) {
            at += quote.len();
        }
        at
    };
    let sign = unquoted(end);
    let separator = SEPARATORS.iter().find(|known| cursor.bytes[sign..].starts_with(known.as_bytes()))?;
    Some(unquoted(sign + separator.len()))
}

/// Returns whether the name of `length` before the sign is the last of two: `username and password: ..., ...`.
pub(crate) fn is_last_of_two(cursor: &Cursor<'_>, name: &str) -> bool {
    let before =
        &cursor.bytes[..cursor.run_back(cursor.at, |byte| !is_name(byte)).saturating_sub(name.len())];
    let last = |sign: &&str| before.ends_with(sign.as_bytes());
    [" and ", "user/", "username/", "名/", "号/"].iter().any(last)
        || ["和密码", "与密码", "及密码"].iter().any(|end| name.ends_with(end))
}

/// Returns the user behind a name of credentials, behind which the password follows: `credentials: user / ...`.
pub(crate) fn account(cursor: &Cursor<'_>, after: usize, name: &str) -> Option<Range<usize>> {
    let start = cursor.run(after, |byte| byte == b' ');
    let end =
        cursor.run(start, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@'));
    (end > start && (name::is_account(name) || is_last_of_two(cursor, name))).then_some(start..end)
}

/// Returns the end of a passphrase of several words, as dice and seeds make them.
pub(crate) fn phrase(cursor: &Cursor<'_>, name: &str, start: usize, signed: bool) -> Option<usize> {
    if !name::is_phrase(name) {
        return None;
    }
    let ends = |byte: u8| matches!(byte, b'"' | b'\'' | b',' | b';' | b'\n' | b'\r' | b'\\' | b'(' | b'.');
    let end =
        start + cursor.bytes[start..].iter().take(PHRASE_BYTES).take_while(|byte| !ends(**byte)).count();
    let words = || cursor.bytes[start..end].split(|byte| *byte == b' ');
    let word = |word: &[u8]| {
        (3..=12).contains(&word.len())
            && word.iter().all(u8::is_ascii_lowercase)
            && !name::joins_sentence(&String::from_utf8_lossy(word))
    };
    let least = if signed { 3 } else { 8 };
    (words().count() >= least && words().all(word)).then_some(end)
}
