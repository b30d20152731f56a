//! Credentials behind known words.

use std::ops::Range;
use std::sync::LazyLock;

use crate::cursor::{Cursor, Match, Text};
use crate::harmless::{Style, is_harmless, is_masked};
use crate::key_value::phrase_before;
use crate::mention;
use crate::name::{Class, class, is_chosen};
use crate::rule::Rule;
use crate::search::{Form, Search};
use crate::strength::{is_likely, is_password, is_random, is_words};

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
    Group(fn(&Announced<'_>, &[u8]) -> bool),
    /// The ranges that this appends, behind the word at the cursor.
    Behind(fn(&Cursor<'_>, &mut Vec<Range<usize>>)),
}

/// Name before a value, and whether a verb, a sign or quotes stand between.
struct Announced<'a> {
    cursor: Cursor<'a>,
    explicit: bool,
}

/// Fewest bytes of a text that some pattern matches.
const SHORTEST: usize = 8;
/// Maximum bytes behind a command that are examined.
const COMMAND_BYTES: usize = 256;

#[rustfmt::skip]
const PATTERNS: [Pattern; 15] = [
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
    // `password is ...`, `API key "..." `, `token for anna: ...`; the second form needs a random value.
    Pattern { rule: Rule::Key, form: (&ANNOUNCED, ANNOUNCED_VALUE), choice: Choice::Group(is_announced) },
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
    Pattern {
        rule: Rule::Key,
        form: (&["sshpass"], r#"[\s"',]{1,4}-p[\s"',]{0,4}([^\s"']{4,})"#),
        choice: Choice::Group(|_, _| true),
    },
    Pattern {
        rule: Rule::Key,
        form: (&["mc alias set ", "mc config host add "], r"\S+ \S+ \S+ ([^\s]{8,})"),
        choice: Choice::Group(|_, _| true),
    },
    Pattern {
        rule: Rule::Key,
        form: (&["mysql", "mariadb"], r#"(?:dump|admin)?(?:["' ,][^\n|]{0,60}?)?[ "']-p([^\s"']{4,})"#),
        choice: Choice::Group(|_, _| true),
    },
    Pattern {
        rule: Rule::Key,
        form: (
            &["login", "mongo", "ossutil "],
            r#"[a-z]{0,6}[ "'][^\n|]{0,120}?-[pk][\s"',]{1,4}([^\s"']{4,})"#,
        ),
        choice: Choice::Group(|_, found| has_digit(found)),
    },
    Pattern {
        rule: Rule::Key,
        form: (&["redis-cli"], r#"[ "'](?:[^\n|]{0,60}? )?["']?-a[\s"',]{1,4}([^\s"']{4,})"#),
        choice: Choice::Group(|_, _| true),
    },
    Pattern {
        rule: Rule::Key,
        form: (
            &["curl"],
            r#"[ "'][^\n|]{0,200}?(?:\b|-)[a-zA-Z]{0,4}u(?:ser)?[ =,"']{1,4}[\w.@-]{1,40}:([^\s"']{4,})"#,
        ),
        choice: Choice::Group(|_, _| true),
    },
    Pattern {
        rule: Rule::Key,
        form: (&["echo "], r#"["']?(?:\w{1,32}:)?([^\s"'|]{4,})["']? ?\| ?(?:sudo |chpasswd|passwd |su )"#),
        choice: Choice::Group(|_, found| !is_masked(&String::from_utf8_lossy(found))),
    },
    Pattern { rule: Rule::Key, form: (&COMMANDS, ""), choice: Choice::Behind(command) },
];

/// Words of commands and protocols that take a password without a name.
#[rustfmt::skip]
const COMMANDS: [&str; 9] = [
    "AUTH ", "PASS ", "PASSWORD(", "IDENTIFIED ", "requirepass ", "masterauth ", "ssh-keygen", "htpasswd", "rabbitmqctl",
];
/// Last words of names that announce a secret in a sentence.
#[rustfmt::skip]
const ANNOUNCED: [&str; 14] = [
    "password", "Password", "PASSWORD", "passphrase", "passcode", "passwd", "secret", "Secret", "SECRET", "token", "Token", "key", "Key",
    "code",
];
/// Value of an announced secret: behind a verb, a sign or in quotes; or else behind a space; or else in the sentence.
const ANNOUNCED_VALUE: &str = concat!(
    r"s?(?:(?:(?: (?:for|of|to) [^:\n=]{1,40}?| provided| given){1,2}:|(?: for [^:\n=]{1,40}?)?(?: is| was| are| set to",
    r#"| changed to| reset to):?) ["'`]?| ["'`]| ?(?:是|为) ?)([\w!@#$%^&*+/.-][!#-&(-+.-~-]{3,})"#,
    r"| (?:token |key |value |auth with )?([\w.+/!@#$%^&*-]{6,})| ",
);

/// Searches for words that begin with a small letter, and for the others: fewer words at a time are found faster.
static SEARCHES: LazyLock<[Option<Search>; 2]> = LazyLock::new(|| {
    let forms = PATTERNS.map(|pattern| pattern.form);
    let joined = [ANNOUNCED_VALUE, ""];
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
        let mut add = |range: Range<usize>| {
            matches.push(Match { start: range.start, end: range.end, rule: pattern.rule });
        };
        from = found.word;
        match pattern.choice {
            Choice::Group(accepts) => {
                let announced = Announced { cursor, explicit: found.nth == 1 };
                let sentence = pattern.form.1 == ANNOUNCED_VALUE && found.nth != 1;
                if (!sentence || found.nth > 0) && accepts(&announced, &text.bytes[found.group.clone()]) {
                    from = found.whole.end;
                    add(trimmed(text.bytes, found.group));
                } else if sentence && ends_with_password(&text.bytes[..found.word]) {
                    mention::password(&announced.cursor).into_iter().for_each(add);
                }
            }
            Choice::Behind(append) => {
                let mut ranges = Vec::new();
                append(&cursor, &mut ranges);
                ranges.into_iter().for_each(add);
            }
        }
    }
}

/// Returns the range of a code without the full stop behind it.
fn trimmed(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let code = bytes[range.clone()].strip_suffix(b".").filter(|code| code.iter().all(u8::is_ascii_digit));
    range.start..range.end - usize::from(code.is_some())
}

/// Appends the words of a command that look like passwords, or are the values of options for one.
fn command(cursor: &Cursor<'_>, found: &mut Vec<Range<usize>>) {
    let line = cursor.line_end(COMMAND_BYTES);
    let named = &cursor.bytes[..cursor.at];
    let words = if named.ends_with(b"AUTH ") || named.ends_with(b"PASS ") { 2 } else { 16 };
    let separates = |byte: u8| byte.is_ascii_whitespace() || b"\"',;[]%".contains(&byte);
    let (mut at, mut option) = (cursor.at, named.ends_with(b"auth ") || named.ends_with(b"pass "));
    for _ in 0..words {
        let start = cursor.run(at, separates);
        at = cursor.run(start, |byte| !separates(byte));
        if start >= line {
            return;
        }
        let word = &cursor.bytes[start..at];
        let joined = ["-p", "-P", "-w", "pass:"].iter().find(|prefix| word.starts_with(prefix.as_bytes()));
        let value = &word[joined.map_or(0, |prefix| prefix.len())..];
        let given = option || cursor.before_at(start) == b'%';
        if is_likely(value) || given && value.len() > 3 && has_digit(value) {
            found.push(at - value.len()..at);
        }
        option = [b"-N".as_slice(), b"-P", b"-p", b"-w", b"-k", b"-storepass"].contains(&word);
    }
}

fn ends_with_password(text: &[u8]) -> bool {
    let ends = |word: &str| {
        let from = text.len().saturating_sub(word.len());
        text[from..].eq_ignore_ascii_case(word.as_bytes())
    };
    ["password", "secret", "passphrase"].into_iter().any(ends)
}

fn has_digit(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_digit)
}

/// Returns whether the words before the value are the name of a secret, and the value looks like one.
fn is_announced(announced: &Announced<'_>, value: &[u8]) -> bool {
    let phrase = phrase_before(&announced.cursor);
    let word = value.trim_ascii_end().strip_suffix(b".").unwrap_or(value);
    if word.starts_with(b"HTTP/") || is_masked(&String::from_utf8_lossy(word)) {
        return false;
    }
    let likely = if announced.explicit {
        let code = is_number(word) && (4..=8).contains(&word.len());
        let signed = is_chosen(&phrase) && word.iter().any(|byte| b"!@#$^&*".contains(byte));
        (has_digit(word) && !is_number(word) || code || signed) && !word.contains(&b'=')
    } else if word.iter().any(|byte| b"!@#$%^&*".contains(byte)) {
        is_password(word)
    } else {
        is_random(word)
            || is_number(word) && phrase.ends_with("code")
            || is_chosen(&phrase) && has_digit(word) && (!is_number(word) || (6..=8).contains(&word.len()))
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
