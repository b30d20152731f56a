//! Known texts of a caller, such as the text to synthesise of a call: each occurrence of one, or of a long part of one,
//! is replaced by its length.

use std::collections::HashSet;
use std::sync::Arc;

use crate::cursor::Match;
use crate::rule::Rule;

/// Number of consecutive characters from which on a part of a text is replaced.
const PART: usize = 16;
/// The same for a text with other characters than ASCII, where each has more meaning.
const DENSE_PART: usize = 8;
/// Minimum length of a text. A shorter one is a part of many messages and only replaced alone.
const MIN_TEXT: usize = 4;
/// The same for a text with characters from [`FIRST_DENSE`] on, such as Chinese ones.
const MIN_DENSE_TEXT: usize = 2;
const FIRST_DENSE: char = '\u{1100}';
/// Minimum length of a text of digits, which is otherwise the number of a line.
const MIN_DIGITS: usize = 5;
/// Longer words that many messages have. As a text they are only replaced alone.
const LOG_WORDS: &str = " about after audio been before call called could data debug does done each error errors \
    exception exit failed false file finished from generate have http info input into item items level line \
    load loaded loading main message method model module more name none null other output patch path post read ready \
    request response result running self server speech start started starting status step stop stopped take takes text \
    than that them then there they this thread time token tokens took true type user using value voice wait waiting \
    warn warning were when which will with word words worker write your ";
/// Ends of the names of exceptions, in front of the text of one.
const ERROR_NAMES: [&str; 2] = ["Error: ", "Exception: "];
/// Minimum length of a sentence within a text. One in ASCII has two words as well.
const MIN_SENTENCE: usize = 6;
const MIN_DENSE_SENTENCE: usize = 4;
/// Minimum length of the beginning of a text in front of an ellipsis.
const MIN_START: usize = 4;
const MIN_DENSE_START: usize = 2;
/// Maximum number of texts, and of characters of all texts.
const MAX_TEXTS: usize = 64;
const MAX_CHARACTERS: usize = 16 << 10;
/// Start of the line of a frame in a traceback, which has no text of a call.
const FRAME: &str = "  File \"";
/// Minimum length of a word in quotes.
const MIN_WORD: usize = 2;
/// Maximum number of places between quotes that are compared with a text.
const MAX_QUOTES: usize = 64;
const QUOTES: &[char] = &['\'', '"', '`', '‘', '’', '“', '”', '「', '」', '《', '》'];
/// Characters at which texts are split.
const SENTENCE_ENDS: &[char] =
    &['.', '!', '?', ';', ':', ',', '\n', '。', '！', '？', '；', '：', '，', '、', '…', '—'];
/// Multiplier of the rolling hash.
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;

/// Texts that are replaced where they occur, also in quotes with escapes (Python, Rust, JSON) and in URLs.
#[derive(Clone, Debug, Default)]
pub struct KnownTexts {
    texts: Vec<Arc<Known>>,
    characters: usize,
}

#[derive(Clone, Debug)]
struct Known {
    /// The characters of the text in lower case.
    characters: Vec<char>,
    /// Whether it is an ordinary word of messages, and only replaced as the whole of a message, value or quoted word.
    is_alone: bool,
    least_start: usize,
    /// Number of characters of a part of the text.
    part: usize,
    patterns: Vec<Pattern>,
}

/// Parts of a text that have the same length: of the whole text, or its sentences that are shorter than a part.
#[derive(Clone, Debug)]
struct Pattern {
    /// Number of characters of a part.
    part: usize,
    /// Hashes of all parts.
    parts: HashSet<u64>,
    /// Whether it is shorter than a part of a long text, and only replaced as a word.
    is_word: bool,
}

impl KnownTexts {
    /// Adds a text. The oldest texts beyond a limit are removed.
    pub fn add(&mut self, text: &str) {
        let characters: Vec<char> = text.trim().chars().take(MAX_CHARACTERS).collect();
        if is_telling(&characters) {
            self.push(&Arc::new(Known::new(&characters, is_ordinary(&characters))));
        }
    }

    /// Replaces an ordinary word that is a text also within a message: the message has it as an argument.
    pub fn add_argument(&mut self, argument: &str) {
        if let Some(text) = self.texts.iter().find(|known| known.is_alone && known.is(argument)) {
            self.push(&Arc::new(Known::new(&text.characters, false)));
        }
    }

    fn push(&mut self, text: &Arc<Known>) {
        let is_same = |known: &Arc<Known>| {
            Arc::ptr_eq(known, text) || known.is_alone == text.is_alone && known.characters == text.characters
        };
        if self.texts.iter().any(is_same) {
            return;
        }
        self.characters += text.characters.len();
        self.texts.push(text.clone());
        while self.texts.len() > MAX_TEXTS || self.characters > MAX_CHARACTERS {
            self.characters -= self.texts.remove(0).characters.len();
        }
    }

