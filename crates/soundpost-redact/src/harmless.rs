//! Values that are no secrets, under whatever name: marks, states, counts, types, placeholders, code.

use crate::name;
use crate::strength::{is_issued, is_random};

/// Begins of marks.
const MARKS: [&[u8]; 2] = [b"[REDACTED:", b"[text of "];
/// Values that programs print for none.
const NONE: [&str; 7] = ["None", "null", "nil", "true", "false", "True", "False"];
/// States, and words that go on with a sentence.
#[rustfmt::skip]
const STATES: &[&str] = &[
    "a", "absent", "accepted", "all", "an", "and", "any", "are", "argument", "as", "at", "be", "by", "can", "cannot",
    "changed", "check", "cleared", "configured", "correct", "default", "denied", "disabled", "does", "empty", "enabled",
    "error", "exists", "expected", "expired", "failed", "failure", "flag", "for", "found", "from", "has", "hidden", "if",
    "in", "incorrect", "invalid", "is", "it", "length", "loaded", "masked", "may", "minimum", "mismatch", "missing", "must",
    "n/a", "needs", "no", "none", "not", "null", "of", "off", "ok", "on", "only", "option", "optional", "or", "passed",
    "please", "present", "provided", "received", "redacted", "refreshed", "rejected", "removed", "required", "requires",
    "revoked", "rotated", "see", "set", "should", "skipped", "success", "the", "to", "too", "undefined", "unknown",
    "unset", "unsupported", "updated", "use", "valid", "verified", "was", "will", "with", "wrong", "yes", "your", "bearer",
    "basic", "digest", "oauth2", "required.", "anonymous", "authenticated", "unauthenticated", "unauthorized", "forbidden",
    "active", "await", "closed", "complete", "created", "encrypted", "equal", "generated", "granted", "hashed", "hex",
    "ignored", "inactive", "initialized", "issued", "jwt", "kerberos", "ldap", "locked", "lookup", "md5", "mfa", "mtls",
    "mounted", "new", "oauth", "oidc", "omitted", "opened", "pending", "plain", "plaintext", "prompt", "protected",
    "ready", "reset", "restored", "saml", "saved", "scram", "stored", "supplied", "this", "token", "too", "unchanged",
    "unlocked", "unused", "used", "using", "validated", "weak", "were", "without", "stale", "sent", "read", "deleted",
    "secure", "cached", "unavailable", "available", "unreachable", "loading", "partial", "strict", "lax", "signed", "unsigned", "persistent", "temporary", "type", "version", "2fa", "scram-sha-256", "scram-sha-512", "scram-sha-1", "sasl", "tls", "string", "str", "integer", "boolean",
    "include", "omit", "same-origin", "sso", "passwordless", "optional.", "manual", "automatic", "auto", "always", "never", "ask", "inherit", "inherited",
    "rs256", "hs256", "es256", "ed25519", "sha256", "argon2id", "bcrypt", "scrypt", "pbkdf2", "s3v4",
];
/// The same in Chinese, as begins of a value.
#[rustfmt::skip]
const CHINESE_STATES: [&str; 20] = [
    "错误", "无效", "过期", "已", "未", "为空", "不", "正确", "失败", "成功", "没有", "无", "必填", "需要", "正常", "缺失", "有效",
    "请", "长度", "校验",
];
/// Types in signatures of functions.
#[rustfmt::skip]
const TYPES: [&str; 29] = [
    "u8", "char", "str", "String", "string", "bytes", "Bytes", "int", "bool", "boolean", "number", "Optional", "Option", "Union", "SecretStr",
    "SecretString", "Any", "dict", "list", "tuple", "Sequence", "Secret", "Token", "Zeroizing", "List", "Dict", "Vec", "Cow", "Callable",
];
/// Objects of source code that hold values.
#[rustfmt::skip]
const OBJECTS: [&str; 33] = [
    "import", "self", "this", "args", "cfg", "config", "conf", "settings", "os", "env", "std", "process", "getpass", "request", "req", "kwargs",
    "options", "opts", "params", "ctx", "context", "app", "state", "user", "form", "data", "body", "payload", "headers", "session",
    "response", "secrets", "cls",
];
/// Begins of references to a value that is kept elsewhere.
#[rustfmt::skip]
const REFERENCES: [&str; 22] = [
    "$(", "!ENV", "<%=", "env:", "env.", "file:", "vault:", "ref:", "ref+", "ssm:", "sops:", "arn:", "op://", "!vault", "!secret", "!ref", "secretref:",
    "!Ref", "!Sub", "!GetAtt", "!ImportValue", "!include",
];
/// Maximum bytes of a harmless value, other than a list of tokens of a language model.
const HARMLESS_BYTES: usize = 512;

/// Form in which a value stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// In quotes, or alone.
    Quoted,
    /// Without quotes.
    Bare,
    /// Without quotes, behind a colon and a space, as states are logged.
    Stated,
}

