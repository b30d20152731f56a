//! Numbers of bank accounts (ISO 13616).

use crate::cursor::{Cursor, Match};
use crate::rule::Rule;

/// Countries, and the length of their numbers.
#[rustfmt::skip]
const COUNTRIES: [(&[u8; 2], usize); 78] = [
    (b"AD", 24), (b"AE", 23), (b"AL", 28), (b"AT", 20), (b"AZ", 28), (b"BA", 20), (b"BE", 16), (b"BG", 22), (b"BH", 22), (b"BR", 29),
    (b"BY", 28), (b"CH", 21), (b"CR", 22), (b"CY", 28), (b"CZ", 24), (b"DE", 22), (b"DK", 18), (b"DO", 28), (b"EE", 20), (b"EG", 29),
    (b"ES", 24), (b"FI", 18), (b"FO", 18), (b"FR", 27), (b"GB", 22), (b"GE", 22), (b"GI", 23), (b"GL", 18), (b"GR", 27), (b"GT", 28),
    (b"HR", 21), (b"HU", 28), (b"IE", 22), (b"IL", 23), (b"IQ", 23), (b"IS", 26), (b"IT", 27), (b"JO", 30), (b"KW", 30), (b"KZ", 20),
    (b"LB", 28), (b"LC", 32), (b"LI", 21), (b"LT", 20), (b"LU", 20), (b"LV", 21), (b"LY", 25), (b"MC", 27), (b"MD", 24), (b"ME", 22),
    (b"MK", 19), (b"MR", 27), (b"MT", 31), (b"MU", 30), (b"NL", 18), (b"NO", 15), (b"PK", 24), (b"PL", 28), (b"PS", 29), (b"PT", 25),
    (b"QA", 29), (b"RO", 24), (b"RS", 22), (b"SA", 24), (b"SC", 31), (b"SD", 18), (b"SE", 24), (b"SI", 19), (b"SK", 24), (b"SM", 27),
    (b"ST", 25), (b"SV", 28), (b"TL", 23), (b"TN", 24), (b"TR", 26), (b"UA", 29), (b"VA", 22), (b"XK", 20),
];

/// Finds the number whose first check digit is at the cursor. Returns it and its end.
pub(crate) fn find(cursor: &Cursor<'_>) -> Option<(Option<Match>, usize)> {
    let country = [cursor.before(2), cursor.before(1)];
    if !country.iter().all(u8::is_ascii_uppercase) || cursor.before(3).is_ascii_alphanumeric() {
        return None;
    }
    let (_, length) = COUNTRIES.iter().find(|(code, _)| **code == country)?;
    let (mut at, mut count, mut remainder) = (cursor.at + 2, 4, 0);
    while count < *length {
        // Groups have a space or a `-` between them.
        let sign = matches!(cursor.bytes.get(at), Some(b' ' | b'-' | b'.'))
            && cursor.before_at(at).is_ascii_alphanumeric();
        at += usize::from(sign);
        remainder = appended(remainder, *cursor.bytes.get(at)?)?;
        (at, count) = (at + 1, count + 1);
    }
    let head = country.into_iter().chain(cursor.bytes[cursor.at..cursor.at + 2].iter().copied());
    let check = head.into_iter().try_fold(remainder, appended)?;
    let found = Match { start: cursor.at - 2, end: at, rule: Rule::Iban };
    (check == 1 && !cursor.is_word(at)).then_some((Some(found), at))
}

/// Returns the remainder of a number, modulo 97, behind which a digit or a letter is written; a letter counts from 10 on.
fn appended(remainder: u32, digit: u8) -> Option<u32> {
    match digit {
        b'0'..=b'9' => Some((remainder * 10 + u32::from(digit - b'0')) % 97),
        b'A'..=b'Z' => Some((remainder * 100 + u32::from(digit - b'A') + 10) % 97),
        _ => None,
    }
}
