//! Numbers of persons: resident ids (GB 11643-1999), mobile numbers, payment cards (ISO/IEC 7812-1).

use crate::cursor::{Cursor, Match};
use crate::name;
use crate::phone;
use crate::rule::Rule;

/// Maximum digits of a payment card.
const DIGITS: usize = 19;
/// Divisor of most sizes of memory. One mobile number in 512 is a multiple of it, too.
const BLOCK_BYTES: u64 = 512;
/// Divisor of round counts.
const ROUND: u64 = 1_000_000;
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
pub(crate) fn run(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let mut count = 0;
    while let Some((_, length)) = digit(bytes, at) {
        (count, at) = (count + 1, at + length);
    }
    (count, at)
}

/// Finds the number that begins at the cursor. Returns it and the end of the examined digits.
#[inline]
pub(crate) fn find(cursor: &Cursor<'_>) -> (Option<Match>, usize) {
    let bytes = cursor.bytes;
    let short = cursor.run(cursor.at, |byte| byte.is_ascii_digit());
    // Most numbers are short, and nothing of a longer one follows.
    let goes_on = match bytes.get(short) {
        Some(b' ' | b'-') => {
            bytes.get(short + 1).is_some_and(|next| next.is_ascii_digit() || matches!(next, b'(' | 0xEF))
        }
        Some(b'/' | b'.' | b')') => phone::is_dialed(cursor, short),
        next => next == Some(&0xEF),
    };
    let ends = short - cursor.at < 11 && short > cursor.at && !goes_on;
    if ends && !matches!(cursor.before(1), b'+' | b'(') {
        (None, short)
    } else {
        examine(cursor, ends, short)
    }
}

/// Finds the number that begins at the cursor, which is long, in groups, or behind a `+` or a bracket.
#[inline(never)]
fn examine(cursor: &Cursor<'_>, ends: bool, short: usize) -> (Option<Match>, usize) {
    let bytes = cursor.bytes;
    let known = |found: Match| {
        let end = found.end;
        (Some(found), end)
    };
    if matches!(cursor.before(1), b'+' | b'(')
        && let Some(found) = phone::find(cursor)
    {
        return known(found);
    }
    if ends {
        return (None, short);
    }
    let (first, end) = run(bytes, cursor.at);
    let separator = separator(&bytes[end..]);
    let grouped = !separator.is_empty() && digit(bytes, end + separator.len()).is_some();
    let dialed = first < 11 && phone::is_dialed(cursor, end);
    if first < 11 && !(grouped && first >= 3) && !dialed || !begins(cursor) {
        return (None, end);
    }
    if (matches!(first, 3 | 4 | 11..14) || dialed)
        && let Some(found) = phone::find(cursor)
    {
        return known(found);
    }
    let is_written_as_mobile = first == 3 || first > 10 || bytes[cursor.at..].starts_with(b"0086");
    let mut number = Number { digits: [0; DIGITS], count: 0, is_written_as_mobile };
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
            let country = if rule == Rule::Mobile { country_code(&bytes[..cursor.at]) } else { 0 };
            let start = cursor.at - country;
            found = Some(Match { start, end, rule });
        }
        if !grouped || !bytes[at..].starts_with(separator) {
            break;
        }
        at += separator.len();
    }
    // Behind three digits, groups that go on are those of another number, such as a card.
    if first == 3 && run(bytes, at).0 > 3 {
        found = None;
    }
    let past = found.as_ref().map_or(end, |found| found.end);
    (found, past)
}

/// Returns the separator of groups of digits that begins here, or nothing.
fn separator(bytes: &[u8]) -> &'static [u8] {
    let separators: [&'static [u8]; 5] = [b" ", b"-", "－".as_bytes(), "—".as_bytes(), "\u{3000}".as_bytes()];
    separators.into_iter().find(|separator| bytes.starts_with(separator)).unwrap_or_default()
}

/// Returns whether a number may begin at the cursor: outside of a word, a fraction and an exponent.
fn begins(cursor: &Cursor<'_>) -> bool {
    let before = cursor.before(1);
    let fraction = before == b'.' || before == b',' && run(cursor.bytes, cursor.at).0 == 3;
    let fraction = fraction && cursor.before(2).is_ascii_digit();
    let negative = before == b'-'
        && !matches!(cursor.before(2), b'-' | b')' | b'.')
        && !cursor.before(2).is_ascii_alphanumeric();
    !before.is_ascii_alphanumeric() && !fraction && !negative
}

