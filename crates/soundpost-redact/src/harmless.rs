//! Values that are no secrets, under whatever name: marks, states, counts, types, placeholders, code.

use crate::name;

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
];
/// The same in Chinese, as begins of a value.
#[rustfmt::skip]
const CHINESE_STATES: [&str; 20] = [
    "错误", "无效", "过期", "已", "未", "为空", "不", "正确", "失败", "成功", "没有", "无", "必填", "需要", "正常", "缺失", "有效",
    "请", "长度", "校验",
];
/// Types in signatures of functions.
#[rustfmt::skip]
const TYPES: [&str; 27] = [
    "str", "String", "string", "bytes", "Bytes", "int", "bool", "boolean", "number", "Optional", "Option", "Union", "SecretStr",
    "SecretString", "Any", "dict", "list", "tuple", "Sequence", "Secret", "Token", "Zeroizing", "List", "Dict", "Vec", "Cow", "Callable",
];
/// Begins of source code that computes a value.
#[rustfmt::skip]
const CODE: [&str; 26] = [
    "self.", "args.", "cfg.", "config.", "config[", "settings.", "os.", "env.", "env::", "std::env", "process.env", "getpass",
    "request.", "req.", "kwargs", "options.", "opts.", "params.", "ctx.", "dict_keys(", "dict_values(", "len(", "get_", "load_",
    "Depends(", "Field(",
];

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

/// Returns whether the value under a secret name is no secret. `bare`: it stands without quotes.
pub(crate) fn is_harmless(name: &str, value: &str, bare: bool) -> bool {
    if is_nothing(value) {
        return true;
    }
    let value = value.trim_ascii();
    let value = ["Bearer ", "Basic "].iter().find_map(|scheme| value.strip_prefix(scheme)).unwrap_or(value);
    let closed = value.trim_end_matches([',', ';', ')', ']', '}', '.', '>', '?', '!', ':']);
    is_state(closed.trim_start_matches(['[', '(', '<']))
        || name::is_tokens(name) && !has_random_item(value)
        || is_placeholder(value)
        || closed.len() <= 3 && closed.bytes().all(|byte| byte.is_ascii_punctuation())
        || bare && is_count(name, closed)
        || bare && (is_type(value) || is_code(name, closed))
}

/// Returns whether a list or map has an item of letters and digits, as issued tokens are.
fn has_random_item(value: &str) -> bool {
    let random = |item: &str| {
        let has = |belongs: fn(&u8) -> bool| item.bytes().any(|byte| belongs(&byte));
        item.len() >= 8 && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
    };
    value.starts_with(['[', '{', '('])
        && value.split(|letter: char| !letter.is_ascii_alphanumeric()).any(random)
}

fn is_count(name: &str, value: &str) -> bool {
    let fraction = value.contains('.') && value.parse::<f64>().is_ok();
    fraction || value.parse().is_ok_and(|number| name::counts(name, number))
}

fn is_state(value: &str) -> bool {
    STATES.iter().any(|state| state.eq_ignore_ascii_case(value))
        || CHINESE_STATES.iter().any(|state| value.starts_with(state))
}

/// Returns whether the value is filled in later: `<token>`, `${TOKEN}`, `{token}`, `%s`, `xxxxxx`, `YOUR_API_KEY`.
fn is_placeholder(value: &str) -> bool {
    let word = |value: &str| {
        value.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b' ' | b'.'))
    };
    let pairs = [("<", ">"), ("${", "}"), ("{{", "}}"), ("{", "}"), ("%(", ")s"), ("$(", ")")];
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

/// Returns whether the value under the name of a text is the type of a parameter.
pub(crate) fn is_parameter(value: &str) -> bool {
    let value = value.trim_start_matches('&');
    let goes_on = [",", ")", "[", "<", "=", " = ", " | "];
    let mut rests = TYPES.iter().filter_map(|word| value.strip_prefix(word));
    rests.any(|rest| goes_on.iter().any(|sign| rest.starts_with(sign)))
}

fn is_type(value: &str) -> bool {
    let value = value.trim_start_matches(['&', '*', '?']);
    let value =
        value.strip_prefix('\'').and_then(|rest| rest.split_once(' ')).map_or(value, |(_, rest)| rest);
    let end = value.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(value.len());
    let (word, rest) = value.split_at(end);
    TYPES.contains(&word)
        && (rest.is_empty() || rest.starts_with(['[', '<', '|', ',', '=', ')', ' ', '?', ';']))
}

/// Returns whether the value is an expression of source code: `self.token`, `token`, `os.environ["TOKEN"]`.
fn is_code(name: &str, value: &str) -> bool {
    let last = value.rsplit(['.', ' ']).next().unwrap_or_default();
    CODE.iter().any(|code| value.starts_with(code))
        || value.eq_ignore_ascii_case(name)
        || last == name && value.contains('.')
}
