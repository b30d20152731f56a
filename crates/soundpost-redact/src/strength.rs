//! Strength of values: what looks issued by a machine, chosen as a password, or made of words.

/// Maximum bytes of a password that a person chooses.
const PASSWORD_BYTES: usize = 40;

/// Returns whether this has letters and digits in no order of words and numbers, as keys have.
pub(crate) fn is_random(text: &[u8]) -> bool {
    let count = |belongs: fn(&u8) -> bool| text.iter().filter(|byte| belongs(byte)).count();
    text.len() >= 6
        && count(u8::is_ascii_digit) >= 2
        && count(u8::is_ascii_alphabetic) >= 2
        && !is_words(text)
}

/// Returns whether a run is a name made of words and short numbers, as models and options have.
pub(crate) fn is_words(run: &[u8]) -> bool {
    let long = |word: &&[u8]| word.len() >= 4 && word[1..4].iter().all(u8::is_ascii_lowercase);
    let words = run.split(|byte| !byte.is_ascii_alphanumeric());
    let (mut count, mut letters) = (0, 0);
    for word in words.clone().skip(1).filter(long) {
        (count, letters) = (count + 1, letters + word.len());
    }
    let lower = !run.iter().any(u8::is_ascii_uppercase);
    (count > 1 || count == 1 && lower) && letters * 5 >= run.len() && words.clone().all(is_word)
}

/// Returns whether this is a word, an abbreviation or a short number: `Large`, `MiniLM`, `ZH`, `v2`, `0507`, `gpt4o`, `7B`.
fn is_word(word: &[u8]) -> bool {
    let turns = |from: fn(&u8) -> bool, to: fn(&u8) -> bool| {
        word.windows(2).filter(|pair| from(&pair[0]) && to(&pair[1])).count()
    };
    let letters = word.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    let capitals = word.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let numbered = letters + digits == word.len() && digits <= 3;
    match (word.len(), capitals) {
        (length, _) if capitals == length && (2..=5).contains(&length) => true,
        (1..=4, 0) => true,
        (5..=8, 0) if digits <= 2 && turns(u8::is_ascii_alphabetic, u8::is_ascii_digit) == 1 => true,
        (1..=4, 1) if letters == 0 => word.ends_with(b"B"),
        (1..=24, 0) => letters > 0 && numbered,
        (1..=24, 1) if word[0].is_ascii_uppercase() => numbered,
        (6..=24, _) => {
            let capitalised = turns(u8::is_ascii_lowercase, u8::is_ascii_uppercase);
            numbered && capitalised * 4 <= letters && capitals * 2 <= letters + 2
        }
        _ => false,
    }
}

/// Returns whether this looks issued by a machine: long, with letters and digits in turn. UUIDs are names of records.
pub(crate) fn is_issued(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    let kind = |byte: u8| match byte {
        b'0'..=b'9' => 1,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' => 3,
        _ => 0,
    };
    let turn = |pair: &[u8]| {
        let (one, next) = (kind(pair[0]), kind(pair[1]));
        one != next && one * next > 0 && (one, next) != (3, 2)
    };
    let longest = text.split(|byte| !byte.is_ascii_alphanumeric()).map(<[u8]>::len).max().unwrap_or_default();
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-.~%:|".contains(byte);
    let named = longest < 12 && text.contains(&b'-') && !text.iter().any(u8::is_ascii_uppercase);
    let turns = text.windows(2).filter(|pair| turn(pair)).count();
    text.len() >= ISSUED_BYTES
        && (turns * 9 >= text.len() * 2 && is_random(text) || is_scrambled(text))
        && !named
        && text.iter().all(belongs)
        && !is_uuid(text)
}

