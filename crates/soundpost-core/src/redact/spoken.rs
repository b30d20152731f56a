//! Text to synthesise in a message: the words that announce it where no name does, and where it ends at the latest.
//!
//! What a service wrote around it is not known, so that it goes on as far as it can: to the end of the line, of the
//! message if that is where it began, or to the last quote that can be the closing one.

use super::pair::{bracket, hidden, is_pair, says_nothing};
use super::rule::Rule;
use super::scan::{Look, Span};

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

/// Known messages of which more than the text is told: what is behind it.
const BEHIND: [&str; 2] = [" too short than prompt text ", ", this may lead to bad performance"];

/// A text announced by a word whose `x` (`text`) or `z` (`synthesizing`) is at this place.
pub(super) fn announced(look: &Look<'_>) -> Option<Span> {
    if look.record_text {
        return None;
    }
    let verb = matches!(look.bytes[look.at], b'z' | b'Z');
    let (start, mut end) = match verb {
        true => (word(look, "synthesizing", 8)?, look.at + 4),
        false => (word(look, "text", 2)?, look.at + 2),
    };
    if !verb && matches!(look.bytes.get(end), Some(b's' | b'S')) {
        end += 1;
    }
    if look.is_word(end) || matches!(look.bytes.get(end), Some(b'_' | b'-')) {
        return None;
    }
    let opening = |start| Some(look.before_at(start)).filter(|byte| matches!(byte, b'"' | b'\''));
    if !verb && let Some(from) = lead(look, start, end) {
        let at = look.run(end, |byte| matches!(byte, b' ' | b'\t'));
        // `gen_text 0 ...` (F5-TTS) counts first.
        let digits = look.run(at, |byte| byte.is_ascii_digit());
        let counted = look.before_at(start) == b'_' && look.bytes.get(digits) == Some(&b' ');
        return span(look, if counted { digits + 1 } else { at }, false, opening(from));
    }
    let (sign, words) = sign_behind(look, end, verb)?;
    match look.bytes[sign] {
        b'"' | b'\'' | b'`' => span(look, sign, true, opening(start)),
        // Without a word between it is a name, and `pair` knows it.
        _ if words == 0 && !verb => None,
        _ => {
            let after = look.run(sign, |byte| matches!(byte, b':' | b'=' | b'-' | b'>') || byte >= 0x80);
            span(look, if look.bytes[sign] >= 0x80 { sign + 3 } else { after }, false, opening(start))
        }
    }
}

/// Where `word` begins, whose letter `at` is the one at this place; it is a word of its own.
fn word(look: &Look<'_>, word: &str, at: usize) -> Option<usize> {
    let start = look.at.checked_sub(at)?;
    let found = look.bytes.get(start..start + word.len())?;
    let alone = !look.before_at(start).is_ascii_alphanumeric();
    (alone && found.eq_ignore_ascii_case(word.as_bytes())).then_some(start)
}

