//! Secrets that a name announces in a sentence: `password is ...`, `token for anna: ...`.

use std::ops::Range;

use crate::cursor::Cursor;
use crate::harmless::{Style, is_harmless, is_masked};
use crate::name::{Class, class, is_chosen};
use crate::pair_name::phrase_before;
use crate::search::Found;
use crate::strength::{has_digit, is_issued, is_mixed, is_password, is_random};
use crate::value::{next_line, token};
use crate::{list, mention, one_time_code, table};

/// Maximum bytes before a name that are searched for a login.
const LOGIN_BYTES: usize = 128;
/// Words before the name of a variable, behind which its value follows a space.
const SETTERS: [&str; 6] = ["setx ", "setenv ", "ENV ", "ARG ", "configure set ", "config set "];
/// Last words of names that announce a secret in a sentence.
#[rustfmt::skip]
pub(crate) const WORDS: [&str; 21] = [
    "password", "Password", "PASSWORD", "passphrase", "passcode", "passwd", "secret", "Secret", "SECRET", "token", "Token", "key", "Key",
    "code", "pwd", "Passphrase", "Code", "phrase", "mnemonic", "TOKEN", "KEY",
];
/// Value of an announced secret: behind a verb, a sign or in quotes; or else behind a space; or else in the sentence.
pub(crate) const VALUE: &str = concat!(
    r"s?(?:(?:(?:(?: is generated)? (?:for|of|to|on) (?:[^:\n=]|://){1,40}?| provided| given){1,2}:",
    r"|(?: (?:for|of|on) (?:[^:\n=]|://){1,40}?)?(?: has been| have been| was| is)?(?: is| was| are| set to| changed to| reset to| changed from",
    r#"| updated to| rotated to| →| ->| =>):?| (?:for|of) [^:\n=]{1,40}? to) ["'`]?| ["'`]| \| |\\?\t|\\t"#,
    r"| [?]= ?| ?(?:是|为) ?)([\w!@#$%^&*+/.-][!#-&(-+.-~-]{3,})",
    r"| (?:token |key |value |auth with )?([\w.+/!@#$%^&*-]{6,})| ",
    // Behind the name of a login, one-time codes, and columns of a table.
    r#"|(?:\s|\\[nrt])+[^\s]{3}|[:=#] ?["']?[0-9]{2}|[.,!]?(?:\z|\n)| \||(?:[,;] ?\w{1,24}){0,12}(?:(?:\\r)?\\n|\) ?(?i:values) ?\()"#,
);

/// Appends the secrets behind the name that ends at the cursor. Returns the end of the examined bytes.
pub(crate) fn find(cursor: &Cursor<'_>, found: &Found, ranges: &mut Vec<Range<usize>>) -> usize {
    let bytes = cursor.bytes;
    ranges.extend(one_time_code::find(cursor));
    ranges.extend(table::column(cursor));
    ranges.extend(of_login(cursor).or_else(|| assigned(cursor)));
    let explicit = found.nth == 1;
    let first = if explicit { found.group.start } else { cursor.run(cursor.at, |byte| byte == b' ') };
    let phrase = list::phrase(cursor, &phrase_before(cursor), first, explicit);
    ranges.extend(phrase.map(|end| first..end));
    if !ranges.is_empty() {
        return cursor.at;
    }
    if found.nth > 0 && is_secret(cursor, explicit, &bytes[found.group.clone()]) {
        let value = trimmed(bytes, found.group.clone());
        ranges.push(value.clone());
        if bytes[cursor.at..value.start].ends_with(b" from ") {
            ranges.extend(list::rest(cursor, value));
        }
        return found.whole.end;
    }
    if !explicit && bytes.get(cursor.at) == Some(&b' ') && ends_with_password(&bytes[..cursor.at]) {
        ranges.extend(mention::password(cursor));
    }
    cursor.at
}

