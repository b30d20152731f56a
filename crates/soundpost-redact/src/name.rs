//! Classes of names: of secrets, of texts to synthesise, and others.
//!
//! A name is split into words at each sign, at changes of case, and before the words of secrets. So `X-Api-Key`,
//! `apiKey`, `APIKEY` and `API key` are one name, and `max_tokens`, `token_count` and `author` are other names.

mod lists;
#[cfg(test)]
mod tests;
mod words;

use lists::*;
use words::Words;

/// Class of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Plain,
    /// Secret if the value looks random.
    Weak,
    /// Secret if the value looks issued by a machine.
    Issued,
    /// Secret, or a number of a person.
    Secret,
    /// Header whose whole line is secret.
    Header,
    /// Text to synthesise.
    Text,
}

/// Lengths, as bits, of the words that decide about a name, by their first letter. Most names have none of them.
const NOTABLE: [u32; 26] = {
    let mut lengths = [0; 26];
    #[rustfmt::skip]
    let rest: List = &[
        "token", "tokens", "key", "keys", "id", "value", "header", "string", "pass", "input", "card",
        "number", "no", "phone", "word", "phrase", "code", "codes", "seed", "ticket", "subscription",
        "license", "certificate", "salt",
    ];
    let lists = [STRONG, LAST, WEAK, TEXT, TEXT_ALONE, TEXT_PART, rest];
    let mut list = 0;
    while list < lists.len() {
        let mut word = 0;
        while word < lists[list].len() {
            let bytes = lists[list][word].as_bytes();
            lengths[(bytes[0] - b'a') as usize] |= 1 << bytes.len();
            word += 1;
        }
        list += 1;
    }
    lengths
};

fn is_notable(word: &[u8]) -> bool {
    let letter = word.first().map_or(0, |first| first.wrapping_sub(b'a'));
    let lengths = NOTABLE.get(usize::from(letter)).copied().unwrap_or_default();
    word.len() < 32 && lengths >> word.len() & 1 == 1
}

/// Returns whether values of this name are texts to synthesise.
pub fn is_text_name(name: &str) -> bool {
    class(name) == Class::Text
}

/// Returns the class of a name.
pub(crate) fn class(name: &str) -> Class {
    let unnumbered = without_number(name);
    let unnumbered = unnumbered.trim_end_matches(['”', '」', '』', '】']);
    if unnumbered.ends_with(|last: char| !last.is_ascii()) {
        // `加密密钥（AES）`
        let unnumbered = unnumbered
            .strip_suffix('）')
            .and_then(|name| name.rsplit_once('（'))
            .map_or(unnumbered, |(name, _)| name);
        let mut name = unnumbered;
        while let Some(shorter) = CHINESE_TAIL.iter().find_map(|tail| name.strip_suffix(tail)) {
            name = shorter;
        }
        let ends = |list: List| list.iter().any(|known| name.ends_with(known));
        return match () {
            () if ends(CHINESE) => Class::Secret,
            () if ends(CHINESE_TEXT) || unnumbered.ends_with("文本内容") => Class::Text,
            () => Class::Plain,
        };
    }
    let words = Words::of(name);
    if !words.iter().any(is_notable) {
        return Class::Plain;
    }
    let variants = (0..2).take_while(|nth| is(VARIANTS, words.back(*nth))).count();
    let last = words.back(variants);
    let strong = words.iter().any(|word| is(STRONG, word));
    if strong && !is(HARMLESS, last) && !matches!(words.back(1), b"existing") {
        let header = words.iter().any(|word| matches!(word, b"authorization" | b"cookie"));
        return if header { Class::Header } else { Class::Secret };
    }
    let before = words.back(variants + 1);
    let secret = match last {
        b"token" => !is(MODEL, before),
        b"tokens" => is(ISSUED, before),
        // Variables such as `AZURE_SPEECH_KEY`.
        b"key"
            if !before.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') =>
        {
            return if KEYS.iter().any(|known| before.ends_with(known.as_bytes())) {
                Class::Secret
            } else {
                Class::Weak
            };
        }
        b"key" | b"keys" => KEYS.iter().any(|known| before.ends_with(known.as_bytes())),
        b"pass" => is(USERS, before),
        b"id" if before == b"key" => words.back(variants + 2) == b"access",
        b"value" | b"header" | b"string" => before == b"token",
        _ => is(LAST, last),
    };
    let pair = |(first, second): &(&str, &str)| {
        last == second.as_bytes()
            && (before == first.as_bytes() || first.len() > 3 && before.ends_with(first.as_bytes()))
    };
    if secret || PERSONAL.iter().any(pair) {
        return Class::Secret;
    }
    if is(WEAK, last) {
        return Class::Weak;
    }
    let issued = match last {
        b"key" | b"keys" => !is(PLAIN_KEYS, before),
        b"certificate" => before == b"app",
        b"subscription" | b"license" => before.is_empty(),
        b"seed" => matches!(before, b"private" | b"wallet" | b"key"),
        _ => matches!(last, b"code" | b"ticket" | b"salt"),
    };
    if issued {
        return Class::Issued;
    }
    let text = match last {
        b"input" => is(INPUT, before),
        b"value" if before == b"input" => true,
        b"list" if before == b"tokens" => words.back(2) == b"text",
        _ if is(TEXT_PART, last) && (is(TEXT, before) && before != b"prompt") => true,
        _ if is(TEXT_ALONE, last) => before.is_empty(),
        _ => is(TEXT, last) && !is(TOLD, before),
    };
    if text && !strong { Class::Text } else { Class::Plain }
}

