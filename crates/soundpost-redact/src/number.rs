//! Numbers of persons: resident ids (GB 11643-1999), mobile numbers, payment cards (ISO/IEC 7812-1).

use crate::cursor::{Cursor, Match};
use crate::name;
use crate::rule::Rule;

/// Maximum digits of a payment card.
const DIGITS: usize = 19;
/// Divisor of most sizes of memory. One mobile number in 65,536 is a multiple of it, too.
const PAGE_BYTES: u64 = 64 * 1024;
/// Bytes before a number that are searched for words about it.
const CONTEXT_BYTES: usize = 40;

/// Returns whether a full-width digit begins the bytes.
pub(crate) fn is_wide_digit(bytes: &[u8]) -> bool {
    matches!(bytes, [0xEF, 0xBC, 0x90..=0x99, ..])
}

/// Returns the digit at a place, ASCII or full-width, and its length.
fn digit(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    match bytes.get(at)? {
        digit @ b'0'..=b'9' => Some((digit - b'0', 1)),
        _ if is_wide_digit(&bytes[at..]) => Some((bytes[at + 2] - 0x90, 3)),
        _ => None,
    }
}

/// Returns the number of digits in the run that begins at `at`, and its end.
fn run(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let mut count = 0;
    while let Some((_, length)) = digit(bytes, at) {
        (count, at) = (count + 1, at + length);
    }
    (count, at)
}

/// Finds the number that begins at the cursor. Returns it and the end of the examined digits.
pub(crate) fn find(cursor: &Cursor<'_>) -> (Option<Match>, usize) {
    let bytes = cursor.bytes;
    let short = cursor.run(cursor.at, |byte| byte.is_ascii_digit());
    if short - cursor.at < 11 && !matches!(bytes.get(short), Some(b' ' | b'-' | 0xEF)) && short > cursor.at {
        return (None, short);
    }
    let (first, end) = run(bytes, cursor.at);
    let separator = separator(&bytes[end..]);
    let grouped = !separator.is_empty() && digit(bytes, end + separator.len()).is_some();
    if first < 11 && !(grouped && first >= 3) || !begins(cursor) {
        return (None, end);
    }
    let mut number = Number { digits: [0; DIGITS], count: 0 };
    let mut at = cursor.at;
    let mut found = None;
    loop {
        // Mobile numbers are written 3-4-4, cards in groups of four or more digits and a rest.
        let (group, group_end) = run(bytes, at);
        let fits = at == cursor.at || group > 3 || group == 3 && first > 3;
        if !fits || number.count + group > if first == 3 { 11 } else { DIGITS } {
            break;
        }
        number.append(bytes, at, group_end);
        at = group_end;
        if let Some((rule, end)) = number.rule(cursor, at) {
            found = Some(Match { start: cursor.at, end, rule });
        }
        if !grouped || !bytes[at..].starts_with(separator) {
            break;
        }
        at += separator.len();
    }
    let past = found.as_ref().map_or(end, |found| found.end);
    (found, past)
}

/// Returns the separator of groups of digits that begins here, or nothing.
fn separator(bytes: &[u8]) -> &'static [u8] {
    let separators: [&'static [u8]; 3] = [b" ", b"-", "－".as_bytes()];
    separators.into_iter().find(|separator| bytes.starts_with(separator)).unwrap_or_default()
}

/// Returns whether a number may begin at the cursor: outside of a word, a fraction and an exponent.
fn begins(cursor: &Cursor<'_>) -> bool {
    let before = cursor.before(1);
    let fraction = matches!(before, b'.' | b',') && cursor.before(2).is_ascii_digit();
    !before.is_ascii_alphanumeric() && !fraction
}

struct Number {
    digits: [u8; DIGITS],
    count: usize,
}

impl Number {
    fn append(&mut self, bytes: &[u8], mut at: usize, end: usize) {
        while let Some((value, length)) = digit(bytes, at).filter(|_| at < end) {
            self.digits[self.count] = value;
            (self.count, at) = (self.count + 1, at + length);
        }
    }

    /// Returns the rule for the digits up to `end`, and the end of the number.
    fn rule(&self, cursor: &Cursor<'_>, end: usize) -> Option<(Rule, usize)> {
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
        let rule = match () {
            () if is_mobile(digits) => Rule::Mobile,
            () if is_card(digits) => Rule::Card,
            () => return None,
        };
        (!self.is_measured(cursor, end)).then_some((rule, end))
    }

    /// Returns whether the number is a size, a count or a time: by its unit, its name or the words before it.
    fn is_measured(&self, cursor: &Cursor<'_>, end: usize) -> bool {
        let bytes = cursor.bytes;
        let behind = bytes[end..].strip_prefix(b" ").unwrap_or(&bytes[end..]);
        let letters = behind.iter().take(12).take_while(|byte| byte.is_ascii_alphabetic()).count();
        if name::is_unit(&behind[..letters]) || name::is_chinese_unit(behind) {
            return true;
        }
        let before = bytes[..cursor.at].trim_ascii_end();
        let named = before.strip_suffix(b"=").or_else(|| before.strip_suffix(b":"));
        let name = named.map(|named| cursor.name_before(named.len())).unwrap_or_default();
        if !name.is_empty() && (before.ends_with(b"=") || name::is_measure(&name)) {
            return name::is_measure(&name);
        }
        let text = cursor.text.as_str();
        let context = &text[text.floor_char_boundary(cursor.at.saturating_sub(CONTEXT_BYTES))..cursor.at];
        let value = self.digits[..self.count].iter().fold(0, |value, digit| value * 10 + u64::from(*digit));
        let size = self.count == 11 && value.is_multiple_of(PAGE_BYTES);
        (size || name::mentions_measure(context)) && !name::mentions_phone(context)
    }
}

/// Returns the rule for a whole number of a field. A mobile number differs from a count by its name alone.
pub(crate) fn of_integer(name: &str, value: i64) -> Option<Rule> {
    let value = u64::try_from(value).ok().filter(|value| *value >= 10_000_000_000)?;
    let mut digits = [0; DIGITS + 1];
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

/// Returns whether 17 digits and a check digit (10 for X) are a resident id: a region, a day of birth, ISO 7064 MOD 11-2.
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

/// Returns whether the digits are `1[3-9]` and nine more, with or without 86 or 0086 before them.
fn is_mobile(digits: &[u8]) -> bool {
    let national = match digits {
        [8, 6, rest @ ..] if rest.len() == 11 => rest,
        [0, 0, 8, 6, rest @ ..] if rest.len() == 11 => rest,
        _ => digits,
    };
    matches!(national, [1, 3..=9, rest @ ..] if rest.len() == 9)
}

/// Returns whether the digits have the length and the first digits of an issuer, and Luhn's check digit.
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