/// Returns whether a mark begins here.
pub(crate) fn is_marked(text: &[u8]) -> bool {
    MARKS.iter().any(|mark| text.starts_with(mark))
}

/// Returns whether the value is empty, a mark, or what programs print for none.
pub(crate) fn is_nothing(value: &str) -> bool {
    let value = value.trim_ascii();
    let bare = value.strip_suffix(',').unwrap_or(value);
    bare.bytes().all(|byte| byte == b'*') || is_marked(value.as_bytes()) || NONE.contains(&bare)
}

/// Returns whether the value is hidden or filled in later, wholly or in part: `***`, `138****5678`, `sk-...9f2a`, `<token>`.
pub(crate) fn is_masked(value: &str) -> bool {
    let value = value.trim_ascii();
    let value = ["Bearer ", "Basic "].iter().find_map(|scheme| value.strip_prefix(scheme)).unwrap_or(value);
    let opened = ["[", "<", "("].iter().find_map(|open| value.strip_prefix(open)).unwrap_or(value);
    let hidden = opened.trim_end_matches([']', '>', ')']);
    let hidden = ["masked", "redacted", "hidden", "filtered", "secret", "已隐藏", "已脱敏", "脱敏"]
        .iter()
        .any(|word| hidden.eq_ignore_ascii_case(word));
    is_nothing(value) || is_placeholder(value) || is_abridged(value) || opened.len() < value.len() && hidden
}

/// Returns whether signs stand for the most of a value: `138****5678`, `sk-...9f2a`.
fn is_abridged(value: &str) -> bool {
    ["***", "...", "…"].iter().filter_map(|signs| value.split_once(signs)).any(|(before, behind)| {
        let behind = behind.trim_start_matches(['*', '.', '…']);
        let shown =
            |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        before.len() + behind.len() <= 12 && shown(before) && shown(behind)
    })
}

/// Returns whether the value under a secret name is no secret.
pub(crate) fn is_harmless(name: &str, value: &str, style: Style) -> bool {
    if is_nothing(value) {
        return true;
    }
    let value = value.trim_ascii();
    let issued = is_issued(value.as_bytes())
        || style == Style::Stated && value.len() > 9 && is_random(value.as_bytes());
    if name::is_tokens(name) && !issued && !(is_bracket(value) && has_random_item(value)) {
        return true;
    }
    if value.len() > HARMLESS_BYTES {
        return false;
    }
    let value = ["Bearer ", "Basic "].iter().find_map(|scheme| value.strip_prefix(scheme)).unwrap_or(value);
    let closed = value.trim_end_matches([',', ';', ')', ']', '}', '.', '>', '?', '!', ':']);
    is_state(closed.trim_start_matches(['[', '(', '<']))
        || is_masked(value)
        || style == Style::Stated
            && !name::is_chosen(name)
            && closed.len() == 1
            && closed.bytes().all(|byte| byte.is_ascii_alphabetic())
        || is_sql_type(value)
        || value.len() <= 4 && closed.len() <= 3 && closed.bytes().all(|byte| byte.is_ascii_punctuation())
        || is_reference(name, closed)
        || style == Style::Stated
            && !name::is_chosen(name)
            && (is_word(closed) || is_next_name(value) || is_type_name(closed))
        || style != Style::Quoted
            && (is_bracket(value) && is_plain(name, value)
                || value.contains('_') && !name::is_chosen(name) && is_word(value)
                || is_count(name, closed)
                || is_type(value)
                || is_code(name, value)
                || name::is_method(name) && closed.bytes().all(is_name_letter))
}

fn is_name_letter_or_dot(byte: u8) -> bool {
    is_name_letter(byte) || matches!(byte, b'.' | b'/')
}

/// Returns whether this is a type with a length, as columns of tables have: `varchar(255)`.
fn is_sql_type(value: &str) -> bool {
    let length = value.strip_suffix(')').and_then(|value| value.split_once('('));
    length.is_some_and(|(word, length)| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_alphabetic())
            && length.parse::<u16>().is_ok()
    })
}

/// Returns whether this is the name of a type or an algorithm: `InstanceProfile`, `RSA-SHA256`.
fn is_type_name(value: &str) -> bool {
    let algorithm =
        value.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-');
    let mut parts = value.split_inclusive(|letter: char| letter.is_ascii_uppercase()).skip(1);
    let words = value.bytes().all(|byte| byte.is_ascii_alphabetic()) && parts.clone().count() > 0;
    words && value.starts_with(|first: char| first.is_ascii_uppercase()) && parts.all(|part| part.len() > 3)
        || algorithm && ["SHA", "RSA", "HMAC"].iter().any(|known| value.contains(known))
}

fn is_name_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-')
}

