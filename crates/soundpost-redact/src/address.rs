//! Addresses: credentials in URLs and connection strings, secret paths of webhooks, e-mail addresses.

use std::sync::LazyLock;

use regex_automata::meta::Regex;

use crate::command::oracle;
use crate::cursor::{Cursor, Match};
use crate::harmless::is_masked;
use crate::rule::Rule;
use crate::search::compile;
use crate::strength::{is_password, is_words};

/// Maximum bytes of an address that are examined before and behind its `@`.
const ADDRESS_BYTES: usize = 256;
/// Maximum bytes of a URL that are examined behind its authority.
const URL_BYTES: usize = 512;

/// Hosts and paths of webhooks: the group behind them is a secret.
static WEBHOOK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(&[concat!(
        r"(?:hooks?[a-z0-9.-]*[/?]|api\.telegram\.org/bot|ftqq\.com/|api\.day\.app/|hc-ping\.com/|ntfy\.sh/|/with/key/|/integration/)",
        r"([\w/.?=&%:@+-]{16,})",
    )])
});

/// Finds the credentials in the URL whose `://` is at the cursor. Returns them and the end of the examined bytes.
pub(crate) fn url(cursor: &Cursor<'_>) -> (Option<Match>, usize) {
    let (bytes, start) = (cursor.bytes, cursor.at + 3);
    let ends =
        |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`');
    let authority = cursor.run(start, |byte| !ends(byte) && !matches!(byte, b'/' | b'?' | b'#'));
    let limit = bytes.len().min(authority + URL_BYTES);
    let end = authority + bytes[authority..limit].iter().take_while(|byte| !ends(**byte)).count();
    let last_at = |end: usize| bytes[start..end].iter().rposition(|byte| *byte == b'@').map(|at| start + at);
    // A password may hold the signs that end an authority; a port is no password.
    let hash = bytes.get(authority) == Some(&b'#');
    let user = if hash { last_at(end) } else { last_at(authority) };
    let user =
        user.map(|first| if is_web(cursor) { first } else { last_of_password(bytes, start, first, end) });
    let user = user.or_else(|| {
        let colon = bytes[start..authority].iter().position(|byte| *byte == b':')?;
        let port = &bytes[start + colon + 1..authority];
        let port = port.is_empty() && is_web(cursor) || port.len() > 1 && port.iter().all(u8::is_ascii_digit);
        last_at(end).filter(|_| !port && bytes[start] != b'[')
    });
    // The `@` may lie behind the end of a truncated text.
    let truncated = !cursor.text.whole && end == bytes.len() && bytes[start..end].contains(&b':');
    let shown = |end: &usize| {
        let user = &bytes[start..*end];
        let plain = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'.' | b'-' | b'_');
        let name = user.len() < 12 && user.iter().all(u8::is_ascii_lowercase);
        let harmless = user == b"git" || name || user.iter().all(plain) && !is_web(cursor);
        !harmless && !bytes[*end..].starts_with(b"@sha256:")
    };
    if let Some(end) = user.or(truncated.then_some(end)).filter(shown) {
        if is_hidden(&bytes[start..end]) {
            return (None, (end + 1).min(bytes.len()));
        }
        return (Some(Match { start, end, rule: Rule::Url }), (end + 1).min(bytes.len()));
    }
    // A user alone, such as `postgres://tts@host`, is no address.
    if let Some(end) = user.filter(|end| !bytes[start..*end].contains(&b':')) {
        return (None, (end + 1).min(bytes.len()));
    }
    let webhook = WEBHOOK.as_ref().and_then(|regex| {
        let mut captures = regex.create_captures();
        regex.captures(&bytes[start..end], &mut captures);
        captures.get_group(1).filter(|path| !is_words(&bytes[start..end][path.range()]))
    });
    match webhook {
        Some(path) => {
            let (start, end) = (start + path.start, start + path.end);
            (Some(Match { start, end, rule: Rule::Url }), end)
        }
        None => (None, start),
    }
}

/// Returns the last `@` before a query and before other text, if a user and a password stand before the first.
fn last_of_password(bytes: &[u8], start: usize, first: usize, end: usize) -> usize {
    let rest = &bytes[first..end];
    let length = rest.iter().take_while(|byte| byte.is_ascii() && **byte != b'?').count();
    let last = rest[..length].iter().rposition(|byte| *byte == b'@').unwrap_or_default();
    if bytes[start..first].contains(&b':') { first + last } else { first }
}

/// Returns whether the password of a user, or the user without one, is hidden or filled in later.
fn is_hidden(user: &[u8]) -> bool {
    let user = String::from_utf8_lossy(user);
    let password = user.split_once(':').map_or(&*user, |(_, password)| password);
    let metavar =
        !password.is_empty() && password.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let variable = |text: &str| text.starts_with(['$', '{', '<', '[']);
    user.bytes().all(|byte| matches!(byte, b'*' | b':'))
        || metavar && password.len() > 3
        || is_masked(password) && (!password.is_empty() || variable(&user))
}

/// Finds the user whose `@` or `＠`, of `sign` bytes, is at the cursor: of a connection string, or an e-mail address.
pub(crate) fn user(cursor: &Cursor<'_>, sign: usize) -> Option<Match> {
    connection(cursor).or_else(|| oracle(cursor)).filter(|_| sign == 1).or_else(|| email(cursor, sign))
}

