//! Credentials behind known words.

use std::sync::LazyLock;

use crate::cursor::{Match, Text};
use crate::harmless::is_marked;
use crate::rule::Rule;
use crate::search::{Form, Search};

/// Form of credentials.
struct Pattern {
    rule: Rule,
    /// First words, and the rest; its first group is redacted, or all of it without one.
    form: Form,
    /// Returns false for ordinary words of the same form.
    accepts: fn(&[u8]) -> bool,
}

/// Fewest bytes of a text that some pattern matches.
const SHORTEST: usize = 8;

#[rustfmt::skip]
const PATTERNS: [Pattern; 9] = [
    Pattern {
        rule: Rule::PrivateKey,
        form: (&["-----BEGIN "], r"[A-Z0-9 ]*PRIVATE KEY(?s:.*?)(?:-----END (?s:.*?)-----|\z)"),
        accepts: |_| true,
    },
    Pattern {
        rule: Rule::Authorization,
        form: (&["Bearer", "bearer", "BEARER"], r"(?:[ \t:]+|\+|%20)([\w.~+/=-]{6,})"),
        accepts: is_bearer,
    },
    Pattern {
        rule: Rule::Authorization,
        form: (&["Basic", "basic", "BASIC"], r"(?:[ \t:]+|\+|%20)([\w.~+/=-]{4,})"),
        accepts: is_user_and_password,
    },
    Pattern {
        rule: Rule::Key,
        form: (
            &["密码", "口令", "密钥", "私钥", "令牌", "验证码", "校验码", "授权码"],
            r#"(?:是|为|改为|改成|设为|设置为|重置为|重置成)?(?:[ :"'`]|：|“|「|（|【){0,3}([\w!@#$%^&*+/.-][!#-&(-+.-~-]{3,})"#,
        ),
        accepts: |value| has_digit(value) && !is_marked(value),
    },
    Pattern {
        rule: Rule::Key,
        form: (
            &[
                "password", "Password", "passphrase", "Passphrase", "passcode", "passwd", "secret is", "API key is",
                "API key for", "api key is", "secret key is", "access key is", "token is", "Token is", "token for", "token was",
            ],
            r#"(?: for [^:\n]{1,40}: |(?: is| was| set to| changed to| reset to)?:? )["'`]?([\w!@#$%^&*+/.-][!#-&(-+.-~-]{3,})"#,
        ),
        accepts: |value| has_digit(value) && !is_number(value) && !is_marked(value) && !value.contains(&b'='),
    },
    Pattern {
        rule: Rule::Key,
        form: (
            &["PIN", "OTP", "verification code", "Verification code", "security code", "login code"],
            r"(?: is| was|:)? ([0-9]{4,8})\b",
        ),
        accepts: |_| true,
    },
    // Passwords on command lines.
    Pattern { rule: Rule::Key, form: (&["sshpass -p"], r#" ?["']?([^\s"']{4,})"#), accepts: |_| true },
    Pattern { rule: Rule::Key, form: (&["mysql -", "mysqldump -"], r"(?:[^\n|]{0,60}? -)?p([^\s]{4,})"), accepts: |_| true },
    Pattern {
        rule: Rule::Key,
        form: (&["curl -"], r#"[^\n|]{0,200}?(?:\b|-)u(?:ser)?[ =]["']?[\w.@-]{1,40}:([^\s"']{4,})"#),
        accepts: |_| true,
    },
];

static SEARCH: LazyLock<Option<Search>> =
    LazyLock::new(|| Search::new(&PATTERNS.map(|pattern| pattern.form)));

/// Appends the matches of the patterns in a text.
pub(crate) fn find(text: &Text<'_>, matches: &mut Vec<Match>) {
    let Some(search) = SEARCH.as_ref().filter(|_| text.bytes.len() >= SHORTEST) else { return };
    let mut from = 0;
    while let Some(found) = search.find(text.bytes, from) {
        let pattern = &PATTERNS[found.form];
        from = found.whole.end;
        if (pattern.accepts)(&text.bytes[found.group.clone()]) {
            matches.push(Match { start: found.group.start, end: found.group.end, rule: pattern.rule });
        }
    }
}

fn has_digit(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_digit)
}

fn is_number(value: &[u8]) -> bool {
    value.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b';' | b')'))
}

/// Returns whether this is a token, and not a word of a sentence about one.
fn is_bearer(given: &[u8]) -> bool {
    const WORDS: &str = "token tokens auth authentication authorization credentials challenge required missing \
        expected rejected expired invalid realm scheme header";
    let given = given.strip_suffix(b".").unwrap_or(given);
    let is_word = WORDS.split_ascii_whitespace().any(|word| given.eq_ignore_ascii_case(word.as_bytes()));
    given.len() >= 6 && !is_word && !given.starts_with(b"realm=")
}

/// Returns whether this is base64 of a user, a colon and a password.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_compile() {
        assert!(SEARCH.is_some());
    }
}