fn is_bracket(value: &str) -> bool {
    value.starts_with(['[', '{', '(', '<'])
}

/// Returns whether a list, a map or the arguments of a call have a random item, as issued tokens are.
fn has_random_item(value: &str) -> bool {
    let separates = |letter: char| letter.is_ascii_whitespace() || ",:;=[]{}()<>\"'".contains(letter);
    value.split(separates).any(|item| is_random(item.as_bytes()))
}

/// Returns whether all items of a list or map are states or small numbers, or words under a name whose values are random.
/// The text behind `signature` is that of a function.
fn is_plain(name: &str, value: &str) -> bool {
    let chosen = name::is_chosen(name);
    let is_item = |item: &str| {
        // `<laughter>`, `'<|zh|>'`
        if is_placeholder(item.trim_matches(|letter: char| letter == ' ' || "[]'\"".contains(letter))) {
            return true;
        }
        let item = item.rsplit(':').next().unwrap_or_default();
        let item =
            item.trim_matches(|letter: char| letter.is_ascii_whitespace() || "[]{}()<>\"'".contains(letter));
        let digits = item.bytes().take_while(u8::is_ascii_digit).count();
        let upper = item.bytes().all(|byte| byte.is_ascii_uppercase());
        // `3 items`
        let counted = digits > 0 && digits <= 4 && (item.len() == digits || item[digits..].starts_with(' '));
        let item = if counted { item[digits..].trim_start() } else { item };
        let named = TYPES.contains(&item)
            || item.eq_ignore_ascii_case("user")
            || digits == 0 && name::class(item) == name::Class::Secret && item.bytes().all(is_name_letter);
        item.is_empty() || named || is_nothing(item) || is_state(item) || !chosen && (upper || is_word(item))
    };
    value.split(',').all(is_item)
        || name.to_ascii_lowercase().ends_with("signature") && value.starts_with('(')
}

/// Returns whether this is a word of a state in lower case, or some with signs between. Long words have the end of an adjective.
fn is_word(value: &str) -> bool {
    const ENDS: [&str; 15] = [
        "ed", "ing", "ble", "ent", "ive", "al", "ic", "ous", "less", "ful", "ly", "it", "ate", "ion", "ness",
    ];
    let is_part = |part: &str| part.len() <= 6 || ENDS.iter().any(|end| part.ends_with(end));
    value.len() <= 24
        && value.bytes().all(|byte| byte.is_ascii_lowercase() || b"_-/. ".contains(&byte))
        && value.split(['_', '-', '/', '.', ' ']).all(is_part)
}

/// Returns whether this is the path or the address of a secret: `/run/secrets/db`, `kv/tts`, `env:TOKEN`.
fn is_reference(name: &str, value: &str) -> bool {
    let path =
        value.contains('/') && value.bytes().all(|byte| byte.is_ascii_lowercase() || b"_-/.".contains(&byte));
    path && (value.starts_with(['/', '.', '~']) || !name::is_chosen(name))
        || value
            .strip_prefix('@')
            .is_some_and(|file| file.contains('.') && file.bytes().all(is_name_letter_or_dot))
        || REFERENCES.iter().any(|begin| value.starts_with(begin))
}

/// Returns whether a tag of YAML refers to a value that is kept elsewhere.
pub(crate) fn is_reference_tag(tag: &[u8]) -> bool {
    REFERENCES.iter().any(|begin| begin.as_bytes().eq_ignore_ascii_case(tag))
}

fn is_count(name: &str, value: &str) -> bool {
    let fraction = value.contains('.') && value.parse::<f64>().is_ok();
    let amount = value.trim_end_matches(|letter: char| !letter.is_ascii()).trim_end();
    let small = amount.len() < value.len() && amount.len() <= 4 && amount.parse::<u16>().is_ok();
    let (done, all) = value.split_once('/').unwrap_or_default();
    let small = small || all.len() <= 5 && done.parse::<u16>().is_ok() && all.parse::<u16>().is_ok();
    let number = value.strip_prefix('v').unwrap_or(value);
    let version = number.len() <= 8
        && (number.len() < value.len() || number.matches('.').count() > 1)
        && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    fraction || small || version || value.parse().is_ok_and(|number| name::counts(name, number))
}

fn is_state(value: &str) -> bool {
    let ideograph = |letter: char| ('\u{2E80}'..='\u{FF0F}').contains(&letter);
    STATES.iter().any(|state| state.eq_ignore_ascii_case(value))
        || CHINESE_STATES.iter().any(|state| value.starts_with(state))
        || !value.is_empty() && value.chars().all(ideograph)
}