/// Returns whether the words before this last word of a name decide about it.
pub(crate) fn ends_phrase(name: &str) -> bool {
    LAST_OF_PHRASE.iter().any(|last| name.eq_ignore_ascii_case(last))
}

/// Returns whether this is the name of tokens, of a language model or issued ones: their values decide.
pub(crate) fn is_tokens(name: &str) -> bool {
    let words = Words::of(name);
    words.back(0) == b"tokens" && !is(ISSUED, words.back(1)) && !is(MODEL, words.back(1))
}

/// Returns whether people choose the values under this name, so that an ordinary word may be a secret.
pub(crate) fn is_chosen(name: &str) -> bool {
    let words = Words::of(name);
    let last = words.back(0);
    !is(LAST_OF_PHRASE, last) && !last.starts_with(b"token") && words.iter().any(|word| is(CHOSEN, word))
        || ["密码", "口令"].iter().any(|word| name.contains(word))
}

/// Returns whether words under this name are methods or states: `auth=SIMPLE`.
pub(crate) fn is_method(name: &str) -> bool {
    is(LAST, Words::of(name).back(0))
}

/// Returns whether a number under this name is a count or an id of a model: `second pass: 3`, `token: 17`, `cookies: 3`.
pub(crate) fn counts(name: &str, number: u64) -> bool {
    let is = |word: &str| without_number(name).eq_ignore_ascii_case(word);
    let plural = name.ends_with('s') && !name.ends_with("ss");
    number < 10 || is("pass") && number < 1000 || is("token") && number < 200_000 || plural && number < 10_000
}

/// Returns the name without the number at its end.
fn without_number(name: &str) -> &str {
    name.trim_end_matches(|last: char| last.is_ascii_digit() || matches!(last, '_' | '-'))
}

/// Returns whether this is the name of a mobile number.
pub(crate) fn is_phone(name: &str) -> bool {
    let unnumbered = without_number(name);
    is(PHONES, Words::of(name).back(0)) || CHINESE_PHONES.iter().any(|known| unnumbered.ends_with(known))
}

/// Returns whether this is the name of a telephone number alone.
pub(crate) fn is_telephone(name: &str) -> bool {
    ["phone", "mobile", "tel", "msisdn", "whatsapp"]
        .iter()
        .any(|known| name.to_ascii_lowercase().ends_with(known))
}

/// Returns whether this is the name of a size, a count or a time.
pub(crate) fn is_measure(name: &str) -> bool {
    Words::of(name).iter().any(|word| is(MEASURES, word))
        || CHINESE_MEASURES.iter().any(|known| name.contains(known))
}