/// Where the words begin behind which the text follows `text` without a sign.
fn lead(look: &Look<'_>, start: usize, end: usize) -> Option<usize> {
    let value = look.run(end, |byte| matches!(byte, b' ' | b'\t'));
    let first = *look.bytes.get(value)?;
    if value == end || matches!(first, b':' | b'=') {
        return None;
    }
    let before = |words: &str| {
        let to = start.checked_sub(1)?;
        let from = to.checked_sub(words.len())?;
        let found = look.bytes[from..to].eq_ignore_ascii_case(words.as_bytes());
        (found && !look.before_at(from).is_ascii_alphanumeric()).then_some(from)
    };
    match look.before_at(start) {
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
fn sign_behind(look: &Look<'_>, from: usize, verb: bool) -> Option<(usize, usize)> {
    let (mut at, mut words, mut remark) = (from, 0, false);
    while at < from + BETWEEN {
        match *look.bytes.get(at)? {
            b' ' | b'\t' | b'/' | b'#' | b'0'..=b'9' => at += 1,
            byte @ (b'(' | b')') => (remark, at) = (byte == b'(', at + 1),
            b':' if look.bytes.get(at + 1) == Some(&b':') => return None,
            b':' | b'=' => return Some((at, words)),
            b'-' if look.bytes.get(at + 1) == Some(&b'>') => return Some((at, words)),
            b'"' | b'\'' | b'`' if at > from => return Some((at, words)),
            0xEF if look.bytes[at..].starts_with("：".as_bytes()) => return Some((at, words)),
            // Behind the verb a remark may say anything: `Synthesizing (en-US): ...`.
            _ if verb && remark => at += 1,
            byte if byte.is_ascii_alphabetic() => {
                let end = look.run(at, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
                let found = &look.bytes[at..end];
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
fn span(look: &Look<'_>, from: usize, quoted: bool, opening: Option<u8>) -> Option<Span> {
    let from = look.run(from, |byte| matches!(byte, b' ' | b'\t'));
    if hidden(&look.bytes[from..]) {
        return None;
    }
    let (start, end) = value(look, from, quoted, opening);
    (!says_nothing(&look.bytes[start..end])).then_some(Span { start, end, rule: Rule::Text })
}

/// The text to synthesise whose value begins at `start`: where it begins, and where it ends at the latest. `quoted`: a
/// quote there is one around it, and no part of it. `opening`: the quote that what announces it stands behind.
pub(super) fn value(look: &Look<'_>, start: usize, quoted: bool, opening: Option<u8>) -> (usize, usize) {
    let prefix = matches!(look.bytes.get(start), Some(b'b' | b'B' | b'r' | b'R' | b'u' | b'U' | b'f' | b'F'));
    let quotes = |at: usize| matches!(look.bytes.get(at), Some(b'"' | b'\'' | b'`' | b'\\'));
    let open = if prefix && quotes(start + 1) { start + 1 } else { start };
    let quote_at = look.run(open, |byte| byte == b'\\');
    match look.bytes.get(quote_at).copied() {
        Some(quote @ (b'"' | b'\'' | b'`')) => {
            let (end, sure) = closing(look, quote_at + 1, quote, quote_at - open);
            if sure || quoted {
                return (quote_at + 1, end);
            }
        }
        Some(b'{' | b'[' | b'(') if quote_at == start => {
            let end = bracket(look, start);
            if quoted && opening.is_some() || end == look.bytes.len() || closes(look, end) {
                return (start, end);
            }
        }
        _ => {}
    }
    bare(look, start, opening)
}

/// Whether what stands at `start` is no text: what programs print for none, or behind a name in quotes a number.
pub(super) fn is_literal(look: &Look<'_>, start: usize, named: bool) -> bool {
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
    let end = start + look.bytes[start..].iter().take(32).take_while(part).count();
    let word = &look.bytes[start..end];
    let number = named && std::str::from_utf8(word).is_ok_and(|word| word.parse::<f64>().is_ok());
    let ends = named && matches!(look.bytes.get(end), Some(b',' | b'}' | b']'));
    end > start && (number || says_nothing(word)) && (ends || closes(look, end))
}

/// Where a text without quotes ends.
fn bare(look: &Look<'_>, start: usize, opening: Option<u8>) -> (usize, usize) {
    let line = look.run(start, |byte| !matches!(byte, b'\n' | b'\r'));
    let (start, mut end) = if look.is_first_line(start) {
        (look.run(start, |byte| byte.is_ascii_whitespace()), look.bytes.len())
    } else {
        (start, line)
    };
    if let Some(quote) = opening
        && let Some(last) = look.bytes[start..end].iter().rposition(|byte| *byte == quote)
    {
        end = start + last;
    }
    let value = &look.bytes[start..end];
    for known in BEHIND {
        if let Some(at) = find(value, known.as_bytes()) {
            end = start + at;
            break;
        }
    }
    (start, look.run_back(end, |byte| byte.is_ascii_whitespace()).max(start))
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|part| part == what)
}

/// Where the quote is closed that opened before `from`, and whether that is sure: what is behind goes on as after a value.
/// Else it is the last that can be.
fn closing(look: &Look<'_>, from: usize, quote: u8, depth: usize) -> (usize, bool) {
    let on = look.is_first_line(from);
    let mut last = None;
    let mut slashes = 0;
    for (at, byte) in look.bytes.iter().enumerate().skip(from) {
        match byte {
            b'\\' => slashes += 1,
            // Behind its line only where nothing else follows: in a traceback the next line is another matter.
            b'\n' if !on && last.is_some() => break,
            _ if *byte == quote && (slashes == depth || depth == 0 && slashes % 2 == 0) => {
                let end = at - slashes.min(depth);
                if closes(look, at + 1) {
                    return (end, true);
                }
                let within = look.is_word(at + 1) && at > from && look.is_word(at - 1);
                last = if within { last } else { Some(end) };
                slashes = 0;
            }
            _ => slashes = 0,
        }
    }
    (last.filter(|_| look.whole).unwrap_or(look.bytes.len()), false)
}

/// Whether what stands at `at` goes on as it does behind a value.
fn closes(look: &Look<'_>, at: usize) -> bool {
    let spaces = |at: usize| look.run(at, |byte| matches!(byte, b' ' | b'\t'));
    let ends = |at: usize| {
        matches!(look.bytes.get(at), None | Some(b'\n' | b'\r')) && (look.whole || at < look.bytes.len())
    };
    let closers = |byte: u8| matches!(byte, b')' | b'}' | b']' | b'"' | b'\'' | b'\\' | b'`');
    // Eight are enough, and keep it linear.
    let behind = at + look.bytes[at..].iter().take(8).take_while(|byte| closers(**byte)).count();
    match look.bytes.get(behind) {
        Some(b',' | b';') => {
            let next = spaces(behind + 1);
            ends(next) || matches!(look.bytes.get(next), Some(b'{' | b'[' | b'(')) || is_pair(look, next)
        }
        Some(b' ' | b'\t') => ends(spaces(behind)) || is_pair(look, spaces(behind)),
        _ => ends(behind),
    }
}
