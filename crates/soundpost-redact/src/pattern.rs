//! Credentials behind known words.

use std::sync::LazyLock;

use crate::cursor::{Cursor, Match, Text};
use crate::harmless::{Style, is_harmless, is_marked};
use crate::key_value::phrase_before;
use crate::name::{Class, class, is_chosen};
use crate::rule::Rule;
use crate::search::{Form, Search};
use crate::token::{is_random, is_words};

/// Form of credentials.
struct Pattern {
    rule: Rule,
    /// First words, and the rest; its first group is redacted, or all of it without one.
    form: Form,
    /// Returns false for ordinary words of the same form.
    accepts: fn(&Announced<'_>, &[u8]) -> bool,
}

/// Name before a value, and whether a verb, a sign or quotes stand between.
struct Announced<'a> {
    cursor: Cursor<'a>,
    explicit: bool,
}

/// Fewest bytes of a text that some pattern matches.
const SHORTEST: usize = 8;

#[rustfmt::skip]
const PATTERNS: [Pattern; 12] = [
    Pattern {
        rule: Rule::PrivateKey,
        form: (&["-----BEGIN "], r"[A-Z0-9 ]*PRIVATE KEY(?s:.*?)(?:-----END (?s:.*?)-----|\z)"),
        accepts: |_, _| true,
    },
    Pattern {
        rule: Rule::Authorization,
        form: (&["Bearer", "bearer", "BEARER"], r"(?:[ \t:]+|\+|%20)([\w.~+/=-]{6,})"),
        accepts: |_, given| is_bearer(given),
    },
    Pattern {
        rule: Rule::Authorization,
        form: (&["Basic", "basic", "BASIC"], r"(?:[ \t:]+|\+|%20)([\w.~+/=-]{4,})"),
        accepts: |_, given| is_user_and_password(given),
    },
    // `password is ...`, `API key "..." `, `token for anna: ...`; the second form needs a random value.
    Pattern { rule: Rule::Key, form: (&ANNOUNCED, ANNOUNCED_VALUE), accepts: is_announced },
    Pattern {
        rule: Rule::Key,
        form: (
            &[
                "密码", "口令", "密钥", "私钥", "令牌", "凭证", "验证码", "校验码", "授权码", "动态码", "身份证", "证件号", "卡号", "银行卡",
            ],
            r#"(?:号码?)?(?:是|为|改为|改成|设为|设置为|重置为|重置成|已重置为|已改为)?(?:[ :="'`]|：|＝|“|「|（|【){0,3}([\w!@#$%^&*+/.-][!#-&(-+.-~-]{3,}|(?:\xEF\xBC[\x90-\x99]){4,})"#,
        ),
        accepts: |_, found| (has_digit(found) || found.starts_with(&[0xEF])) && !is_marked(found),
    },
    Pattern { rule: Rule::Key, form: (&["PIN", "OTP"], r"(?: is| was|:)? ([0-9]{4,8})\b"), accepts: |_, _| true },
    // Webhooks without a scheme.
    Pattern {
        rule: Rule::Url,
        form: (
            &["hooks.slack.com/", "/api/webhooks/", "/hook/", "/cgi-bin/webhook/", ".webhook.office.com/"],
            r"([\w/.?=&%:@+-]{16,})",
        ),
        accepts: |_, path| !is_words(path),
    },
    // Passwords on command lines.
    Pattern {
        rule: Rule::Key,
        form: (&["sshpass -p"], r#" ?["']?([^\s"']{4,})"#),
        accepts: |_, _| true,
    },
    Pattern {
        rule: Rule::Key,
        form: (&["mysql", "mariadb"], r"(?:dump|admin)? -(?:[^\n|]{0,60}? -)?p([^\s]{4,})"),
        accepts: |_, _| true,
    },
    Pattern {
        rule: Rule::Key,
        form: (
            &["login ", "mongo", "ossutil "],
            r#"[^\n|]{0,120}?-[pk] ["']?([^\s"']{4,})"#,
        ),
        accepts: |_, found| has_digit(found),
    },
    Pattern {
        rule: Rule::Key,
        form: (&["redis-cli "], r#"(?:[^\n|]{0,60}? )?-a ["']?([^\s"']{4,})"#),
        accepts: |_, _| true,
    },
    Pattern {
        rule: Rule::Key,
        form: (&["curl -"], r#"[^\n|]{0,200}?(?:\b|-)[a-zA-Z]{0,4}u(?:ser)?[ =]["']?[\w.@-]{1,40}:([^\s"']{4,})"#),
        accepts: |_, _| true,
    },
];

/// Last words of names that announce a secret in a sentence.
#[rustfmt::skip]
const ANNOUNCED: [&str; 12] = [
    "password", "Password", "passphrase", "passcode", "passwd", "secret", "Secret", "token", "Token", "key", "Key", "code",
];
/// Value of an announced secret: behind a verb, a sign or in quotes; or else behind a space.
const ANNOUNCED_VALUE: &str = concat!(
    r"s?(?:(?:(?: (?:for|of|to) [^:\n=]{1,40}?| provided| given){1,2}:|(?: for [^:\n=]{1,40}?)?(?: is| was| are| set to",
    r#"| changed to| reset to):?) ["'`]?| ["'`]| ?(?:是|为) ?)([\w!@#$%^&*+/.-][!#-&(-+.-~-]{3,})"#,
    r"| (?:token |key )?([\w.+/-]{6,})",
);

static SEARCH: LazyLock<Option<Search>> =
    LazyLock::new(|| Search::new(&PATTERNS.map(|pattern| pattern.form)));

/// Appends the matches of the patterns in a text.
pub(crate) fn find(text: &Text<'_>, matches: &mut Vec<Match>) {
    let Some(search) = SEARCH.as_ref().filter(|_| text.bytes.len() >= SHORTEST) else { return };
    let mut from = 0;
    while let Some(found) = search.find(text.bytes, from) {
        let pattern = &PATTERNS[found.form];
        let announced = Announced { cursor: text.cursor(found.word), explicit: found.nth == 1 };
        if (pattern.accepts)(&announced, &text.bytes[found.group.clone()]) {
            matches.push(Match { start: found.group.start, end: found.group.end, rule: pattern.rule });
            from = found.whole.end;
        } else {
            from = found.word;
        }
    }
}

fn has_digit(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_digit)
}

/// Returns whether the words before the value are the name of a secret, and the value looks like one.
fn is_announced(announced: &Announced<'_>, value: &[u8]) -> bool {
    let phrase = phrase_before(&announced.cursor);
    let word = value.trim_ascii_end().strip_suffix(b".").unwrap_or(value);
    let likely = if announced.explicit {
        let code = is_number(word) && (4..=8).contains(&word.len());
        (has_digit(word) && !is_number(word) || code) && !word.contains(&b'=')
    } else {
        is_random(word)
            || is_number(word) && phrase.ends_with("code")
            || is_chosen(&phrase) && has_digit(word) && word.iter().any(u8::is_ascii_alphabetic)
    };
    let text = String::from_utf8_lossy(word);
    likely && !is_harmless(&phrase, &text, Style::Bare) && class(&phrase) == Class::Secret
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