/// Returns whether this is the name of an id that is none of a person, or of a place in a sequence.
pub(crate) fn is_ordinal(name: &str) -> bool {
    let words = Words::of(name);
    is(ORDINALS, words.back(0)) && !words.iter().any(|word| is(PERSONS, word))
        || CHINESE_ORDINALS.iter().any(|known| name.ends_with(known)) && !name.contains("用户")
        || name.ends_with('号')
            && !["机", "话", "账", "帐", "户", "卡"].iter().any(|known| name.contains(known))
}

/// Returns whether this names a person or a telephone, whose number may follow.
pub(crate) fn is_person(name: &str) -> bool {
    is_phone(name) || Words::of(name).iter().any(|word| is(PERSONS, word))
}

/// Returns whether this is a word for a thing, so that its number follows: `items 13912345678`.
pub(crate) fn is_noun(word: &str) -> bool {
    let words = Words::of(word);
    word.is_ascii() && !words.back(0).is_empty() && !is(PARTICLES, words.back(0))
}

/// Returns whether this is a unit of a measure.
pub(crate) fn is_unit(word: &[u8]) -> bool {
    is(UNITS, word)
}

/// Returns whether a Chinese unit of a measure begins here.
pub(crate) fn is_chinese_unit(behind: &[u8]) -> bool {
    CHINESE_UNITS.iter().any(|unit| behind.starts_with(unit.as_bytes()))
}

/// Returns whether words of a text before a number are about a size, a count or a time.
pub(crate) fn mentions_measure(context: &str) -> bool {
    mentions(context, 4, MEASURES, CHINESE_MEASURES)
}

/// Returns whether words of a text before a number are about a telephone.
pub(crate) fn mentions_phone(context: &str) -> bool {
    mentions(context, 3, PHONES, CHINESE_PHONES)
}

fn mentions(context: &str, letters: usize, words: List, chinese: List) -> bool {
    let word = |word: &str| word.len() >= letters && Words::of(word).iter().any(|word| is(words, word));
    context.split(|letter: char| !letter.is_ascii_alphabetic()).any(word)
        || chinese.iter().any(|known| context.contains(known))
}

/// Call whose arguments are credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// The second argument is a secret, whatever it looks like.
    Credentials,
    /// Arguments that look like secrets are.
    Client,
    /// The same of a type that is no client.
    Type,
    /// The argument is a secret if it looks random.
    Secret,
}

/// Returns how a function, or a type that is called, takes credentials.
pub(crate) fn call(path: &str) -> Option<Call> {
    let mut parts = path.rsplit('.');
    let mut name = parts.next().unwrap_or_default();
    if matches!(name, "new" | "encode" | "decode") {
        name = parts.next().filter(|module| matches!(*module, "jwt" | "hmac"))?;
    }
    let type_name = name.starts_with(|first: char| first.is_ascii_uppercase());
    let words = Words::of(name);
    let (last, before, count) = (words.back(0), words.back(1), words.iter().count());
    let first = words.back(count.saturating_sub(1));
    if is(READERS, first) && !(first == b"get" && last == b"connection") {
        return None;
    }
    let credentials = is(LOGINS, last) || is(LOGINS, before) || is(STRONG, last);
    let client = is(CLIENTS, last) || name == "S3";
    let other = type_name && !words.iter().any(|word| is(VALUES, word));
    let sets = type_name || count == 1 || matches!(first, b"set" | b"with" | b"use");
    match () {
        () if credentials && name.is_ascii() => Some(Call::Credentials),
        () if sets && class(name) == Class::Secret => Some(Call::Secret),
        () if client => Some(Call::Client),
        () if other && name.len() > 2 => Some(Call::Type),
        () => None,
    }
}

/// Returns whether the word before a value names a record, a hash or a file, which have ids that look issued.
pub(crate) fn is_record(word: &str) -> bool {
    let words = Words::of(word);
    is(RECORDS, words.back(0)) || is(ORDINALS, words.back(0)) || word.contains('.')
}

