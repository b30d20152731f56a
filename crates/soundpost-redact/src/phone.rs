//! Telephone numbers other than mobile numbers of mainland China: international ones, those of North America, and landlines.

use crate::cursor::{Cursor, Match};
use crate::name;
use crate::rule::Rule;

/// Maximum digits of an international number, by its country code.
#[rustfmt::skip]
const COUNTRIES: [(&str, usize); 19] = [
    ("1", 11), ("7", 11), ("86", 13), ("852", 11), ("853", 11), ("886", 12), ("65", 10), ("81", 12), ("82", 12), ("44", 12),
    ("33", 11), ("91", 12), ("61", 11), ("34", 11), ("60", 12), ("66", 11), ("84", 12), ("971", 12), ("55", 13),
];
/// The same of other countries.
const INTERNATIONAL_DIGITS: usize = 13;
/// Bytes around a number that are searched for words about a telephone.
const CONTEXT_BYTES: usize = 40;

/// Finds the telephone number whose first digit is at the cursor.
pub(crate) fn find(cursor: &Cursor<'_>) -> Option<Match> {
    let (start, end) = match cursor.before(1) {
        b'+' => (cursor.at - 1, international(cursor)?),
        b'(' => (cursor.at - 1, national(cursor, &[3, 3, 4]).or_else(|| local(cursor))?),
        _ => (cursor.at, local(cursor)?),
    };
    let end = extension(cursor, end);
    let within = cursor.before_at(start).is_ascii_alphanumeric() || cursor.is_word(end);
    (!within).then_some(Match { start, end, rule: Rule::Mobile })
}

/// Returns the end of the digits behind a `+`.
fn international(cursor: &Cursor<'_>) -> Option<usize> {
    let rest = &cursor.bytes[cursor.at..];
    let known = COUNTRIES.iter().find(|(code, _)| rest.starts_with(code.as_bytes()));
    let most = known.map_or(INTERNATIONAL_DIGITS, |(_, most)| *most);
    let (mut at, mut count, mut groups) = (cursor.at, 0, 0);
    let end = loop {
        let group = cursor.run(at, |byte| byte.is_ascii_digit());
        if group == at || count + group - at > most {
            break at;
        }
        (count, groups) = (count + group - at, groups + 1);
        let next = cursor.run(group, |byte| matches!(byte, b' ' | b'-' | b'.' | b'(' | b')' | b'/'));
        // The digit of calls within a country: `+49 (0)151 ...`.
        let trunk =
            groups == 1 && cursor.bytes[..next].ends_with(b"(") && cursor.bytes[next..].starts_with(b"0)");
        let next = if trunk { cursor.run(next + 2, |byte| matches!(byte, b' ' | b'-')) } else { next };
        let slash = &cursor.bytes[group..next] == b" / ";
        if count == most
            || !slash && next > group + if trunk { 9 } else { 2 }
            || next == group
            || !cursor.is_word(next)
        {
            break group;
        }
        at = next;
    };
    let end = cursor.run_back(end, |byte| !byte.is_ascii_digit());
    let fits = match known {
        Some(("1" | "7", most)) => count == *most,
        _ if groups > 1 => count >= if name::mentions_phone(context(cursor, cursor.at, 0)) { 8 } else { 9 },
        _ => count >= 10,
    };
    let words = cursor.bytes[end..].trim_ascii_start();
    let unit = &words[..words.iter().take(12).take_while(|byte| byte.is_ascii_alphabetic()).count()];
    let before = context(cursor, cursor.at, 0);
    let counted = groups == 1 && !name::mentions_phone(before) && name::mentions_measure(before);
    let measured = counted || name::is_unit(unit);
    (fits && rest[0] != b'0' && !measured && cursor.bytes.get(end) != Some(&b':')).then_some(end)
}

