//! Text to synthesise in a message: the words that announce it where no name does, and where it ends at the latest.
//!
//! What a service wrote around it is not known, so that it goes on as far as it can: to the end of the line, of the
//! message if that is where it began, or to the last quote that can be the closing one.

use crate::cursor::{Cursor, Match};
use crate::rule::Rule;
use crate::text_value::extent;
use crate::value::{hidden, says_nothing};

/// Most bytes between the word that announces a text and its sign.
const BETWEEN: usize = 64;

/// In front of `text`: what follows is the text, without a sign (CosyVoice, ChatTTS).
const ANNOUNCING: [&str; 4] = ["synthesis", "short than prompt", "normed", "combined"];

/// Behind `text`, up to the sign: `Text to synthesize: ...`, `text from the frontend (per sentence): ...`.
const BEHIND_TEXT: [&str; 34] = [
    "to",
    "be",
    "for",
    "from",
    "the",
    "after",
    "before",
    "per",
    "in",
    "is",
    "was",
    "of",
    "by",
    "and",
    "will",
    "synthesize",
    "synthesise",
    "synthesized",
    "synthesised",
    "synthesis",
    "speak",
    "say",
    "read",
    "tts",
    "speech",
    "audio",
    "sentence",
    "sentences",
    "segmentation",
    "frontend",
    "normalization",
    "normalisation",
    "request",
    "generate",
];
/// Behind `synthesizing`.
const BEHIND_VERB: [&str; 11] =
    ["for", "of", "speech", "audio", "text", "the", "sentence", "segment", "chunk", "part", "utterance"];

/// A text announced by a word whose `x` (`text`) or `z` (`synthesizing`) is at this place.
pub(crate) fn announced(cursor: &Cursor<'_>) -> Option<Match> {
    if cursor.record_text {
        return None;
    }
    let verb = matches!(cursor.bytes[cursor.at], b'z' | b'Z');
    let (start, mut end) = match verb {
        true => (word(cursor, "synthesizing", 8)?, cursor.at + 4),
        false => (word(cursor, "text", 2)?, cursor.at + 2),
    };
    if !verb && matches!(cursor.bytes.get(end), Some(b's' | b'S')) {
        end += 1;
    }
    if cursor.is_word(end) || matches!(cursor.bytes.get(end), Some(b'_' | b'-')) {
        return None;
    }
    let opening = |start| Some(cursor.before_at(start)).filter(|byte| matches!(byte, b'"' | b'\''));
    if !verb && let Some(from) = lead(cursor, start, end) {
        let at = cursor.run(end, |byte| matches!(byte, b' ' | b'\t'));
        // `gen_text 0 ...` (F5-TTS) counts first.
        let digits = cursor.run(at, |byte| byte.is_ascii_digit());
        let counted = cursor.before_at(start) == b'_' && cursor.bytes.get(digits) == Some(&b' ');
        return span(cursor, if counted { digits + 1 } else { at }, false, opening(from));
    }
    let (sign, words) = sign_behind(cursor, end, verb)?;
    match cursor.bytes[sign] {
        b'"' | b'\'' | b'`' => span(cursor, sign, true, opening(start)),
        // Without a word between it is a name, and `pair` knows it.
        _ if words == 0 && !verb => None,
        _ => {
            let after = cursor.run(sign, |byte| matches!(byte, b':' | b'=' | b'-' | b'>') || byte >= 0x80);
            span(cursor, if cursor.bytes[sign] >= 0x80 { sign + 3 } else { after }, false, opening(start))
        }
    }
}

/// Where `word` begins, whose letter `at` is the one at this place; it is a word of its own.
fn word(cursor: &Cursor<'_>, word: &str, at: usize) -> Option<usize> {
    let start = cursor.at.checked_sub(at)?;
    let found = cursor.bytes.get(start..start + word.len())?;
    let alone = !cursor.before_at(start).is_ascii_alphanumeric();
    (alone && found.eq_ignore_ascii_case(word.as_bytes())).then_some(start)
}

/// Where the words begin behind which the text follows `text` without a sign.
fn lead(cursor: &Cursor<'_>, start: usize, end: usize) -> Option<usize> {
    let value = cursor.run(end, |byte| matches!(byte, b' ' | b'\t'));
    let first = *cursor.bytes.get(value)?;
    if value == end || matches!(first, b':' | b'=') {
        return None;
    }
    let before = |words: &str| {
        let to = start.checked_sub(1)?;
        let from = to.checked_sub(words.len())?;
        let found = cursor.bytes[from..to].eq_ignore_ascii_case(words.as_bytes());
        (found && !cursor.before_at(from).is_ascii_alphanumeric()).then_some(from)
    };
    match cursor.before_at(start) {
        b' ' => {
            let list = before("split").filter(|_| first == b'[');
            ANNOUNCING.iter().find_map(|words| before(words)).or(list)
        }
        b'_' if value > end + 1 => before("gen").or_else(|| before("ref")),
        b'_' if first.is_ascii_digit() => before("gen"),
        _ => None,
    }
}

/// Where the sign or the quote stands behind the word that ends at `from`, and how many words are between.
fn sign_behind(cursor: &Cursor<'_>, from: usize, verb: bool) -> Option<(usize, usize)> {
    let (mut at, mut words, mut remark) = (from, 0, false);
    while at < from + BETWEEN {
        match *cursor.bytes.get(at)? {
            b' ' | b'\t' | b'/' | b'#' | b'0'..=b'9' => at += 1,
            byte @ (b'(' | b')') => (remark, at) = (byte == b'(', at + 1),
            b':' if cursor.bytes.get(at + 1) == Some(&b':') => return None,
            b':' | b'=' => return Some((at, words)),
            b'-' if cursor.bytes.get(at + 1) == Some(&b'>') => return Some((at, words)),
            b'"' | b'\'' | b'`' if at > from => return Some((at, words)),
            0xEF if cursor.bytes[at..].starts_with("：".as_bytes()) => return Some((at, words)),
            // Behind the verb a remark may say anything: `Synthesizing (en-US): ...`.
            _ if verb && remark => at += 1,
            byte if byte.is_ascii_alphabetic() => {
                let end = cursor.run(at, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
                let found = &cursor.bytes[at..end];
                let mut known = if verb { BEHIND_VERB.iter() } else { BEHIND_TEXT.iter() };
                known.find(|word| found.eq_ignore_ascii_case(word.as_bytes()))?;
                (words, at) = (words + 1, end);
            }
            _ => return None,
        }
    }
    None
}

/// The text that begins at or behind `from`, unless there is none.
fn span(cursor: &Cursor<'_>, from: usize, quoted: bool, opening: Option<u8>) -> Option<Match> {
    let from = cursor.run(from, |byte| matches!(byte, b' ' | b'\t'));
    if hidden(&cursor.bytes[from..]) {
        return None;
    }
    let (start, end) = extent(cursor, from, quoted, opening);
    (!says_nothing(&cursor.bytes[start..end])).then_some(Match { start, end, rule: Rule::Text })
}