/// Returns whether this is of small letters and capitals in no order of words, as long keys with few digits are.
fn is_scrambled(text: &[u8]) -> bool {
    let count = |belongs: fn(&[u8]) -> bool| text.windows(2).filter(|pair| belongs(pair)).count();
    let capitals = text.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let beside = count(|pair| pair.iter().all(u8::is_ascii_uppercase));
    let raised = count(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    text.len() >= 20 && beside * 4 >= capitals && raised * 8 >= text.len() && !is_words(text)
}

/// Fewest bytes of a value that a machine issues.
const ISSUED_BYTES: usize = 16;

/// Returns whether this is a UUID.
pub(crate) fn is_uuid(text: &[u8]) -> bool {
    let parts = text.split(|byte| *byte == b'-').map(<[u8]>::len);
    parts.eq([8, 4, 4, 4, 12]) && text.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
}

/// Returns whether this looks chosen as a password: a sign among letters, with digits or capitals.
pub(crate) fn is_password(text: &[u8]) -> bool {
    let has = |belongs: fn(&u8) -> bool| text.iter().any(belongs);
    let fits = (6..=PASSWORD_BYTES).contains(&text.len())
        && text[0] != b'/'
        && !has(|byte| {
            matches!(byte, b'=' | b'<' | b'>' | b'{' | b'}' | b'|' | b'"' | b'(' | b')' | b'[' | b'\\')
        })
        && text.iter().filter(|byte| byte.is_ascii_alphabetic()).count() >= 2
        && ["://", "**", "...", "::", "%2"].iter().all(|part| !contains(text, part.as_bytes()));
    let strange = has(u8::is_ascii_digit) || has(u8::is_ascii_uppercase);
    let within = 1 + usize::from(text.starts_with(b"$"));
    let signs = |sign: &&[u8]| text[within.min(text.len())..].iter().any(|byte| sign.contains(byte));
    let sure = b"!$^*&".as_slice();
    fits && strange
        && (signs(&sure)
            || split_at(text, b'@').is_some_and(is_leet)
            || split_at(text, b'#').is_some_and(is_tag))
}

/// Returns the parts around the first sign.
fn split_at(text: &[u8], sign: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == sign)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Returns whether the sign `@` is one of a password, and not of an address, a host or a version.
fn is_leet((before, behind): (&[u8], &[u8])) -> bool {
    let digits = behind.iter().filter(|byte| byte.is_ascii_digit()).count();
    let inner = behind.windows(3).any(|part| {
        part[0].is_ascii_alphabetic() && part[1].is_ascii_digit() && part[2].is_ascii_alphabetic()
    });
    let capital = before.iter().chain(behind).any(u8::is_ascii_uppercase);
    let host = behind.iter().any(|byte| matches!(byte, b'.' | b'-' | b':' | b'/'));
    !before.is_empty()
        && !host
        && (digits == behind.len() && digits > 2 || inner || capital || behind.contains(&b'_'))
}

/// Returns whether the sign `#` is one of a password, and not before a number of a thing: `worker#3`.
fn is_tag((before, behind): (&[u8], &[u8])) -> bool {
    let number = behind.len() < 4 && behind.iter().all(u8::is_ascii_digit);
    let thing = number && before.iter().all(u8::is_ascii_lowercase);
    !before.is_empty() && !thing
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Returns whether this is issued, chosen, or of small letters, capitals and digits alone, as short passwords are.
pub(crate) fn is_likely(text: &[u8]) -> bool {
    let has = |belongs: fn(&u8) -> bool| text.iter().any(belongs);
    let mixed = text.len() >= 8
        && text.iter().all(u8::is_ascii_alphanumeric)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_digit);
    mixed || is_password(text) || is_issued(text)
}

/// Returns whether this has small letters, capitals and digits, as chosen passwords have, and is no path, address or sentence.
pub(crate) fn is_mixed(text: &[u8]) -> bool {
    let has = |belongs: fn(&u8) -> bool| text.iter().any(belongs);
    (6..=PASSWORD_BYTES).contains(&text.len())
        && text.iter().all(|byte| byte.is_ascii_graphic() && !b"/:=(){}[]<>|\\\"'".contains(byte))
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has_digit(text)
}

/// Returns whether this has a digit.
pub(crate) fn has_digit(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_digit)
}
