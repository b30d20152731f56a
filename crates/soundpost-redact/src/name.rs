//! Names: which of them say that what stands under them is a secret, or text to synthesise.
//!
//! A name is split into words at everything that is neither letter nor digit and where its case changes, so that
//! `X-Api-Key`, `api_key`, `apiKey` and `API key` are one, and `max_tokens`, `token_count` and `author` are none.

mod lists;
#[cfg(test)]
mod tests;
mod words;

use lists::{
    CHINESE, CHINESE_TEXT, HARMLESS, INPUT, KEYS, LAST, List, MEASURES, MODEL, PERSONAL, PHONES, STRONG,
    TEXT, TEXT_ALONE, TEXT_PART, TOLD, USERS,
};
use words::Words;

/// What a name says about its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Plain,
    /// A secret, or a number that is a person's alone.
    Secret,
    /// A header whose whole line is one.
    Header,
    /// Text to synthesise.
    Text,
}

/// Words that may make a name one of the above, as bits of their lengths by first letter: most names have none.
const NOTABLE: [u32; 26] = {
    let mut lengths = [0; 26];
    let rest: List = &["token", "key", "id", "value", "header", "string", "pass", "input"];
    let lists = [STRONG, LAST, TEXT, TEXT_ALONE, TEXT_PART, rest];
    let mut list = 0;
    while list < lists.len() {
        let mut word = 0;
        while word < lists[list].len() {
            note(&mut lengths, lists[list][word]);
            word += 1;
        }
        list += 1;
    }
    let mut pair = 0;
    while pair < PERSONAL.len() {
        note(&mut lengths, PERSONAL[pair].1);
        pair += 1;
    }
    lengths
};

const fn note(lengths: &mut [u32; 26], word: &str) {
    lengths[(word.as_bytes()[0] - b'a') as usize] |= 1 << word.len();
}

fn is_notable(word: &[u8]) -> bool {
    let letter = word.first().map_or(0, |first| first.wrapping_sub(b'a'));
    let lengths = NOTABLE.get(usize::from(letter)).copied().unwrap_or_default();
    word.len() < 32 && lengths >> word.len() & 1 == 1
}

/// What a name says about its value.
pub(crate) fn class(name: &str) -> Class {
    let unnumbered = without_number(name);
    if unnumbered.ends_with(|last: char| !last.is_ascii()) {
        let is_one_of = |list: List| list.iter().any(|known| unnumbered.ends_with(known));
        if is_one_of(CHINESE) {
            return Class::Secret;
        }
        return if is_one_of(CHINESE_TEXT) { Class::Text } else { Class::Plain };
    }
    let words = Words::of(name);
    if !words.iter().any(is_notable) {
        return Class::Plain;
    }
    let last = words.back(0);
    if words.iter().any(|word| is(STRONG, word)) && !is(HARMLESS, last) {
        let header = words.iter().any(|word| matches!(word, b"authorization" | b"cookie" | b"setcookie"));
        return if header { Class::Header } else { Class::Secret };
    }
    let before = words.back(1);
    let secret = match last {
        b"token" => !is(MODEL, before),
        b"key" => is(KEYS, before),
        b"pass" => is(USERS, before),
        b"id" if before == b"key" => words.back(2) == b"access",
        b"value" | b"header" | b"string" => before == b"token",
        _ => is(LAST, last),
    };
    if secret
        || PERSONAL.iter().any(|(first, second)| before == first.as_bytes() && last == second.as_bytes())
    {
        return Class::Secret;
    }
    let text = match last {
        b"input" => is(INPUT, before),
        b"value" if before == b"input" => true,
        b"list" if before == b"tokens" => words.back(2) == b"text",
        _ if is(TEXT_PART, last) && (is(TEXT, before) && before != b"prompt") => true,
        _ if is(TEXT_ALONE, last) => before.is_empty(),
        _ => is(TEXT, last) && !is(TOLD, before),
    };
    if text { Class::Text } else { Class::Plain }
}

/// Whether a number under this name counts something, or is an id of a model's: `second pass: 3`, `token: 17`. Codes that
/// somebody is sent have six digits.
pub(crate) fn counts(name: &str, number: u64) -> bool {
    let is = |word: &str| without_number(name).eq_ignore_ascii_case(word);
    is("pass") && number < 1000 || is("token") && number < 100_000
}

/// A name without the number at its end.
fn without_number(name: &str) -> &str {
    name.trim_end_matches(|last: char| last.is_ascii_digit() || matches!(last, '_' | '-'))
}

/// Whether what stands under this name is somebody's number, where it looks like one.
pub(crate) fn is_phone(name: &str) -> bool {
    let unnumbered = without_number(name);
    is(PHONES, Words::of(name).back(0)) || ["手机", "电话"].iter().any(|known| unnumbered.ends_with(known))
}

/// Whether what stands under this name is a size or a time, which a long number under it then is.
pub(crate) fn is_measure(name: &str) -> bool {
    Words::of(name).iter().any(|word| is(MEASURES, word))
}

fn is(list: List, word: &[u8]) -> bool {
    list.iter().any(|known| known.as_bytes() == word)
}
