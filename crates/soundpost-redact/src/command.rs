//! Passwords in commands and protocols that take them without a name.

use std::ops::Range;

use crate::cursor::{Cursor, Match};
use crate::harmless::{Style, is_harmless, is_marked, is_masked};
use crate::rule::Rule;
use crate::strength::{has_digit, is_likely, is_mixed, is_password};

/// Maximum bytes around an option or a word that are examined.
const COMMAND_BYTES: usize = 256;
/// Place of a password.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Behind the letter, without a space.
    Joined,
    /// Behind the letter, with or without a space.
    Option,
    /// Behind the letter and a space; others commands of these names have other values there.
    Strong,
    /// Behind a user and this sign.
    Account(u8),
    /// Behind the words of a file and a user.
    Word,
}

/// Commands, the letter of their option for a password, and its place.
#[rustfmt::skip]
const OPTIONS: [(&[&str], u8, Place); 12] = [
    (&["sshpass"], b'p', Place::Option),
    (&["mysql", "mysqldump", "mysqladmin", "mysqlimport", "mariadb", "mariadb-dump", "mariadb-admin", "7z", "7za", "rar", "unrar"], b'p', Place::Joined),
    (&["login", "mongo", "mongosh", "mongodump", "mongorestore", "cqlsh", "beeline", "useradd", "usermod", "ncftpput", "twine"], b'p', Place::Strong),
    (&["zip", "unzip", "ipmitool", "sqlcmd", "bcp", "tsql", "mosquitto_pub", "mosquitto_sub", "ssh-keygen"], b'P', Place::Option),
    (&["ldapsearch", "ldapmodify", "ldapadd", "ldapwhoami", "ldapdelete", "ldappasswd", "ldapcompare"], b'w', Place::Option),
    (&["security", "cifs"], b'w', Place::Strong),
    (&["openssl", "ossutil", "ossutil64", "login"], b'k', Place::Strong),
    (&["redis-cli"], b'a', Place::Option),
    (&["curl", "wget", "http"], b'u', Place::Account(b':')),
    (&["ftp", "lftp", "ncftp"], b'u', Place::Account(b',')),
    (&["smbclient", "rpcclient", "net"], b'U', Place::Account(b'%')),
    (&["htpasswd"], b'b', Place::Word),
];
/// Commands behind which `user/password@database` follows.
const ORACLE: [&str; 7] = ["sqlplus", "connect", "conn", "expdp", "impdp", "sqlldr", "rman"];
/// Words of commands and protocols that take a password without a name.
pub(crate) const WORDS: [&str; 5] = ["AUTH ", "PASSWORD(", "requirepass ", "masterauth ", "ssh-keygen"];

/// Finds the password of the option of one letter, or of several joined ones, whose `-` is at the cursor.
pub(crate) fn option(cursor: &Cursor<'_>) -> Option<Match> {
    let bytes = cursor.bytes;
    let from = cursor.at.saturating_sub(COMMAND_BYTES);
    let line = &bytes[from..cursor.at];
    let line = &line[line.iter().rposition(|byte| matches!(byte, b'\n' | b'|')).map_or(0, |at| at + 1)..];
    let letters = cursor.run(cursor.at + 1, |byte| byte.is_ascii_alphabetic());
    let (.., place) = OPTIONS.iter().find(|(names, letter, place)| {
        let first = bytes[cursor.at + 1] == *letter;
        let joined = matches!(place, Place::Account(_) | Place::Word)
            && bytes[cursor.at + 1..letters].contains(letter);
        (first || joined) && has_word(line, names)
    })?;
    let end = match place {
        Place::Account(_) | Place::Word => letters,
        _ => cursor.at + 2,
    };
    let start =
        cursor.run(end, |byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b',' | b'='));
    if is_marked(&bytes[start..]) {
        return None;
    }
    let spaced = bytes[end..start].iter().any(|byte| matches!(byte, b' ' | b','));
    let stop = |start: usize| match bytes[start - 1] {
        quote @ (b'"' | b'\'') => cursor.run(start, |byte| byte != quote && byte != b'\n'),
        _ => cursor.run(start, |byte| !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\'' | b',')),
    };
    let range = match place {
        Place::Joined if spaced => return None,
        Place::Strong if !spaced => return None,
        Place::Account(sign) => {
            let user = cursor
                .run(start, |byte| byte.is_ascii_graphic() && byte != *sign && !matches!(byte, b'"' | b'\''));
            (user > start && bytes.get(user) == Some(sign)).then(|| user + 1..stop(user + 1))?
        }
        Place::Word => {
            let words = if bytes[cursor.at..letters].contains(&b'n') { 1 } else { 2 };
            let word = |at: usize| cursor.run(at, |byte| byte.is_ascii_graphic());
            let at = (0..words).fold(start, |at, _| cursor.run(word(at), |byte| byte == b' '));
            let at = cursor.run(at, |byte| matches!(byte, b'"' | b'\''));
            at..stop(at)
        }
        _ => start..stop(start),
    };
    let value = &bytes[range.clone()];
    let strong = *place != Place::Strong || has_digit(value) || is_password(value);
    (value.len() > 3 && strong && is_given(value)).then_some(Match {
        start: range.start,
        end: range.end,
        rule: Rule::Key,
    })
}