/// Finds user and password of a connection string without a scheme: `user:password@tcp(host)`, `...@host:3306/`.
fn connection(cursor: &Cursor<'_>) -> Option<Match> {
    let bytes = cursor.bytes;
    let host = cursor.at + 1;
    let port = cursor.run(host, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let behind = cursor.run(port + 1, |byte| byte.is_ascii_digit());
    let is_port = bytes.get(port) == Some(&b':') && behind > port + 2;
    let is_path = is_port && matches!(bytes.get(behind), Some(b'/' | b':'));
    let known = is_path || bytes[host..].starts_with(b"tcp(") || bytes[host..].starts_with(b"unix(");
    let from = cursor.at.saturating_sub(ADDRESS_BYTES);
    let outside = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b'@');
    let mut start = bytes[from..cursor.at].iter().rposition(outside).map_or(from, |at| from + at + 1);
    let colon = start + bytes[start..cursor.at].iter().position(|byte| *byte == b':')?;
    let password = &bytes[colon + 1..cursor.at];
    if !known && (password.contains(&b':') || !is_password(password)) {
        return None;
    }
    if let Some(name) = bytes[start..colon].iter().rposition(|byte| *byte == b'=') {
        start += name + 1;
    }
    let shown = start < colon
        && colon + 1 < cursor.at
        && !bytes[colon..].starts_with(b"://")
        && !is_hidden(&bytes[start..cursor.at]);
    shown.then_some(Match { start, end: cursor.at, rule: Rule::Url })
}

/// Finds the password behind the port at the cursor in a line of a file of passwords: `host:5432:database:user:password`.
#[cold]
pub(crate) fn password_file(cursor: &Cursor<'_>) -> Option<Match> {
    let part = |at: usize| {
        cursor.run(at + 1, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'*' | b'.'))
    };
    let database = part(cursor.at);
    let user = part(database);
    let end = cursor.run(user + 1, |byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\''));
    let signs = [database, user].iter().all(|at| cursor.bytes.get(*at) == Some(&b':'));
    (signs && end > user + 3).then_some(Match { start: user + 1, end, rule: Rule::Key })
}

/// Returns whether the scheme before the `://` is one of web pages, whose paths have an `@`.
fn is_web(cursor: &Cursor<'_>) -> bool {
    ["http", "https", "ws", "wss"].contains(&&*cursor.name_before(cursor.at))
}

/// Endings of names with an `@` that are no addresses: units of systemd, and files such as `icon@2x.png`.
#[rustfmt::skip]
const ENDINGS: [&str; 30] = [
    "service", "socket", "timer", "target", "mount", "slice", "path", "png", "jpg", "jpeg", "gif", "svg", "webp", "wav", "flac", "ogg",
    "mp3", "mp4", "whl", "json", "yaml", "yml", "toml", "txt", "log", "conf", "gz", "js", "css", "html",
];

/// Commands behind which a user and a host follow.
const REMOTE: [&str; 6] = ["ssh ", "scp ", "sftp ", "mosh ", "rsync ", "ssh-copy-id "];

fn email(cursor: &Cursor<'_>, sign: usize) -> Option<Match> {
    let text = cursor.text.as_str();
    let ideograph = |letter: char| letter >= '\u{2E80}';
    let from = text.floor_char_boundary(cursor.at.saturating_sub(ADDRESS_BYTES));
    let mut start = cursor.at;
    let mut ascii = false;
    for (at, letter) in text[from..cursor.at].char_indices().rev() {
        // Chinese text around an address has no spaces.
        let belongs = letter.is_ascii_alphanumeric() || "._%+-".contains(letter);
        if !belongs && (letter.is_ascii() || !letter.is_alphanumeric() || ascii && ideograph(letter)) {
            break;
        }
        (start, ascii) = (from + at, ascii || letter.is_ascii());
    }
    start = cursor.run(start, |byte| byte == b'.');
    // `o'neil@...`
    if cursor.bytes[..start].ends_with(b"o'") || cursor.bytes[..start].ends_with(b"O'") {
        start = cursor
            .run_back(start - 1, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    }
    let behind = &text[cursor.at + sign..text.floor_char_boundary(cursor.at + sign + ADDRESS_BYTES)];
    let mut host = "";
    for (at, letter) in behind.char_indices() {
        let belongs = letter.is_alphanumeric() || matches!(letter, '-' | '.');
        if !belongs || ideograph(letter) && is_host(host) {
            break;
        }
        host = &behind[..at + letter.len_utf8()];
    }
    let host = host.trim_end_matches(['.', '-']);
    let end = cursor.at + sign + host.len();
    let path = cursor.bytes[end..].starts_with(b":/") || cursor.bytes[end..].starts_with(b":~");
    // `ssh user@host`
    let path = path || REMOTE.iter().any(|command| cursor.bytes[..start].ends_with(command.as_bytes()));
    let local = text.get(start..cursor.at)?;
    let address = !local.is_empty() && local != "git" && is_host(host) && !path;
    address.then_some(Match { start, end, rule: Rule::Email })
}

/// Returns whether this is the name of a host in a domain.
fn is_host(host: &str) -> bool {
    host.trim_end_matches(['.', '-']).rsplit_once('.').is_some_and(|(domain, top)| {
        let letters = top.chars().all(char::is_alphabetic) && top.chars().count() >= 2;
        !domain.is_empty() && (letters || top.starts_with("xn--")) && !ENDINGS.contains(&top)
    })
}