/// Returns the end of a number without a country code, behind words about a telephone.
fn local(cursor: &Cursor<'_>) -> Option<usize> {
    let first = cursor.bytes[cursor.at];
    let lengths: &[&[usize]] = match first {
        b'0' => &[&[3, 8], &[4, 8], &[4, 7], &[3, 4, 4], &[4, 4, 4], &[11], &[12]],
        b'2'..=b'9' => &[&[3, 3, 4]],
        _ => &[],
    };
    if matches!(cursor.before(1), b'=' | b':') && name::is_telephone(&cursor.name_before(cursor.at - 1)) {
        let end = cursor.run(cursor.at, |byte| byte.is_ascii_digit());
        return (10..14).contains(&(end - cursor.at)).then_some(end);
    }
    let end = lengths.iter().find_map(|lengths| national(cursor, lengths)).or_else(|| grouped(cursor))?;
    name::mentions_phone(context(cursor, cursor.at, 12.min(cursor.bytes.len() - end))).then_some(end)
}

/// Returns whether the digits up to `end` may begin a number as it is dialed within a country, outside of times and dates.
#[inline]
pub(crate) fn is_dialed(cursor: &Cursor<'_>, end: usize) -> bool {
    let begins = match cursor.before(1) {
        b' ' | b'"' | b'\'' | b'(' | b'=' => true,
        b':' => !cursor.before(2).is_ascii_digit(),
        _ => false,
    };
    begins
        && match cursor.bytes.get(cursor.at) {
            Some(b'0') => {
                end > cursor.at + 1 && matches!(cursor.bytes.get(end), Some(b' ' | b'-' | b'/' | b'.' | b')'))
            }
            Some(b'8') => cursor.bytes[cursor.at..].starts_with(b"8 ("),
            _ => false,
        }
}

/// Returns the end of nine to twelve digits in groups of other lengths, as they are dialed within a country: `030/901820-55`.
fn grouped(cursor: &Cursor<'_>) -> Option<usize> {
    if !matches!(cursor.bytes[cursor.at], b'0' | b'8') {
        return None;
    }
    let (mut at, mut count) = (cursor.at, 0);
    let end = loop {
        let group = cursor.run(at, |byte| byte.is_ascii_digit());
        if group < at + 2 && (count > 0 || cursor.bytes[at] != b'8') || group == at {
            return None;
        }
        count += group - at;
        if count > 12 {
            return None;
        }
        let next = cursor.run(group, |byte| matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')'));
        if next > group + 2 || next == group || !cursor.bytes.get(next).is_some_and(u8::is_ascii_digit) {
            break group;
        }
        at = next;
    };
    (9..=12).contains(&count).then_some(end)
}

/// Returns the end of the extension behind a number: `ext. 204`, `转 8003`.
fn extension(cursor: &Cursor<'_>, end: usize) -> usize {
    let start = cursor.run(end, |byte| matches!(byte, b' ' | b','));
    let rest = &cursor.bytes[start..];
    let Some(word) = ["ext. ", "ext.", "ext ", "Ext. ", "x", "转 ", "转", "分机 ", "分机"]
        .iter()
        .find(|word| rest.starts_with(word.as_bytes()))
    else {
        return end;
    };
    let last = cursor.run(start + word.len(), |byte| byte.is_ascii_digit());
    if (1..=6).contains(&(last - start - word.len())) { last } else { end }
}

/// Returns the end of groups of digits of these lengths, with the same sign between the last of them.
fn national(cursor: &Cursor<'_>, lengths: &[usize]) -> Option<usize> {
    let mut at = cursor.at;
    for (nth, length) in lengths.iter().enumerate() {
        let end = cursor.run(at, |byte| byte.is_ascii_digit());
        if end - at != *length {
            return None;
        }
        at = match cursor.bytes.get(end) {
            _ if nth + 1 == lengths.len() => end,
            Some(b')') if nth == 0 => {
                end + 1 + usize::from(matches!(cursor.bytes.get(end + 1), Some(b' ' | b'-')))
            }
            Some(b'-' | b'.' | b' ') if cursor.before(1) != b'(' || nth > 0 => end + 1,
            _ => return None,
        };
    }
    Some(at)
}

/// Returns the text before a place, and some bytes behind it.
fn context<'a>(cursor: &Cursor<'a>, at: usize, behind: usize) -> &'a str {
    let text = cursor.text.as_str();
    &text[text.floor_char_boundary(at.saturating_sub(CONTEXT_BYTES))..text.floor_char_boundary(at + behind)]
}
