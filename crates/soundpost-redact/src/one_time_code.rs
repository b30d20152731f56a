//! One-time codes in sentences: `Enter code ... to sign in`, `use ... as your one-time password`.

use std::ops::Range;

use crate::cursor::{Cursor, is_name};

/// Bytes around the word `code` that are searched.
const REACH_BYTES: usize = 48;
/// Parts of sentences about a code for a person.
#[rustfmt::skip]
const ABOUT: [&str; 24] = [
    "sms", "otp", "verif", "2fa", "mfa", "one-time", "one time", "login", "log in", "sign", "enter", "your", "confirm", "security", "auth", "captcha",
    "expires", "sent to", "phone", "texted", "temporary", "recovery", "passcode", "invite",
];
/// Parts of sentences about a code of a program or a place.
#[rustfmt::skip]
const OTHER: [&str; 26] = [
    "err", "exit", "status", "http", "response", "return", "zip", "post", "country", "area", "lang", "reason", "fail", "process", "signal", "msg", "message",
    "opcode", "unicode", "product", "point", "result", "close", "codec", "sub", "voice",
];

/// Returns the codes beside the word that ends at the cursor, if it is one for a code.
pub(crate) fn find(cursor: &Cursor<'_>) -> Vec<Range<usize>> {
    let bytes = cursor.bytes;
    let ends = |word: &[u8]| {
        let start = cursor.at.saturating_sub(word.len());
        let alone = !matches!(cursor.before_at(start), b'_' | b'-' | b'.')
            && !cursor.before_at(start).is_ascii_alphabetic();
        (alone && bytes[start..cursor.at].eq_ignore_ascii_case(word)).then_some(start)
    };
    let code = ends(b"code");
    let Some(word) = code.or_else(|| ends(b"password")).or_else(|| ends(b"passcode")) else {
        return Vec::new();
    };
    let code = code.is_some();
    let line = cursor.line_end(REACH_BYTES);
    let begin =
        word - bytes[..word].iter().rev().take(REACH_BYTES).take_while(|byte| **byte != b'\n').count();
    let text = |range: Range<usize>| String::from_utf8_lossy(&bytes[range]).to_ascii_lowercase();
    let mut found = Vec::new();
    let behind = cursor.run(cursor.at, |byte| matches!(byte, b' ' | b':' | b'"' | b'\'' | b'=' | b'#'));
    if code
        && behind > cursor.at
        && let Some(end) = digits(cursor, behind)
    {
        let around = text(begin..word) + &text(end..line);
        let zeros = bytes[behind..end].iter().filter(|byte| **byte == b'0').count();
        let alone = end - behind == 6
            && zeros < 2
            && bytes[..word].trim_ascii_end().is_empty()
            && bytes[end..].trim_ascii().is_empty();
        let about = ABOUT.iter().any(|part| around.contains(part)) && end - behind != 4 || alone;
        if about && !OTHER.iter().any(|part| around.contains(part)) {
            found.push(behind..end);
        }
    }
    // `... is your login code`, `use ... as your one-time password`
    let before = text(begin..word);
    if let Some(at) =
        [" is your ", " as your ", " as the ", " is the "].iter().find_map(|words| before.rfind(words))
        && (code || before.ends_with("one-time ") || before.ends_with("temporary "))
    {
        let end = begin + at;
        let start = cursor.run_back(end, |byte| byte.is_ascii_digit());
        if digits(cursor, start) == Some(end) && start < end {
            found.push(start..end);
        }
    }
    found
}

/// Returns the end of four to eight digits at `start`, also in groups of two or three.
pub(crate) fn digits(cursor: &Cursor<'_>, start: usize) -> Option<usize> {
    let first = cursor.run(start, |byte| byte.is_ascii_digit());
    let group = first - start;
    let mut end = first;
    while (2..4).contains(&group) && end < start + 12 && matches!(cursor.bytes.get(end), Some(b' ' | b'-')) {
        let next = cursor.run(end + 1, |byte| byte.is_ascii_digit());
        if next - end - 1 != group {
            break;
        }
        end = next;
    }
    let count = cursor.bytes[start..end].iter().filter(|byte| byte.is_ascii_digit()).count();
    let within = cursor.bytes.get(end).is_some_and(|byte| is_name(*byte) && !matches!(byte, b'.' | b'-'));
    ((4..=8).contains(&count) && !within && !is_name(cursor.before_at(start))
        || start > 0 && cursor.before_at(start) == b'-' && count == 6 && !within)
        .then_some(end)
}