/// Returns whether the last words before a value name a record, in Chinese.
pub(crate) fn is_chinese_record(context: &str) -> bool {
    let context = context.trim_end_matches([' ', ':', '：', '=', '(', '（', '“', '「', '"']);
    CHINESE_RECORDS.iter().chain(CHINESE_ORDINALS).any(|known| context.ends_with(known))
}

/// Returns whether a key of this kind is a place in a table, and no secret.
pub(crate) fn is_plain_key(before: &str) -> bool {
    let words = Words::of(before);
    is(PLAIN_KEYS, words.back(0))
        || ["缓存", "主键", "分区", "索引"].iter().any(|known| before.ends_with(known))
}

/// Returns whether this word alone is about credentials.
pub(crate) fn is_credential(word: &str) -> bool {
    CREDENTIALS.contains(&word)
}

/// Returns whether words of a name are about a table or a cache.
pub(crate) fn mentions_record(name: &str) -> bool {
    Words::of(name).iter().any(|word| is(PLAIN_KEYS, word) || is(LOOKUPS, word))
}

/// Returns whether this is the name of a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    matches!(class(name), Class::Secret | Class::Weak | Class::Issued)
}

/// Returns whether this names several secrets.
pub(crate) fn is_list(name: &str) -> bool {
    name.ends_with('s') && !name.ends_with("ss") || ["列表", "清单"].iter().any(|list| name.ends_with(list))
}

/// Returns whether a user and a password may follow this name.
pub(crate) fn is_account(name: &str) -> bool {
    matches!(Words::of(name).back(0), b"credentials" | b"credential" | b"creds")
}

/// Returns whether several words may be one value under this name.
pub(crate) fn is_phrase(name: &str) -> bool {
    matches!(Words::of(name).back(0), b"passphrase" | b"phrase" | b"mnemonic") && class(name) == Class::Secret
}

/// Returns whether this word joins the others of a sentence, which is no phrase then.
pub(crate) fn joins_sentence(word: &str) -> bool {
    JOINING.contains(&word)
}

/// Returns whether this is the path of a type or a function that returns its argument: `Some`, `SecretString::from`.
pub(crate) fn is_wrapper(path: &str) -> bool {
    let mut parts = path.rsplit(['.', ':']).filter(|part| !part.is_empty());
    let is_type = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_uppercase())
            && part.bytes().any(|byte| byte.is_ascii_lowercase())
            && !Words::of(part).iter().any(|word| is(LOOKED_UP, word) || is(READERS, word))
    };
    let last = parts.next().unwrap_or_default();
    is_type(last)
        || matches!(last, "bytes" | "bytearray" | "str")
        || is(MAKERS, last.as_bytes()) && parts.next().is_some_and(is_type)
}

/// Returns whether this is a word for a secret, and nothing else.
pub(crate) fn is_secret_word(word: &str) -> bool {
    is(STRONG, word.as_bytes()) || matches!(word, "token" | "key")
}

/// Returns whether a text has a Chinese word for a secret.
pub(crate) fn mentions_secret(context: &str) -> bool {
    !context.is_ascii() && CHINESE_SECRETS.iter().any(|known| context.contains(known))
}

/// Returns whether the words behind a Chinese word for a secret make it one for a thing: `令牌桶`, `密钥文件`.
pub(crate) fn begins_noun(behind: &str) -> bool {
    CHINESE_THINGS.iter().any(|thing| behind.trim_start().starts_with(thing))
}

/// Returns whether words before a value end as an assignment: `修改为`, `输入：`.
pub(crate) fn ends_as_particle(gap: &str) -> bool {
    let gap = gap.trim_end_matches([' ', '"', '\'', '`']);
    gap.ends_with(['是', '为', '成', '值', '：', ':', '=', '＝', '“', '「', '『', '【', '→', '[', '['])
}

/// Returns the text without a particle at its end.
pub(crate) fn without_particle(gap: &str) -> Option<&str> {
    CHINESE_TAIL.iter().find_map(|tail| gap.strip_suffix(tail))
}

fn is(list: List, word: &[u8]) -> bool {
    list.iter().any(|known| known.as_bytes() == word)
}
