//! Literals in calls that take credentials: `Credential("id", "key")`, `login("user", "password")`.

use crate::cursor::{Cursor, Match, is_name};
use crate::harmless::{Style, is_harmless, is_masked};
use crate::name::{self, Call};
use crate::rule::Rule;
use crate::strength::{is_issued, is_likely, is_mixed, is_password, is_random};
use crate::value::{quote, wrapped};

/// Maximum bytes of the arguments of a call that are examined.
const ARGUMENTS_BYTES: usize = 512;

/// Appends the secrets among the arguments behind the `(` at the cursor.
pub(crate) fn find(cursor: &Cursor<'_>, matches: &mut Vec<Match>) {
    if !is_name(cursor.before(1)) {
        return;
    }
    let name = cursor.name_before(cursor.at);
    let maker = cursor.bytes[..cursor.at - name.len()].ends_with(b"::")
        && matches!(&*name, "new" | "connect" | "create");
    let name = if maker { cursor.name_before(cursor.at - name.len() - 2) } else { name };
    let Some(call) = name::call(&name) else { return };
    let arguments = arguments(cursor);
    let count = arguments.len();
    let alone = arguments.get(1).is_none_or(|(.., literal)| !literal);
    for (nth, (start, end, literal)) in arguments.into_iter().enumerate() {
        let value = &cursor.bytes[start..end];
        let secret = match call {
            Call::Credentials if nth == 1 && literal => is_chosen(value),
            Call::Credentials if !literal => is_password(value) && value.iter().all(u8::is_ascii_graphic),
            Call::Credentials => is_likely(value) || alone && is_mixed(value),
            Call::Secret => literal && (is_random(value) || is_likely(value) || is_mixed(value)),
            // Behind the host and the user.
            Call::Client if nth > 1 && literal && is_mixed(value) => true,
            Call::Client | Call::Type => literal && count > 1 && (is_password(value) || is_key(value)),
        };
        if secret && !is_account(value) {
            matches.push(Match { start, end, rule: Rule::Key });
        }
    }
}

/// Returns the arguments without names, and whether each is a literal.
fn arguments(cursor: &Cursor<'_>) -> Vec<(usize, usize, bool)> {
    let mut found = Vec::new();
    let bytes = &cursor.bytes[..cursor.bytes.len().min(cursor.at + ARGUMENTS_BYTES)];
    let mut at = cursor.at + 1;
    loop {
        at = cursor.run(at, |byte| byte.is_ascii_whitespace());
        let inner =
            wrapped(cursor, at).filter(|(start, _)| *start < bytes.len() && quote(cursor, at).is_none());
        let (start, end, literal) = match quote(cursor, inner.map_or(at, |(start, _)| start - 1))
            .filter(|(.., from)| *from < bytes.len())
        {
            Some((sign, depth, from)) => {
                let length =
                    bytes[from..].iter().position(|byte| *byte == sign).unwrap_or(bytes.len() - from);
                at = from + length + 1;
                (from, (from + length).saturating_sub(depth).max(from), true)
            }
            None => {
                let ends = |byte: &u8| matches!(byte, b',' | b')' | b'(' | b'\n' | b'=');
                let length =
                    bytes.get(at..).unwrap_or_default().iter().take_while(|byte| !ends(byte)).count();
                (at, at + length, false)
            }
        };
        if !literal {
            at = end;
        }
        let mut closed = false;
        // `Some("...".into())`, `"...".toCharArray()`
        while literal && matches!(bytes.get(at), Some(b'.'))
            || inner.is_some() && matches!(bytes.get(at), Some(b')'))
        {
            let method = cursor.run(at + 1, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let called = bytes.get(method) == Some(&b'(') && bytes.get(method + 1) == Some(&b')');
            at = if bytes[at] == b')' {
                if closed {
                    break;
                } else {
                    closed = true;
                    at + 1
                }
            } else if called {
                method + 2
            } else {
                break;
            };
        }
        at = cursor.run(at, |byte| byte.is_ascii_whitespace());
        match bytes.get(at) {
            Some(b',') => found.push((start, end, literal)),
            Some(b'=') if !literal => {
                // A named argument is a pair.
                let ends = |byte: &u8| matches!(byte, b',' | b')' | b'\n');
                at += bytes[at..].iter().take_while(|byte| !ends(byte)).count();
            }
            Some(b')') => {
                found.push((start, end, literal));
                return found;
            }
            _ => return found,
        }
        if bytes.get(at) != Some(&b',') {
            return found;
        }
        at += 1;
    }
}

/// Returns whether this may be a password of few letters, since its place makes it one.
fn is_chosen(value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value);
    value.len() >= 4
        && !value.iter().any(u8::is_ascii_whitespace)
        && !text.contains("://")
        && !text.starts_with('/')
        && !is_masked(&text)
        && !is_harmless("password", &text, Style::Quoted)
}

/// Returns whether this is a key, and not the name of a host.
fn is_key(value: &[u8]) -> bool {
    let capital = value.iter().any(u8::is_ascii_uppercase);
    is_issued(value) && (capital || value.iter().all(u8::is_ascii_alphanumeric))
}

/// Returns whether this is the id of an account: Twilio's are `AC` and 32 digits.
fn is_account(value: &[u8]) -> bool {
    value.len() == 34 && value.starts_with(b"AC") && value[2..].iter().all(u8::is_ascii_hexdigit)
}