fn has_word(line: &[u8], names: &[&str]) -> bool {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    line.split(|byte| !part(byte))
        .any(|word| word.len() > 1 && names.iter().any(|name| name.as_bytes() == word))
}

/// Returns whether a command before the cursor takes `--user name:password`.
pub(crate) fn takes_account(cursor: &Cursor<'_>) -> bool {
    let line = &cursor.bytes[cursor.at.saturating_sub(COMMAND_BYTES)..cursor.at];
    has_word(line, &["curl", "wget", "http"])
}

/// Finds the password in `user/password@database` before the `@` at the cursor, behind a command of Oracle.
pub(crate) fn oracle(cursor: &Cursor<'_>) -> Option<Match> {
    let from = cursor.at.saturating_sub(COMMAND_BYTES);
    let begin = cursor.at
        - cursor.bytes[from..cursor.at].iter().rev().take_while(|byte| byte.is_ascii_graphic()).count();
    let slash = begin + cursor.bytes[begin..cursor.at].iter().position(|byte| *byte == b'/')?;
    let word = cursor.name_before(begin);
    let range = slash + 1..cursor.at;
    (slash > begin && range.len() > 2 && ORACLE.iter().any(|command| word.eq_ignore_ascii_case(command)))
        .then_some(Match { start: range.start, end: range.end, rule: Rule::Key })
}

/// Returns whether the value at the place of a password may be one, and is no variable, number or word for a state.
pub(crate) fn is_given(value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value);
    let number = value.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
    let state = value.iter().all(u8::is_ascii_alphabetic) && is_harmless("password", &text, Style::Bare);
    !is_masked(&text) && !number && !state && !value.starts_with(b"-") && !value.starts_with(b"$")
}

/// Appends the words of a command that look like passwords, or are the values of options for one.
pub(crate) fn words(cursor: &Cursor<'_>, found: &mut Vec<Range<usize>>) {
    let line = cursor.line_end(COMMAND_BYTES);
    let named = &cursor.bytes[..cursor.at];
    let words = if named.ends_with(b"AUTH ") { 2 } else { 16 };
    let separates = |byte: u8| byte.is_ascii_whitespace() || b"\"',;[]%".contains(&byte);
    let (mut at, mut option) = (cursor.at, named.ends_with(b"auth ") || named.ends_with(b"pass "));
    let mut mechanism = false;
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
        // Mechanisms such as `AUTH PLAIN` take base64.
        let encoded = mechanism && value.len() > 3 && value.iter().any(u8::is_ascii_lowercase);
        if encoded
            || is_likely(value)
            || is_mixed(value) && words < 3
            || given && value.len() > 3 && has_digit(value)
        {
            found.push(at - value.len()..at);
        }
        mechanism = [b"PLAIN".as_slice(), b"LOGIN", b"XOAUTH2"].contains(&word);
        option = [b"-N".as_slice(), b"-P", b"-p", b"-w", b"-k", b"-storepass"].contains(&word);
    }
}