    /// Adds the texts of another set.
    pub fn extend(&mut self, other: &Self) {
        if self.is_empty() {
            self.clone_from(other);
        } else {
            other.texts.iter().for_each(|text| self.push(text));
        }
    }

    /// Returns whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Finds the texts and their parts. Takes time in proportion to the length of `text` and the number of texts.
    pub(crate) fn find(&self, text: &str, matches: &mut Vec<Match>) {
        if self.is_empty() {
            return;
        }
        let mut found = Vec::new();
        let escapes: [(Escape, &[char]); 3] = [(plain, &[]), (backslash, &['\\']), (percent, &['%', '+'])];
        for (escape, signs) in escapes {
            if signs.is_empty() || text.contains(signs) {
                let decoded = Decoded::new(text, escape);
                self.texts.iter().for_each(|known| known.find(text, &decoded, &mut found));
            }
        }
        let is_in_frame = |start: usize| {
            let line = text[..start].rfind('\n').map_or(0, |feed| feed + 1);
            text[line..].starts_with(FRAME)
        };
        let found = found.into_iter().filter(|(start, _)| !is_in_frame(*start));
        matches.extend(found.map(|(start, end)| Match { start, end, rule: Rule::Text }));
    }
}

impl Known {
    fn new(characters: &[char], is_alone: bool) -> Self {
        let is_ascii = characters.iter().all(char::is_ascii);
        let (longest, least_start) = if is_ascii { (PART, MIN_START) } else { (DENSE_PART, MIN_DENSE_START) };
        let part = characters.len().min(longest);
        let parts = windows(characters, part).filter(|(at, _)| is_telling(&characters[*at..at + part]));
        let parts = parts.map(|(_, hash)| hash).collect();
        let mut patterns = vec![Pattern { part, parts, is_word: characters.len() < longest }];
        add_sentences(characters, longest, &mut patterns);
        let characters = characters.iter().map(char::to_ascii_lowercase).collect();
        Self { characters, is_alone, least_start, part, patterns }
    }

    /// Returns whether a text is this one, apart from case and white space around it.
    fn is(&self, text: &str) -> bool {
        text.trim()
            .chars()
            .map(|character| character.to_ascii_lowercase())
            .eq(self.characters.iter().copied())
    }

    /// Adds the byte ranges of the text, its parts and its sentences in a text.
    fn find(&self, text: &str, decoded: &Decoded, found: &mut Vec<(usize, usize)>) {
        if self.is_alone {
            self.find_alone(text, found);
        } else {
            self.patterns.iter().for_each(|pattern| pattern.find(text, decoded, found));
            self.find_starts(text, decoded, found);
        }
        self.find_quoted(decoded, found);
    }

    /// Adds the whole text if it is this one, and this one as the text of an exception in a traceback.
    fn find_alone(&self, text: &str, found: &mut Vec<(usize, usize)>) {
        let mut add = |start: usize, end: usize| {
            let part = &text[start..end];
            if self.is(part) {
                found.push((start + part.len() - part.trim_start().len(), start + part.trim_end().len()));
            }
        };
        add(0, text.len());
        for (at, name) in ERROR_NAMES.iter().flat_map(|name| text.match_indices(name)) {
            let start = at + name.len();
            add(start, text[start..].find('\n').map_or(text.len(), |feed| start + feed));
        }
    }

    /// Adds words of the text in quotes, as services log them one by one.
    fn find_quoted(&self, decoded: &Decoded, found: &mut Vec<(usize, usize)>) {
        let characters = &decoded.characters;
        let mut quotes = (0..characters.len()).filter(|at| QUOTES.contains(&characters[*at]));
        let Some(mut before) = quotes.next() else { return };
        for after in quotes.take(MAX_QUOTES) {
            let word: Vec<char> =
                characters[before + 1..after].iter().map(char::to_ascii_lowercase).collect();
            let is_found = match self.is_alone {
                true => word == self.characters,
                false => (MIN_WORD..self.part).contains(&word.len()) && self.has_word(&word),
            };
            if is_found {
                found.push((decoded.starts[before + 1], decoded.starts[after]));
            }
            before = after;
        }
    }

    /// Returns whether the text has a word, or a part of that length in a script without spaces.
    fn has_word(&self, word: &[char]) -> bool {
        let is_inner = |at: usize| {
            self.characters.get(at - 1).is_some_and(char::is_ascii_alphanumeric)
                && self.characters.get(at).is_some_and(char::is_ascii_alphanumeric)
        };
        let ends = [word.first(), word.last()];
        ends.iter().all(|end| end.is_some_and(|end| !end.is_whitespace()))
            && word.iter().any(|character| character.is_alphabetic())
            && self
                .characters
                .windows(word.len())
                .enumerate()
                .any(|(at, part)| part == word && !(at > 0 && is_inner(at)) && !is_inner(at + word.len()))
    }

