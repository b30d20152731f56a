//! Numbers that are a person's: resident ids (GB 11643-1999), mobile numbers, payment cards (ISO/IEC 7812-1).

use crate::cursor::{Cursor, Match};
use crate::name;
use crate::rule::Rule;

/// The longest number of a card, digits.
const LONGEST: usize = 19;

/// Looks at the digits that begin at `cursor.at`: what they are, and up to where they were looked at.
pub(crate) fn at(cursor: &Cursor<'_>) -> (Option<Match>, usize) {
    let bytes = cursor.bytes;
    let run = bytes[cursor.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let end = cursor.at + run;
    let next = bytes.get(end).copied().unwrap_or(b' ');
    let grouped = matches!(next, b' ' | b'-') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
    if run < 11 && !(grouped && run >= 3) || !begins(cursor) {
        return (None, end);
    }
    let mut digits = [0; LONGEST];
    let mut number = Number { digits: &mut digits, count: 0 };
    let mut at = cursor.at;
    let mut found = None;
    loop {
        let group = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        // Mobile numbers are written 3-4-4, cards in fours or longer groups, and what is left.
        let fits = at == cursor.at || group > 3 || group == 3 && run > 3;
        if !fits || number.count + group > if run == 3 { 11 } else { LONGEST } {
            break;
        }
        number.take(&bytes[at..at + group]);
        at += group;
        if let Some((rule, end)) = number.is_at(cursor, at) {
            found = Some(Match { start: cursor.at, end, rule });
        }
        let separator = bytes.get(at).copied().unwrap_or_default();
        let same = at == end || separator == bytes[end];
        if !matches!(separator, b' ' | b'-') || !same {
            break;
        }
        at += 1;
    }
    let past = found.as_ref().map_or(end, |span| span.end);
    (found, past)
}

/// Whether a number may begin here: not within a word, a fraction or an exponent.
fn begins(cursor: &Cursor<'_>) -> bool {
    let before = cursor.before(1);
    let fraction = matches!(before, b'.' | b',') && cursor.before(2).is_ascii_digit();
    !before.is_ascii_alphanumeric() && !fraction
}

struct Number<'a> {
    digits: &'a mut [u8; LONGEST],
    count: usize,
}

impl Number<'_> {
    fn take(&mut self, digits: &[u8]) {
        for digit in digits {
            self.digits[self.count] = digit - b'0';
            self.count += 1;
        }
    }

    /// What the digits up to `end` are, and where that ends.
    fn is_at(&self, cursor: &Cursor<'_>, end: usize) -> Option<(Rule, usize)> {
        let next = cursor.bytes.get(end).copied().unwrap_or(b' ');
        let digits = &self.digits[..self.count];
        if self.count == 17 && matches!(next, b'x' | b'X') && !cursor.is_word(end + 1) {
            return is_resident_id(digits, 10).then_some((Rule::ResidentId, end + 1));
        }
        let fraction = next == b'.' && cursor.bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        if next.is_ascii_alphanumeric() || fraction {
            return None;
        }
        if self.count == 18 && is_resident_id(&digits[..17], digits[17]) {
            return Some((Rule::ResidentId, end));
        }
        if is_mobile(digits) && !is_measured(cursor, end) {
            return Some((Rule::Mobile, end));
        }
        is_card(digits).then_some((Rule::Card, end))
    }
}

/// What a whole number is that stands alone; a mobile number is told from a count only by the name it stands under.
pub(crate) fn of_integer(name: &str, value: i64) -> Option<Rule> {
    let value = u64::try_from(value).ok().filter(|value| *value >= 10_000_000_000)?;
    let mut digits = [0; LONGEST + 1];
    let (mut rest, mut at) = (value, digits.len());
    while rest > 0 {
        at -= 1;
        digits[at] = (rest % 10) as u8;
        rest /= 10;
    }
    let digits = &digits[at..];
    if is_mobile(digits) && name::is_phone(name) {
        return Some(Rule::Mobile);
    }
    let resident = digits.len() == 18 && is_resident_id(&digits[..17], digits[17]);
    match resident {
        true => Some(Rule::ResidentId),
        false => is_card(digits).then_some(Rule::Card),
    }
}

/// Whether 17 digits and a check digit (10 for X) are a resident id: a region, a day of birth, ISO 7064 MOD 11-2.
fn is_resident_id(digits: &[u8], check: u8) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let number = |range: std::ops::Range<usize>| {
        digits[range].iter().fold(0, |number, digit| number * 10 + u32::from(*digit))
    };
    let (region, year, month, day) = (number(0..2), number(6..10), number(10..12), number(12..14));
    let born = (1850..2200).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    (11..=91).contains(&region) && born && (12 - sum % 11) % 11 == u32::from(check)
}

/// `1[3-9]` and nine more digits, with the country's 86 or 0086 before it or without.
fn is_mobile(digits: &[u8]) -> bool {
    let national = match digits {
        [8, 6, rest @ ..] if rest.len() == 11 => rest,
        [0, 0, 8, 6, rest @ ..] if rest.len() == 11 => rest,
        _ => digits,
    };
    matches!(national, [1, 3..=9, rest @ ..] if rest.len() == 9)
}

/// Whether a number in a text is said to be a size or a time, by a unit behind it or a name before it.
fn is_measured(cursor: &Cursor<'_>, end: usize) -> bool {
    const UNITS: [&str; 14] = [
        "bytes",
        "byte",
        "B",
        "KiB",
        "MiB",
        "ns",
        "us",
        "ms",
        "samples",
        "frames",
        "tokens",
        "steps",
        "params",
        "parameters",
    ];
    let rest = &cursor.bytes[end..];
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let word = rest.iter().take(12).take_while(|byte| byte.is_ascii_alphabetic()).count();
    if UNITS.iter().any(|unit| unit.as_bytes() == &rest[..word]) {
        return true;
    }
    let named = cursor.bytes[..cursor.at]
        .trim_ascii_end()
        .strip_suffix(b"=")
        .or_else(|| cursor.bytes[..cursor.at].trim_ascii_end().strip_suffix(b":"));
    named.is_some_and(|named| name::is_measure(&cursor.name_before(named.len())))
}

/// A number of an issuer's length and first digits, and Luhn's check digit.
fn is_card(digits: &[u8]) -> bool {
    let first =
        |count: usize| digits.iter().take(count).fold(0, |number, digit| number * 10 + u32::from(*digit));
    let length = digits.len();
    let issued = match (first(1), first(2), first(4)) {
        (4, ..) => matches!(length, 13 | 16 | 19),
        (_, 51..=55, _) | (_, _, 2221..=2720) => length == 16,
        (_, 34 | 37, _) => length == 15,
        (_, 36 | 38 | 39, _) | (_, _, 3000..=3059) => (14..=19).contains(&length),
        (_, 60 | 62 | 64 | 65 | 81, _) | (_, _, 3528..=3589) => (16..=19).contains(&length),
        _ => false,
    };
    let doubled = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| if at % 2 == 1 { doubled(u32::from(*digit)) } else { u32::from(*digit) })
        .sum();
    issued && sum.is_multiple_of(10)
}