struct Number {
    digits: [u8; DIGITS],
    count: usize,
    /// Whether the groups so far are those of a mobile number: 11 digits, 3-4-4, either behind 0086.
    is_written_as_mobile: bool,
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
        let tail = &cursor.bytes[end..];
        let check = ["x", "X", "ｘ", "Ｘ"].into_iter().find(|check| tail.starts_with(check.as_bytes()));
        if let Some(check) = check.filter(|check| self.count == 17 && !cursor.is_word(end + check.len())) {
            return is_resident_id(digits).then_some((Rule::ResidentId, end + check.len()));
        }
        let fraction = next == b'.' && cursor.bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        if next.is_ascii_alphanumeric() || fraction {
            return None;
        }
        if self.count == 18 && is_resident_id(digits) {
            return Some((Rule::ResidentId, end));
        }
        let rule = match () {
            () if self.is_written_as_mobile && is_mobile(digits) => Rule::Mobile,
            () if cursor.before(1) != b'_' && (is_card(digits) || is_named_card(cursor, digits)) => {
                Rule::Card
            }
            () => return None,
        };
        (!self.is_measured(cursor, end, rule)).then_some((rule, end))
    }

    /// Returns whether the number is a size, a count, a time or an id: by its unit, or by the words before it.
    fn is_measured(&self, cursor: &Cursor<'_>, end: usize, rule: Rule) -> bool {
        let (text, bytes) = (cursor.text.as_str(), cursor.bytes);
        let behind = bytes[end..].strip_prefix(b" ").unwrap_or(&bytes[end..]);
        let letters = behind.iter().take(12).take_while(|byte| byte.is_ascii_alphabetic()).count();
        let rate = behind.starts_with(b"/s") || behind.starts_with(b"it/s");
        if rate || name::is_unit(&behind[..letters]) || name::is_chinese_unit(behind) {
            return true;
        }
        // Groups, a country code and full-width digits are written for persons.
        let plain = end - cursor.at == 11 && country_code(&bytes[..cursor.at]) == 0;
        if rule == Rule::Mobile && !plain {
            return false;
        }
        let signs = |last: char| last.is_ascii_whitespace() || matches!(last, '=' | ':' | '：');
        let before = text[..cursor.at].trim_end_matches(signs);
        let last = cursor.name_before(before.len());
        if name::is_person(&last) {
            return false;
        }
        let context = &text[text.floor_char_boundary(cursor.at.saturating_sub(CONTEXT_BYTES))..cursor.at];
        if name::is_measure(&last) || name::is_ordinal(&last) || name::mentions_phone(context) {
            return name::is_measure(&last) || name::is_ordinal(&last);
        }
        let value = self.digits[..self.count].iter().fold(0, |value, digit| value * 10 + u64::from(*digit));
        let size = plain && (value.is_multiple_of(BLOCK_BYTES) || value.is_multiple_of(ROUND));
        let assigned = bytes[..cursor.at].ends_with(b"=") || last.len() > 1;
        let noun = rule == Rule::Mobile && assigned && name::is_noun(&last);
        let cell = cursor.before(1) == b','
            && bytes.get(end).is_none_or(|byte| matches!(byte, b',' | b'\n' | b'\r'));
        noun || size || is_ratio(bytes, cursor.at, end) || !cell && name::mentions_measure(context)
    }
}

/// Returns whether the number has the length and the first digit of a card's, and a card is named before it.
fn is_named_card(cursor: &Cursor<'_>, digits: &[u8]) -> bool {
    let before = cursor.text.as_str()[..cursor.at].trim_end_matches([' ', ':', '：', '=']);
    matches!(digits, [3..=6, ..])
        && (15..=DIGITS).contains(&digits.len())
        && ["卡", "卡号", "card"].iter().any(|name| before.ends_with(name))
}

/// Returns whether the number is a part of `13912345678/17179869184` or `... of ...`.
fn is_ratio(bytes: &[u8], start: usize, end: usize) -> bool {
    let (before, behind) = (bytes[..start].trim_ascii_end(), bytes[end..].trim_ascii_start());
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    ["/", "of"].iter().any(|sign| {
        let all =
            before.strip_suffix(sign.as_bytes()).is_some_and(|done| digit(done.trim_ascii_end().last()));
        let done =
            behind.strip_prefix(sign.as_bytes()).is_some_and(|all| digit(all.trim_ascii_start().first()));
        all || done
    })
}

/// Returns the length of the country code of China at the end of the bytes.
fn country_code(bytes: &[u8]) -> usize {
    ["+86-", "+86 ", "86-", "+86"]
        .into_iter()
        .find(|code| bytes.ends_with(code.as_bytes()))
        .map_or(0, str::len)
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
    let resident = digits.len() == 18 && is_resident_id(digits);
    match resident {
        true => Some(Rule::ResidentId),
        false => is_card(digits).then_some(Rule::Card),
    }
}

/// Returns whether 17 digits are those of a resident id: a province and a day of birth. The check digit is often mistyped.
fn is_resident_id(digits: &[u8]) -> bool {
    let number = |range: std::ops::Range<usize>| {
        digits[range].iter().fold(0, |number, digit| number * 10 + u32::from(*digit))
    };
    let (province, year, month, day) = (number(0..2), number(6..10), number(10..12), number(12..14));
    let born = (1900..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    born && (11..=91).contains(&province)
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