    /// Adds the beginnings of the text that are too short for a part, in front of an ellipsis.
    fn find_starts(&self, text: &str, decoded: &Decoded, found: &mut Vec<(usize, usize)>) {
        let characters = &decoded.characters;
        let is_ellipsis =
            |at: &usize| characters[*at..].starts_with(&['…']) || characters[*at..].starts_with(&['.'; 3]);
        for at in (0..characters.len()).filter(is_ellipsis) {
            let is_start = |length: &usize| {
                let before = characters[at - length..at].iter().map(char::to_ascii_lowercase);
                before.eq(self.characters[..*length].iter().copied())
                    && is_word(text, decoded.starts[at - length], decoded.starts[at])
            };
            if let Some(length) = (self.least_start..=self.part.min(at)).rev().find(is_start) {
                found.push((decoded.starts[at - length], decoded.starts[at]));
            }
        }
    }
}

impl Pattern {
    /// Adds the byte ranges of the parts in a text.
    fn find(&self, text: &str, decoded: &Decoded, found: &mut Vec<(usize, usize)>) {
        let mut last: Option<(usize, usize)> = None;
        for (at, hash) in windows(&decoded.characters, self.part) {
            if !self.parts.contains(&hash) {
                continue;
            }
            let (start, end) = (decoded.starts[at], decoded.starts[at + self.part]);
            if self.is_word && !is_word(text, start, end) {
                continue;
            }
            match &mut last {
                Some(last) if start <= last.1 => last.1 = end,
                _ => found.extend(last.replace((start, end))),
            }
        }
        found.extend(last);
    }
}

/// Adds the sentences that are shorter than a part. Front ends of services split texts at any punctuation.
fn add_sentences(characters: &[char], longest: usize, patterns: &mut Vec<Pattern>) {
    let mut parts = vec![HashSet::new(); longest];
    for sentence in characters.split(|character| SENTENCE_ENDS.contains(character)) {
        let is_space = |character: &char| character.is_whitespace();
        let first = sentence.iter().position(|character| !is_space(character)).unwrap_or(sentence.len());
        let last = sentence.iter().rposition(|character| !is_space(character)).map_or(first, |last| last + 1);
        let sentence = &sentence[first..last];
        let is_long = match sentence.iter().all(char::is_ascii) {
            true => sentence.len() >= MIN_SENTENCE && sentence.iter().any(is_space),
            false => sentence.len() >= MIN_DENSE_SENTENCE,
        };
        if is_long && sentence.len() < longest && sentence.len() < characters.len() {
            parts[sentence.len()].extend(windows(sentence, sentence.len()).map(|(_, hash)| hash));
        }
    }
    let groups = parts.into_iter().enumerate().filter(|(_, parts)| !parts.is_empty());
    patterns.extend(groups.map(|(part, parts)| Pattern { part, parts, is_word: true }));
}

/// Returns the hashes of all parts of a length, each with its position.
fn windows(characters: &[char], length: usize) -> impl Iterator<Item = (usize, u64)> {
    let highest = (1..length).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut hash = 0_u64;
    // Front ends of speech services change the case.
    let value = |at: usize| u64::from(u32::from(characters[at].to_ascii_lowercase())) + 1;
    (0..characters.len()).filter_map(move |at| {
        if at >= length {
            hash = hash.wrapping_sub(value(at - length).wrapping_mul(highest));
        }
        hash = hash.wrapping_mul(BASE).wrapping_add(value(at));
        (at + 1 >= length).then(|| (at + 1 - length, hash))
    })
}

/// Returns whether a text is too short, or a word that many messages have.
fn is_ordinary(characters: &[char]) -> bool {
    let word = || String::from_iter([&[' '], characters, &[' ']].concat()).to_ascii_lowercase();
    let least = match () {
        () if characters.iter().all(char::is_ascii_digit) => MIN_DIGITS,
        () if characters.iter().any(|character| *character >= FIRST_DENSE) => MIN_DENSE_TEXT,
        () => MIN_TEXT,
    };
    let is_word = || characters.len() < PART && !characters.contains(&' ');
    characters.len() < least || is_word() && LOG_WORDS.contains(&word())
}

/// Returns whether a part is no separator or indentation.
fn is_telling(part: &[char]) -> bool {
    part.iter().any(|character| character.is_alphanumeric())
}

/// Returns whether no letter or digit of ASCII continues a range at either end.
fn is_word(text: &str, start: usize, end: usize) -> bool {
    let continues = |inner: Option<char>, outer: Option<char>| {
        [inner, outer].iter().all(|side| side.is_some_and(|side| side.is_ascii_alphanumeric()))
    };
    let (word, before, after) = (&text[start..end], &text[..start], &text[end..]);
    // The letter of an escape, such as `\n`, is no letter.
    let is_escaped = before.len() > 1 && before.as_bytes()[before.len() - 2] == b'\\';
    let starts = is_escaped || !continues(word.chars().next(), before.chars().next_back());
    starts && !continues(word.chars().next_back(), after.chars().next())
}

