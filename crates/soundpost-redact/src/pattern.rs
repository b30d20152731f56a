//! Credentials behind known words.

use std::ops::Range;
use std::sync::LazyLock;

use crate::command::is_given;
use crate::cursor::{Cursor, Match, Text};
use crate::harmless::{Style, is_harmless};
use crate::rule::Rule;
use crate::search::{Form, Search};
use crate::strength::{is_issued, is_mixed, is_password, is_words};
use crate::{announced, command, mention};

/// Form of credentials.
struct Pattern {
    rule: Rule,
    /// First words, and the rest; its first group is redacted, or all of it without one.
    form: Form,
    choice: Choice,
}

/// Choice of the ranges to redact.
enum Choice {
    /// The group, unless this returns false, as it does for ordinary words of the same form.
    Group(fn(&Cursor<'_>, &[u8]) -> bool),
    /// The ranges that this appends, behind the word at the cursor.
    Behind(fn(&Cursor<'_>, &mut Vec<Range<usize>>)),
    /// The ranges behind a name that announces a secret.
    Announced,
}

/// Fewest bytes of a text that some pattern matches.
const SHORTEST: usize = 8;

#[rustfmt::skip]
const PATTERNS: [Pattern; 18] = [
    Pattern {
        rule: Rule::PrivateKey,
        form: (&["-----BEGIN "], r"[A-Z0-9 ]*PRIVATE KEY(?s:.*?)(?:-----END (?s:.*?)-----|\z)"),
        choice: Choice::Group(|_, _| true),
    },
    Pattern {
        rule: Rule::Authorization,
        form: (&["Bearer", "bearer", "BEARER"], r"(?:[ \t:]+|\+|%20)([\w.~+/=-]{6,})"),
        choice: Choice::Group(|_, given| is_bearer(given)),
    },
    Pattern {
        rule: Rule::Authorization,
        form: (&["Basic", "basic", "BASIC"], r"(?:[ \t:]+|\+|%20)([\w.~+/=-]{4,})"),
        choice: Choice::Group(|_, given| is_user_and_password(given)),
    },
    // `password is ...`, `API key "..." `, `token for anna: ...`
    Pattern { rule: Rule::Key, form: (&announced::WORDS, announced::VALUE), choice: Choice::Announced },
    Pattern {
        rule: Rule::Key,
        form: (
            &[
                "密码", "口令", "密钥", "秘钥", "私钥", "令牌", "凭证", "凭据", "验证码", "校验码", "授权码", "动态码", "身份证", "证件号", "卡号",
            ],
            "",
        ),
        choice: Choice::Behind(mention::chinese),
    },
    Pattern {
        rule: Rule::Key,
        form: (&["PIN", "OTP"], r"(?: is| was|:)? ([0-9]{4,8})\b"),
        choice: Choice::Group(|_, _| true),
    },
    // Webhooks without a scheme.
    Pattern {
        rule: Rule::Url,
        form: (
            &["hooks.slack.com/", "/api/webhooks/", "/hook/", "/cgi-bin/webhook/", ".webhook.office.com/"],
            r"([\w/.?=&%:@+-]{16,})",
        ),
        choice: Choice::Group(|_, path| !is_words(path)),
    },
    // Passwords on command lines, also of commands as lists.
    given(&["mc alias set ", "mc config host add "], r"\S+ \S+ \S+ ([^\s]{8,})"),
    given(&["rabbitmqctl "], r#"(?:add_user|change_password|authenticate_user) \S+ ["']?([^\s"']{4,})"#),
    given(&["net use ", "net user "], r#"(?:[A-Z]:\s)?\S+\s["']?([^\s"'/]{4,})["']?\s+/"#),
    given(&["echo ", "printf "], PIPED),
    given(&["freerdp"], FREERDP),
    // Protocols and statements.
    given(&["IDENTIFIED ", "identified "], r#"(?i)(?:WITH \S+ )?(?:BY|AS) (?:PASSWORD )?N?(?:["']([^"'\n]{3,})["']|([^\s"';]{4,}))"#),
    given(&["SETUSER "], r#"[^\n]{0,80}?[ "']>([^\s"']{3,})"#),
    sure(&["LOGIN "], r#""?[\w.@+-]{2,64}"? "?([^\s"]{4,})"#),
    sure(&["login with ", "in as ", "credentials "], r#"["']?[\w.@-]{2,40}(?: ?/ ?|:)([^\s,;"']{4,})"#),
    Pattern { rule: Rule::Key, form: (&["PASS "], PASS_VALUE), choice: Choice::Group(is_sent) },
    Pattern { rule: Rule::Key, form: (&command::WORDS, ""), choice: Choice::Behind(command::words) },
];

/// Password of a command that a client sends.
const PASS_VALUE: &str = r"([^\s\\]{4,})";
/// Password behind a user, of a command for remote desktops.
const FREERDP: &str = r#"[^\n|]{0,160}?/p:([^\s"']{3,})"#;
/// Password that a command reads from a pipe.
const PIPED: &str = concat!(
    r#"(?:-n |["']%s["'] )?["']?(?:\w{1,32}:)?([^\s"'|]{4,})["']? ?\| ?"#,
    r"(?:sudo |chpasswd|passwd |su |kinit |gpg |cryptsetup |[a-z]{2,8} [a-z ]{0,16}login )",
);
/// Searches for words that begin with a small letter, and for the others: fewer words at a time are found faster.
static SEARCHES: LazyLock<[Option<Search>; 2]> = LazyLock::new(|| {
    let forms = PATTERNS.map(|pattern| pattern.form);
    let joined = [announced::VALUE, PASS_VALUE, FREERDP, ""];
    let small = |word: &str| word.starts_with(|first: char| first.is_ascii_lowercase());
    [Search::new(&forms, &joined, small), Search::new(&forms, &joined, move |word| !small(word))]
});

/// Appends the matches of the patterns in a text.
pub(crate) fn find(text: &Text<'_>, matches: &mut Vec<Match>) {
    if text.bytes.len() >= SHORTEST {
        SEARCHES.iter().flatten().for_each(|search| find_with(search, text, matches));
    }
}

fn find_with(search: &Search, text: &Text<'_>, matches: &mut Vec<Match>) {
    let mut from = 0;
    while let Some(found) = search.find(text.bytes, from) {
        let pattern = &PATTERNS[found.form];
        let cursor = text.cursor(found.word);
        let mut ranges = Vec::new();
        from = found.word;
        match pattern.choice {
            Choice::Group(accepts) if accepts(&cursor, &text.bytes[found.group.clone()]) => {
                from = found.whole.end;
                ranges.push(found.group);
            }
            Choice::Group(_) => {}
            Choice::Behind(append) => append(&cursor, &mut ranges),
            Choice::Announced => from = announced::find(&cursor, &found, &mut ranges),
        }
        let rule = pattern.rule;
        matches.extend(ranges.into_iter().map(|range| Match { start: range.start, end: range.end, rule }));
    }
}

/// Returns the row of a command or a statement that has a password at a known place.
const fn given(words: &'static [&'static str], rest: &'static str) -> Pattern {
    let choice = Choice::Group(|_, found| is_given(found));
    Pattern { rule: Rule::Key, form: (words, rest), choice }
}

/// Returns the row of a place where words stand as well as passwords.
const fn sure(words: &'static [&'static str], rest: &'static str) -> Pattern {
    Pattern { rule: Rule::Key, form: (words, rest), choice: Choice::Group(|_, found| is_sure(found)) }
}

fn is_sure(found: &[u8]) -> bool {
    is_mixed(found) || is_password(found)
}

/// Returns whether this is the password of a command that a client sends: `PASS ...`, and no name of a test that passed.
fn is_sent(cursor: &Cursor<'_>, found: &[u8]) -> bool {
    let before = cursor.bytes[..cursor.at - 5].trim_ascii_end();
    let sent = [b">".as_slice(), b"C:", b"\\n"].iter().any(|sign| before.ends_with(sign));
    let value = String::from_utf8_lossy(found);
    let test = ["test", "Test", "Bench", "Example"].iter().any(|begin| value.starts_with(begin));
    !test && (is_sure(found) || is_issued(found) || sent && !is_harmless("password", &value, Style::Bare))
}

/// Returns whether this is a token, and not a word of a sentence about one.
fn is_bearer(given: &[u8]) -> bool {
    const WORDS: &str = "token tokens auth authentication authorization credentials challenge required missing \
        expected rejected expired invalid realm scheme header";
    let given = given.strip_suffix(b".").unwrap_or(given);
    let is_word = WORDS.split_ascii_whitespace().any(|word| given.eq_ignore_ascii_case(word.as_bytes()));
    let name = given.iter().take_while(|byte| byte.is_ascii_lowercase() || **byte == b'_').count();
    let pair =
        name > 1 && given.get(name) == Some(&b'=') && given.get(name + 1).is_none_or(|byte| *byte != b'=');
    let upper = given.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_');
    let metavar = upper && given.contains(&b'_');
    given.len() >= 6 && !is_word && !pair && !metavar
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
        assert!(SEARCHES.iter().all(Option::is_some));
    }
}