/// Returns the password behind the machine and the login in a file of them: `machine ... login ... password ...`.
fn of_login(cursor: &Cursor<'_>) -> Option<Range<usize>> {
    let text = cursor.text.as_str();
    let from = text.ceil_char_boundary(cursor.at.saturating_sub(LOGIN_BYTES));
    let before = text[from..cursor.at].replace("\\n", "\n");
    let mut words = before.split_whitespace().rev();
    if words.next() != Some("password") || words.nth(1) != Some("login") {
        return None;
    }
    let space = |at: usize| cursor.bytes.get(at).filter(|byte| byte.is_ascii_whitespace()).map(|_| at + 1);
    let mut start = cursor.at;
    while let Some(next) = next_line(cursor, start).or_else(|| space(start)) {
        start = next;
    }
    let end = cursor.run(start, |byte| byte.is_ascii_graphic() && byte != b'\\');
    (end > start && !is_harmless("password", text.get(start..end)?, Style::Bare)).then_some(start..end)
}

/// Returns the value behind the name of a variable, with a space between: `setx TTS_TOKEN ...`.
fn assigned(cursor: &Cursor<'_>) -> Option<Range<usize>> {
    let name = cursor.name_before(cursor.at);
    let begin = cursor.at.saturating_sub(name.len());
    if !SETTERS.iter().any(|setter| cursor.bytes[..begin].ends_with(setter.as_bytes())) {
        return None;
    }
    let start = cursor.run(cursor.at, |byte| matches!(byte, b' ' | b'"' | b'\''));
    let end = token(cursor, start);
    let value = String::from_utf8_lossy(&cursor.bytes[start..end]);
    let strong = has_digit(value.as_bytes()) || is_password(value.as_bytes());
    let secret = start > cursor.at && strong && class(&name) == Class::Secret;
    (secret && !is_harmless(&name, &value, Style::Bare)).then_some(start..end)
}

/// Returns the range of a code without the full stop behind it.
fn trimmed(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let code = bytes[range.clone()].strip_suffix(b".").filter(|code| code.iter().all(u8::is_ascii_digit));
    range.start..range.end - usize::from(code.is_some())
}

fn ends_with_password(text: &[u8]) -> bool {
    let ends = |word: &str| {
        let from = text.len().saturating_sub(word.len());
        text[from..].eq_ignore_ascii_case(word.as_bytes())
    };
    ["password", "secret", "passphrase"].into_iter().any(ends)
}

/// Returns whether the words before the value are the name of a secret, and the value looks like one.
fn is_secret(cursor: &Cursor<'_>, explicit: bool, value: &[u8]) -> bool {
    let phrase = phrase_before(cursor);
    let word = value.trim_ascii_end().strip_suffix(b".").unwrap_or(value);
    let issued = matches!(class(&phrase), Class::Issued | Class::Weak)
        && (is_issued(word) || word.len() > 11 && is_mixed(word) && is_random(word));
    let path =
        word.starts_with(b"/") && word[1..].contains(&b'/') && !is_issued(word) || word.starts_with(b"~/");
    if path || word.starts_with(b"HTTP/") || is_masked(&String::from_utf8_lossy(word)) {
        return false;
    }
    // `PASSWORD '...'` of a statement of SQL.
    let statement =
        cursor.bytes[..cursor.at].ends_with(b"PASSWORD") && cursor.bytes[cursor.at..].starts_with(b" '");
    let likely = if explicit {
        let code = is_number(word) && (4..=8).contains(&word.len());
        let signed = is_chosen(&phrase) && word.iter().any(|byte| b"!@#$^&*".contains(byte));
        (has_digit(word) && !is_number(word) && (is_chosen(&phrase) || word.len() > 5)
            || code
            || signed
            || statement)
            && !word.contains(&b'=')
    } else if word.iter().any(|byte| b"!@#$%^&*".contains(byte)) {
        is_password(word)
    } else {
        is_random(word)
            || is_number(word) && phrase.ends_with("code")
            || is_chosen(&phrase) && has_digit(word) && (!is_number(word) || (6..=8).contains(&word.len()))
    };
    let text = String::from_utf8_lossy(word);
    likely
        && !is_harmless(&phrase, &text, Style::Bare)
        && (class(&phrase) == Class::Secret || explicit && issued)
}

fn is_number(value: &[u8]) -> bool {
    value.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b';' | b')'))
}