/// A text without escapes, and where each character begins in it.
struct Decoded {
    characters: Vec<char>,
    /// Byte positions; the last is the end of the text.
    starts: Vec<usize>,
}

/// Meaning of an escape.
#[derive(Clone, Copy)]
enum Unit {
    Char(char),
    /// A byte of UTF-8, or a character of Latin-1.
    Byte(u8),
    /// Half of a character beyond the basic plane.
    Surrogate(u16),
}

/// Returns the meaning and the length of the escape that a text begins with.
type Escape = fn(&str) -> Option<(Unit, usize)>;

impl Decoded {
    fn new(text: &str, escape: Escape) -> Self {
        let mut decoded =
            Self { characters: Vec::with_capacity(text.len()), starts: Vec::with_capacity(text.len() + 1) };
        let mut run: Vec<(usize, Unit)> = Vec::new();
        let mut at = 0;
        while let Some(character) = text[at..].chars().next() {
            let (unit, length) = escape(&text[at..]).unwrap_or((Unit::Char(character), character.len_utf8()));
            match unit {
                Unit::Char(character) => {
                    decoded.push_run(&mut run);
                    decoded.push(at, character);
                }
                unit => run.push((at, unit)),
            }
            at += length;
        }
        decoded.push_run(&mut run);
        decoded.starts.push(text.len());
        decoded
    }

    fn push(&mut self, start: usize, character: char) {
        self.characters.push(character);
        self.starts.push(start);
    }

    /// Adds the characters that consecutive bytes or surrogates stand for.
    fn push_run(&mut self, run: &mut Vec<(usize, Unit)>) {
        let mut rest = &run[..];
        while let Some((start, unit)) = rest.first().copied() {
            let units = |most: usize| rest.iter().take(most).map(|(_, unit)| *unit);
            let (character, length) = match unit {
                Unit::Char(character) => (character, 1),
                Unit::Byte(byte) => {
                    let bytes: Vec<u8> = units(4)
                        .map_while(|unit| if let Unit::Byte(byte) = unit { Some(byte) } else { None })
                        .collect();
                    let whole = (2..=bytes.len()).find_map(|length| {
                        str::from_utf8(&bytes[..length])
                            .ok()?
                            .chars()
                            .next()
                            .filter(|character| character.len_utf8() == length)
                    });
                    whole.map_or((char::from(byte), 1), |character| (character, character.len_utf8()))
                }
                Unit::Surrogate(_) => {
                    let halves = units(2)
                        .map_while(|unit| if let Unit::Surrogate(half) = unit { Some(half) } else { None });
                    match char::decode_utf16(halves).next() {
                        Some(Ok(character)) => (character, character.len_utf16()),
                        _ => (char::REPLACEMENT_CHARACTER, 1),
                    }
                }
            };
            self.push(start, character);
            rest = &rest[length..];
        }
        run.clear();
    }
}

fn plain(_: &str) -> Option<(Unit, usize)> {
    None
}

/// Reads an escape of a quoted text: of Python, Rust or JSON.
fn backslash(text: &str) -> Option<(Unit, usize)> {
    let rest = text.strip_prefix('\\')?;
    let code = |from: usize, length: usize| {
        let digits = text.get(from..from + length)?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    };
    let character = |code: u32, length: usize| Some((Unit::Char(char::from_u32(code)?), length));
    let short = |character: char| Some((Unit::Char(character), 2));
    match rest.chars().next()? {
        'n' => short('\n'),
        't' => short('\t'),
        'r' => short('\r'),
        '0' => short('\0'),
        sign @ ('\\' | '\'' | '"' | '/') => short(sign),
        'x' => Some((Unit::Byte(u8::try_from(code(2, 2)?).ok()?), 4)),
        'u' if rest.starts_with("u{") => {
            let end = rest.bytes().take(9).position(|byte| byte == b'}')?;
            character(code(3, end.checked_sub(2)?)?, end + 2)
        }
        'u' => match code(2, 4)? {
            half @ 0xD800..=0xDFFF => Some((Unit::Surrogate(half as u16), 6)),
            code => character(code, 6),
        },
        'U' => character(code(2, 8)?, 10),
        _ => None,
    }
}

/// Reads an escape of a URL.
fn percent(text: &str) -> Option<(Unit, usize)> {
    if text.starts_with('+') {
        return Some((Unit::Char(' '), 1));
    }
    let digits = text.strip_prefix('%')?.get(..2)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| Some((Unit::Byte(u8::from_str_radix(digits, 16).ok()?), 3)))?
}