/// Returns whether the value is filled in later: `<token>`, `${TOKEN}`, `{token}`, `%s`, `xxxxxx`, `YOUR_API_KEY`.
fn is_placeholder(value: &str) -> bool {
    let word = |value: &str| {
        value
            .trim_end_matches("!r")
            .chars()
            .all(|letter| letter.is_alphabetic() || "_- .:[]/|".contains(letter))
    };
    let pairs = [("<", ">"), ("${", "}"), ("{{", "}}"), ("{", "}"), ("%(", ")s"), ("$(", ")")];
    let template = value.starts_with("{{") || value.starts_with("${{");
    if is_variable(value) || template && value.ends_with("}}") && !has_random_item(value) {
        return true;
    }
    let wrapped = pairs.iter().any(|(open, close)| {
        let inner = value.strip_prefix(open).and_then(|value| value.split_once(close));
        inner.is_some_and(|(name, rest)| {
            !name.is_empty() && word(name) && rest.bytes().all(|byte| byte.is_ascii_punctuation())
        })
    });
    let filler =
        value.len() > 2 && value.bytes().all(|byte| matches!(byte, b'x' | b'X' | b'.' | b'#' | b'-'));
    let upper = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    let variable = value.strip_prefix('$').is_some_and(|name| name.len() > 2 && name.bytes().all(upper));
    let yours =
        value.len() > 5 && value[..value.floor_char_boundary(4)].eq_ignore_ascii_case("your") && word(value);
    let opened = value.strip_prefix('<').is_some_and(word);
    wrapped || opened || filler || variable || yours || value.starts_with(['…', '•']) || value == "%s"
}

/// Returns whether this is a variable of a shell, without a default that may be a secret, or a place in a statement of SQL.
fn is_variable(value: &str) -> bool {
    let place = value.strip_prefix('$').unwrap_or_default();
    if (1..3).contains(&place.len()) && place.bytes().all(|byte| byte.is_ascii_digit()) {
        return true;
    }
    let Some(inner) = value.strip_prefix("${").and_then(|rest| rest.split_once('}')).map(|(inner, _)| inner)
    else {
        return false;
    };
    let name =
        inner.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')).count();
    let default = inner[name..].trim_start_matches(':');
    name > 0 && (default.starts_with(['?', '+']) || !default.bytes().any(|byte| byte.is_ascii_digit()))
}

/// Returns whether the value under the name of a text is the type of a parameter.
pub(crate) fn is_parameter(value: &str) -> bool {
    let value = value.trim_start_matches('&');
    let goes_on = [",", ")", "[", "<", "=", " = ", " | "];
    let mut rests = TYPES.iter().filter_map(|word| value.strip_prefix(word));
    rests.any(|rest| goes_on.iter().any(|sign| rest.starts_with(sign)))
}

fn is_type(value: &str) -> bool {
    if value.starts_with("&'") {
        return true;
    }
    let value = value.trim_start_matches(['&', '*', '?', '[']);
    let value =
        value.strip_prefix('\'').and_then(|rest| rest.split_once(' ')).map_or(value, |(_, rest)| rest);
    let end = value.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(value.len());
    let (word, rest) = value.split_at(end);
    let generic = word.starts_with(|first: char| first.is_ascii_uppercase()) && rest.starts_with('<');
    (generic || TYPES.contains(&word))
        && !has_random_item(rest)
        && (rest.is_empty() || rest.trim_start().starts_with(['[', ']', '<', '|', ',', '=', ')', '?', ';']))
}

/// Returns whether the value is an expression of source code: `self.token`, `token`, `os.environ["TOKEN"]`, `load(path)`.
fn is_code(name: &str, value: &str) -> bool {
    let value = value.trim_start_matches(['&', '*', '!']).trim_end_matches([',', ';', ')', '.', '?']);
    let part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | ':');
    let (path, rest) = value.split_at(value.find(|letter| !part(letter)).unwrap_or(value.len()));
    let first = path.split(['.', ':']).next().unwrap_or_default();
    let number = |last: char| last.is_ascii_digit() && !name::is_chosen(name);
    let starts = path.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let computed = OBJECTS.contains(&first) && path.len() > first.len()
        || path.len() > 1 && rest.starts_with(['(', '['])
        || path.contains("::");
    starts && computed && !has_random_item(rest)
        || !name::is_chosen(name) && value.bytes().all(is_name_letter) && name::is_secret(value)
        || is_same(last_part(name), last_part(value).trim_end_matches(number))
}

/// Returns the part behind the last dot.
fn last_part(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or_default()
}

/// Returns whether two names differ in case and signs only.
fn is_same(one: &str, other: &str) -> bool {
    let letters = |name: &str| -> Vec<_> {
        name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase()).collect()
    };
    !letters(one).is_empty() && letters(one) == letters(other)
}

/// Returns whether the value is the name of the next pair, because the one before has none: `ssh-key: user-token: ...`.
fn is_next_name(value: &str) -> bool {
    value.strip_suffix(':').is_some_and(|name| name.bytes().all(is_name_letter))
}
