//! Text to synthesise in a message, announced by words where no name does.

use std::sync::LazyLock;

use crate::cursor::{Match, Text};
use crate::harmless::{is_marked, is_nothing};
use crate::rule::Rule;
use crate::search::{Form, Search};
use crate::text_value::extent;

/// Fewest bytes of an announced text.
const SHORTEST: usize = 8;

/// Rest of an announcement with a sign or a quote: `Text to synthesize: ...`, `text from the frontend (per sentence): ...`.
const WORDS: &str = concat!(
    r"(?i)s?(?:[ \t/#0-9()]{1,16}(?:to|be|for|from|the|after|before|per|in|is|was|of|by|and|will|synthesi[sz]ed?|",
    r"synthesis|speak|say|read|tts|speech|audio|sentences?|segmentation|frontend|normali[sz]ation|request|generate)\b)",
    r#"{0,12}[ \t/#0-9()]{0,16}(?:[:=]{1,2}|->|：|[ \t/#0-9()]["'`])"#,
);
/// The same behind the verb: `Synthesizing (en-US): ...`, `Synthesizing sentence 1/3: ...`.
const VERB_WORDS: &str = concat!(
    r"(?i)(?:[ \t/#0-9]|\([^)\n]{0,60}\)|\b(?:for|of|speech|audio|text|the|sentence|segment|chunk|part|utterance)\b)",
    r#"{0,16}(?:[:=]{1,2}|->|：|[ \t]["'`])"#,
);

/// Announcements; the text, or the quote before it, begins at the end of a match.
#[rustfmt::skip]
const ANNOUNCEMENTS: [Form; 5] = [
    // CosyVoice, ChatTTS: the text follows without a sign.
    (
        &[
            "synthesis text", "Synthesis text", "synthesis Text", "Synthesis Text", "short than prompt text", "normed text",
            "combined text", "Normed text", "Combined text",
        ],
        r"s?[ \t]+",
    ),
    (&["split text", "Split text"], r"s?[ \t]+\["),
    // F5-TTS: `gen_text 0 ...`, `ref_text   ...`.
    (&["gen_text", "ref_text"], r"(?:[ \t]+[0-9]+ |[ \t]{2,}|[ \t]+[0-9])"),
    (&["text", "Text", "TEXT"], WORDS),
    (&["synthesizing", "Synthesizing", "SYNTHESIZING"], VERB_WORDS),
];

static SEARCH: LazyLock<Option<Search>> = LazyLock::new(|| Search::new(&ANNOUNCEMENTS, &[], |_| true));

/// Appends the announced texts in a text.
pub(crate) fn find(text: &Text<'_>, matches: &mut Vec<Match>) {
    let Some(search) = SEARCH.as_ref().filter(|_| !text.record_text && text.bytes.len() >= SHORTEST) else {
        return;
    };
    let mut from = 0;
    while let Some(announcement) = search.find(text.bytes, from) {
        let begin = announcement.whole.start;
        from = announcement.whole.end;
        let cursor = text.cursor(begin);
        let last = text.bytes[from - 1];
        let quoted = matches!(last, b'"' | b'\'' | b'`');
        let sign = matches!(last, b':' | b'=' | b'>' | b' ' | b'\t') || last >= 0x80;
        let start = if sign { cursor.run(from, |byte| matches!(byte, b' ' | b'\t')) } else { from - 1 };
        let signed = last.is_ascii_whitespace() && matches!(text.bytes.get(start), Some(b':' | b'='));
        // A name with a sign and nothing between is a pair.
        let words = cursor.run(begin, |byte| byte.is_ascii_alphabetic());
        let named =
            announcement.form == 3 && !quoted && !text.bytes[words..from].iter().any(u8::is_ascii_alphabetic);
        if signed || named || text.bytes[..from].ends_with(b"::") || is_marked(&text.bytes[start..]) {
            continue;
        }
        let opening = Some(cursor.before_at(begin)).filter(|byte| matches!(byte, b'"' | b'\''));
        let (start, end) = extent(&cursor, start, quoted, opening);
        if !is_nothing(&String::from_utf8_lossy(&text.bytes[start..end])) {
            matches.push(Match { start, end, rule: Rule::Text });
            from = from.max(end);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn announcements_compile_together() {
        assert!(super::SEARCH.is_some());
    }
}
