//! Credentials that can be told by themselves: keys with the prefix of whoever gave them out, JSON web tokens, private
//! keys in PEM, and what follows `Bearer` and `Basic`.

use crate::cursor::{Cursor, Match};
use crate::rule::Rule;

/// A prefix of keys: how many characters follow at least, and whether it counts only at the beginning of a word.
struct Prefix(&'static str, usize, bool);

const PREFIXES: [Prefix; 41] = [
    Prefix("sk-", 16, true),
    Prefix("sk_live_", 10, false),
    Prefix("sk_test_", 10, false),
    Prefix("rk_live_", 10, false),
    Prefix("rk_test_", 10, false),
    Prefix("ghp_", 16, false),
    Prefix("gho_", 16, false),
    Prefix("ghu_", 16, false),
    Prefix("ghs_", 16, false),
    Prefix("ghr_", 16, false),
    Prefix("github_pat_", 16, false),
    Prefix("glpat-", 16, false),
    Prefix("gldt-", 16, true),
    Prefix("glrt-", 16, true),
    Prefix("glptt-", 16, true),
    Prefix("xoxa-", 10, false),
    Prefix("xoxb-", 10, false),
    Prefix("xoxe-", 10, false),
    Prefix("xoxp-", 10, false),
    Prefix("xoxr-", 10, false),
    Prefix("xoxs-", 10, false),
    Prefix("xapp-", 10, true),
    Prefix("hf_", 20, true),
    Prefix("r8_", 20, true),
    Prefix("gsk_", 20, true),
    Prefix("npm_", 30, true),
    Prefix("pypi-", 30, true),
    Prefix("dckr_pat_", 16, false),
    Prefix("nvapi-", 20, true),
    Prefix("pplx-", 20, true),
    Prefix("xai-", 20, true),
    Prefix("tvly-", 16, true),
    Prefix("lsv2_pt_", 16, true),
    Prefix("AKIA", 16, false),
    Prefix("ASIA", 16, false),
    Prefix("AROA", 16, false),
    Prefix("AIDA", 16, false),
    Prefix("AKID", 13, true),
    Prefix("LTAI", 12, true),
    Prefix("AIza", 30, false),
    Prefix("GOCSPX-", 16, false),
];

/// Looks at a `-`, `_` or `I`, one of which each prefix has.
pub(crate) fn key(cursor: &Cursor<'_>) -> Option<Match> {
    // The letter before the sign, or for `AKIA` and the like what is around it.
    let last = cursor.before(1);
    let telling = match cursor.bytes[cursor.at] {
        b'I' => matches!(last, b'A' | b'K' | b'S'),
        b'-' => {
            matches!(last, b'k' | b't' | b'a'..=b'b' | b'e' | b'p' | b'r' | b's' | b'i' | b'x' | b'y' | b'X')
        }
        _ => matches!(last, b'e' | b't' | b'p' | b'o' | b'u' | b's' | b'r' | b'f' | b'8' | b'k' | b'm'),
    };
    if !telling {
        return None;
    }
    PREFIXES.iter().find_map(|Prefix(prefix, least, alone)| {
        let place = prefix.bytes().position(|byte| byte == cursor.bytes[cursor.at]);
        let place = match cursor.bytes[cursor.at] {
            b'I' => place?,
            // Of a prefix with several signs the last counts.
            sign => prefix.bytes().rposition(|byte| byte == sign)?,
        };
        let start = cursor.at.checked_sub(place)?;
        if !cursor.bytes[start..].starts_with(prefix.as_bytes())
            || *alone && start > 0 && cursor.is_word(start - 1)
        {
            return None;
        }
        let end = cursor.run(start + prefix.len(), is_key);
        (end - start - prefix.len() >= *least).then_some(Match { start, end, rule: Rule::ApiKey })
    })
}

fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// A private key in PEM, up to the end of its last line; `cursor` is at the second `-` of its first.
pub(crate) fn pem(cursor: &Cursor<'_>) -> Option<Match> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    const KEY: &[u8] = b"PRIVATE KEY";
    let start = cursor.at - 1;
    if !cursor.bytes[start..].starts_with(BEGIN) {
        return None;
    }
    let label = start + BEGIN.len();
    let end = cursor.run(label, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
    if !cursor.bytes[label..end].windows(KEY.len()).any(|part| part == KEY) {
        return None;
    }
    let find = |what: &[u8], from: usize| {
        let rest = &cursor.bytes[from..];
        rest.windows(what.len()).position(|part| part == what).map(|at| from + at + what.len())
    };
    let end = find(b"-----END ", end).and_then(|end| find(b"-----", end)).unwrap_or(cursor.bytes.len());
    Some(Match { start, end, rule: Rule::PrivateKey })
}

/// A JSON web token whose `eyJ` ends at this place: the beginning of a JSON object in base64url, a dot, and more.
pub(crate) fn jwt(cursor: &Cursor<'_>) -> Option<Match> {
    if (cursor.before(1), cursor.before(2)) != (b'y', b'e') {
        return None;
    }
    let start = cursor.at - 2;
    if cursor.at > 2 && is_key(cursor.before(3)) {
        return None;
    }
    let header = cursor.run(start, is_key);
    let cut = !cursor.whole && header == cursor.bytes.len();
    let more =
        cursor.bytes.get(header) == Some(&b'.') && cursor.bytes.get(header + 1).copied().is_some_and(is_key);
    if header - start < 10 || !(more || cut) {
        return None;
    }
    let end = cursor.run(header, |byte| is_key(byte) || byte == b'.');
    Some(Match { start, end, rule: Rule::Jwt })
}

/// What follows `Bearer` or `Basic`, whose first letter is at this place.
pub(crate) fn authorization(cursor: &Cursor<'_>) -> Option<Match> {
    let rest = &cursor.bytes[cursor.at..];
    let is =
        |word: &str| rest.get(..word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()));
    let (word, basic) = match () {
        () if is("bearer") => ("bearer", false),
        () if is("basic") => ("basic", true),
        () => return None,
    };
    if cursor.at > 0 && cursor.is_word(cursor.at - 1) {
        return None;
    }
    let word_end = cursor.at + word.len();
    let start = cursor.run(word_end, |byte| matches!(byte, b' ' | b'\t' | b'+') || byte == b':');
    if start == word_end {
        return None;
    }
    let end = cursor.run(start, |byte| is_key(byte) || b"._~+/=".contains(&byte));
    let given = &cursor.bytes[start..end];
    let credentials = if basic { is_user_and_password(given) } else { is_bearer(given) };
    credentials.then_some(Match { start, end, rule: Rule::Authorization })
}

/// Whether this is a token, and no word of a sentence about one.
fn is_bearer(given: &[u8]) -> bool {
    const WORDS: [&str; 16] = [
        "token",
        "tokens",
        "auth",
        "authentication",
        "authorization",
        "credentials",
        "challenge",
        "required",
        "missing",
        "expected",
        "rejected",
        "expired",
        "invalid",
        "realm",
        "scheme",
        "header",
    ];
    let given = given.strip_suffix(b".").unwrap_or(given);
    let prose =
        WORDS.iter().any(|word| given.eq_ignore_ascii_case(word.as_bytes())) || given.starts_with(b"realm=");
    given.len() >= 6 && !prose
}

/// Whether this is base64 of a user, a colon and a password.
fn is_user_and_password(given: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(given.len());
    let (mut bits, mut count) = (0_u32, 0);
    for byte in given {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push((bits >> count & 0xFF) as u8);
        }
    }
    decoded.contains(&b':') && !decoded.iter().any(u8::is_ascii_control)
}
