//! Names before a sign.

use std::borrow::Cow;

use crate::cursor::{Cursor, is_name};
use crate::name::{self, Class, class};

/// Maximum bytes of a remark.
const REMARK_BYTES: usize = 48;

/// Name before a sign.
pub(crate) struct Name<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) class: Class,
    /// Whether several words in a sentence make the name.
    pub(crate) phrase: bool,
}

impl<'a> Name<'a> {
    /// Returns the name before the sign at the cursor.
    #[inline]
    pub(crate) fn before(cursor: &'a Cursor<'_>) -> Option<Self> {
        let text = cursor.name_before(cursor.at);
        let named = |text, class| Some(Self { text, class, phrase: false });
        if text.is_empty() {
            // `text (per sentence): ...`
            let text = cursor.name_before(before_remark(cursor).filter(|_| cursor.bytes[cursor.at] != b'-')?);
            let class = class(&text);
            return named(text, class);
        }
        if text.eq_ignore_ascii_case("value") {
            let text =
                named_before(cursor, text.len()).or_else(|| typed_before(cursor, text.len())).unwrap_or(text);
            let class = class(&text);
            return named(text, class);
        }
        // `${NAME:-default}`
        if matches!(cursor.before(text.len() + 1), b'{') && cursor.before(text.len() + 2) == b'$' {
            return None;
        }
        if is_signature(cursor, &text) {
            return named(text, Class::Secret);
        }
        if is_announced(cursor, &text) {
            return named(text, Class::Text);
        }
        match class(&text) {
            Class::Plain if text.ends_with('s') && name::is_tokens(&text) => named(
                text,
                if cursor.at < cursor.text.tokens_end.get() { Class::Plain } else { Class::Secret },
            ),
            Class::Plain | Class::Issued if name::ends_phrase(&text) => {
                let text = phrase_before(cursor);
                Some(Self { class: class(&text), text, phrase: true })
            }
            Class::Secret if text == "token" && unexpected(cursor) => named(text, Class::Plain),
            class => named(text, class),
        }
    }
}

/// Returns whether the `token` before the sign is one of a parser.
fn unexpected(cursor: &Cursor<'_>) -> bool {
    phrase_before(cursor).to_ascii_lowercase().ends_with("unexpected token")
}

/// Returns the name in the pair before `value`: `name: TOKEN value: ...`, `<add key="token" value=...`, `key=a:token value=...`.
fn named_before<'a>(cursor: &'a Cursor<'_>, length: usize) -> Option<Cow<'a, str>> {
    let apart = |byte: u8| {
        byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'\\' | b',' | b'=' | b':' | b'{' | b'-')
    };
    let skip = |to: usize| {
        let to = cursor.run_back(to, apart);
        let line = cursor.bytes[..to].ends_with(b"\\n");
        if line { cursor.run_back(to - 2, apart) } else { to }
    };
    let value = skip(cursor.at).saturating_sub(length);
    let end = skip(value);
    let name = cursor.name_before(end);
    let mut at = end - name.len().min(end);
    if cursor.before_at(at) == b':' && !cursor.before(1).is_ascii_whitespace() {
        let prefix = cursor.name_before(at - 1);
        let begin = at - 1 - prefix.len();
        at = if cursor.before_at(begin) == b'=' { begin } else { at };
    }
    let key = cursor.name_before(skip(at));
    ["name", "key"].iter().any(|known| key.eq_ignore_ascii_case(known)).then_some(name)
}

/// Returns the type whose argument is named `value`: `Password(value=...)`.
fn typed_before<'a>(cursor: &'a Cursor<'_>, length: usize) -> Option<Cow<'a, str>> {
    let start = cursor.run_back(cursor.at, |byte| matches!(byte, b' ' | b'"' | b'\'')).saturating_sub(length);
    let open = cursor.run_back(start, |byte| matches!(byte, b' ' | b'"' | b'\''));
    matches!(cursor.before_at(open), b'(' | b'{').then(|| cursor.name_before(open - 1))
}

/// Returns the last words before the sign, at most three, with single spaces between them.
pub(crate) fn phrase_before<'a>(cursor: &'a Cursor<'_>) -> Cow<'a, str> {
    let end = cursor.run_back(cursor.at, |byte| !is_name(byte));
    let mut start = end;
    for _ in 0..3 {
        start = cursor.run_back(start, is_name);
        if cursor.before_at(start) != b' ' || start < 2 || !is_name(cursor.bytes[start - 2]) {
            break;
        }
        start -= 1;
    }
    String::from_utf8_lossy(&cursor.bytes[start.max(end.saturating_sub(64))..end])
}

/// Brackets and quotes before a name.
#[derive(Clone, Copy)]
pub(crate) struct Opening {
    pub(crate) quote: u8,
    pub(crate) bracket: u8,
    /// Whether the bracket is in another one, as the pairs of a list are.
    pub(crate) nested: bool,
}

impl Opening {
    /// Returns the quotes and brackets before the name of `length` that ends before the sign.
    pub(crate) fn before(cursor: &Cursor<'_>, length: usize) -> Option<Self> {
        let bytes = cursor.bytes;
        let closes = |byte| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b']' | b'`' | b'*');
        let start = cursor.run_back(cursor.at, closes).checked_sub(length + 1)?;
        let quote = bytes[start];
        let prefix = |byte: u8| matches!(byte, b'b' | b'r' | b'u' | b'\\' | b' ');
        let bracket = cursor.run_back(start, prefix);
        let around = cursor.run_back(bracket.saturating_sub(1), |byte| byte.is_ascii_whitespace());
        let nested = bracket > 1 && matches!(cursor.before_at(around), b'[' | b',');
        matches!(quote, b'"' | b'\'').then(|| Self { quote, bracket: cursor.before_at(bracket), nested })
    }
}

/// Returns the begin of the remark in brackets that ends before the sign.
fn before_remark(cursor: &Cursor<'_>) -> Option<usize> {
    let end = cursor.run_back(cursor.at, |byte| matches!(byte, b' ' | b'\t'));
    let remark = cursor.bytes[end.saturating_sub(REMARK_BYTES)..end].strip_suffix(b")")?;
    let length = remark.iter().rev().position(|byte| *byte == b'(')?;
    Some(end - length - 2)
}

/// Returns whether the words before the sign announce a text: `TTS request: ...`, `Generating speech for: ...`.
fn is_announced(cursor: &Cursor<'_>, name: &str) -> bool {
    let before: &[&str] = match name {
        "request" | "Request" => &["tts"],
        "for" => &["tts", "speech", "audio"],
        _ => return false,
    };
    let start = cursor.run_back(cursor.at, |byte| matches!(byte, b' ' | b'\t')).saturating_sub(name.len());
    let words = cursor.bytes[..start].trim_ascii_end();
    before.iter().any(|word| {
        let from = words.len().saturating_sub(word.len());
        words[from..].eq_ignore_ascii_case(word.as_bytes()) && !cursor.before_at(from).is_ascii_alphanumeric()
    })
}

/// Returns whether this is the `sig` of a signed URL.
fn is_signature(cursor: &Cursor<'_>, name: &str) -> bool {
    matches!(name, "sig" | "sign")
        && cursor.bytes[cursor.at] == b'='
        && matches!(cursor.before(name.len() + 1), b'?' | b'&' | b';')
}
