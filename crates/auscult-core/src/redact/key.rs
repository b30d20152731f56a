//! Names: which of them say that what stands under them is a secret, or text to synthesise.
//!
//! A name is split into words at everything that is neither letter nor digit and where its case changes, so that
//! `X-Api-Key`, `api_key`, `apiKey` and `API key` are one, and `max_tokens`, `token_count` and `author` are none.

/// What a name says about its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Plain,
    /// A secret, or a number that is a person's alone.
    Secret,
    /// A header whose whole line is one.
    Header,
    /// Text to synthesise.
    Text,
}

/// Of a longer name the end counts, bytes.
const NAME: usize = 96;
/// Of a name of more words the last count.
const WORDS: usize = 12;

type List = &'static [&'static str];

/// Anywhere in a name; see [`HARMLESS`].
const STRONG: List = &[
    "password",
    "passwords",
    "passwd",
    "pwd",
    "passphrase",
    "passcode",
    "secret",
    "secrets",
    "credential",
    "credentials",
    "creds",
    "authorization",
    "cookie",
    "cookies",
    "setcookie",
    "apikey",
    "apikeys",
    "apitoken",
    "accesskey",
    "secretkey",
    "privatekey",
    "authtoken",
    "accesstoken",
    "refreshtoken",
    "idcard",
    "ssn",
    "cvv",
    "cvc",
];
/// The last word behind one of [`STRONG`]: how long a secret is, or where it lies, is none.
const HARMLESS: List = &[
    "ok",
    "len",
    "length",
    "size",
    "count",
    "bytes",
    "age",
    "ttl",
    "limit",
    "expires",
    "expiry",
    "file",
    "path",
    "dir",
    "directory",
    "name",
    "names",
    "type",
    "kind",
    "scheme",
    "method",
    "policy",
    "state",
    "status",
    "valid",
    "invalid",
    "error",
    "errors",
    "failed",
    "missing",
    "present",
    "enabled",
    "disabled",
    "required",
    "changed",
    "attempts",
];
/// As the last word.
const LAST: List = &["auth", "bearer", "jwt", "otp", "totp", "csrf", "xsrf", "signature"];
/// In front of `token`: words of language models.
const MODEL: List = &[
    "eos", "bos", "sos", "eot", "pad", "unk", "sep", "cls", "mask", "stop", "start", "begin", "first",
    "last", "next", "previous", "current", "special", "text", "speech", "audio", "image", "prompt", "input",
    "output", "decoder", "language", "lang", "task", "per", "each", "num", "max", "min", "single",
];
/// In front of `key`.
const KEYS: List = &[
    "api",
    "access",
    "secret",
    "private",
    "ssh",
    "rsa",
    "aes",
    "hmac",
    "auth",
    "app",
    "admin",
    "master",
    "shared",
    "client",
    "deploy",
    "signing",
    "signature",
    "encryption",
    "account",
    "license",
    "service",
    "storage",
    "webhook",
    "subscription",
];
/// In front of `pass`.
const USERS: List =
    &["", "user", "db", "smtp", "mail", "ftp", "redis", "mysql", "pg", "admin", "root", "key"];
/// Two last words that are a person's number together.
const PERSONAL: [(&str, &str); 14] = [
    ("id", "card"),
    ("identity", "card"),
    ("card", "number"),
    ("card", "no"),
    ("bank", "card"),
    ("credit", "card"),
    ("resident", "id"),
    ("national", "id"),
    ("id", "number"),
    ("phone", "number"),
    ("mobile", "number"),
    ("mobile", "phone"),
    ("cell", "phone"),
    ("pass", "word"),
];
/// The last word of names of text to synthesise.
const TEXT: List = &[
    "text",
    "texts",
    "prompt",
    "prompts",
    "ttstext",
    "prompttext",
    "sentence",
    "sentences",
    "utterance",
    "utterances",
    "transcript",
    "transcripts",
    "transcription",
    "instruct",
    "instruction",
    "instructions",
    "ssml",
    "lyrics",
];
/// In front of it: a text that says what happened.
const TOLD: List = &[
    "error",
    "exception",
    "warning",
    "status",
    "reason",
    "message",
    "log",
    "help",
    "alt",
    "label",
    "button",
];
/// Names in Chinese end so.
const CHINESE: List = &[
    "密码",
    "口令",
    "密钥",
    "私钥",
    "令牌",
    "身份证",
    "身份证号",
    "身份证号码",
    "手机号",
    "手机号码",
    "卡号",
];
/// As the last word of the name of a mobile number.
const PHONES: List = &["phone", "mobile", "tel", "telephone", "cellphone", "msisdn", "phones", "mobiles"];
/// Names of what a long number measures.
const MEASURES: List = &[
    "bytes",
    "byte",
    "size",
    "memory",
    "mem",
    "total",
    "used",
    "free",
    "allocated",
    "reserved",
    "limit",
    "length",
    "offset",
    "samples",
    "tokens",
    "frames",
    "nanos",
    "ns",
    "us",
    "ms",
    "time",
    "timestamp",
    "ts",
    "seed",
];
/// Words that may make a name one of the above, as bits of their lengths by first letter: most names have none.
const NOTABLE: [u32; 26] = {
    let mut lengths = [0; 26];
    let lists = [STRONG, LAST, TEXT, &["token", "key", "id", "value", "header", "string", "pass"]];
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
pub(super) fn class(name: &str) -> Class {
    let unnumbered = without_number(name);
    if unnumbered.ends_with(|last: char| !last.is_ascii()) {
        let secret = CHINESE.iter().any(|known| unnumbered.ends_with(known));
        return if secret { Class::Secret } else { Class::Plain };
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
    if is(TEXT, last) && !is(TOLD, before) { Class::Text } else { Class::Plain }
}

/// A name without the number at its end.
fn without_number(name: &str) -> &str {
    name.trim_end_matches(|last: char| last.is_ascii_digit() || matches!(last, '_' | '-'))
}

/// Whether what stands under this name is somebody's number, where it looks like one.
pub(super) fn is_phone(name: &str) -> bool {
    let unnumbered = without_number(name);
    is(PHONES, Words::of(name).back(0)) || ["手机", "电话"].iter().any(|known| unnumbered.ends_with(known))
}

/// Whether what stands under this name is a size or a time, which a long number under it then is.
pub(super) fn is_measure(name: &str) -> bool {
    Words::of(name).iter().any(|word| is(MEASURES, word))
}

fn is(list: List, word: &[u8]) -> bool {
    list.iter().any(|known| known.as_bytes() == word)
}

/// The last words of a name, in lower case and without the digits at their ends.
struct Words {
    bytes: [u8; NAME],
    spans: [(u8, u8); WORDS],
    /// How many of them there are, oldest overwritten.
    count: usize,
}

impl Words {
    fn of(name: &str) -> Self {
        let name = name.as_bytes();
        let name = &name[name.len().saturating_sub(NAME)..];
        let mut words = Self { bytes: [0; NAME], spans: [(0, 0); WORDS], count: 0 };
        let mut start = 0;
        for (at, byte) in name.iter().enumerate() {
            words.bytes[at] = byte.to_ascii_lowercase();
            let before = if at > start { name[at - 1] } else { b' ' };
            let next_is_lower = name.get(at + 1).is_some_and(u8::is_ascii_lowercase);
            let turn = byte.is_ascii_uppercase()
                && (before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || before.is_ascii_uppercase() && next_is_lower);
            if !byte.is_ascii_alphanumeric() {
                words.push(start, at);
                start = at + 1;
            } else if turn {
                words.push(start, at);
                start = at;
            }
        }
        words.push(start, name.len());
        words
    }

    fn push(&mut self, start: usize, mut end: usize) {
        while end > start && self.bytes[end - 1].is_ascii_digit() {
            end -= 1;
        }
        if end > start {
            self.spans[self.count % WORDS] = (start as u8, end as u8);
            self.count += 1;
        }
    }

    /// The `nth` word from the end; empty where there is none.
    fn back(&self, nth: usize) -> &[u8] {
        if nth >= self.count.min(WORDS) {
            return &[];
        }
        let (start, end) = self.spans[(self.count - nth - 1) % WORDS];
        &self.bytes[usize::from(start)..usize::from(end)]
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.count.min(WORDS)).map(|nth| self.back(nth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_every_spelling() {
        for name in [
            "password",
            "Password",
            "PASSWORD",
            "db_password",
            "dbPassword",
            "password2",
            "passwd",
            "pwd",
            "client_secret",
            "clientSecret",
            "SECRET_KEY",
            "aws_secret_access_key",
            "AccessKeyId",
            "token",
            "access_token",
            "accessToken",
            "hf_token",
            "HF_TOKEN",
            "X-Auth-Token",
            "api_key",
            "apikey",
            "apiKey",
            "X-Api-Key",
            "API key",
            "OPENAI_API_KEY",
            "private_key",
            "id_card",
            "idCard",
            "ID_NUMBER",
            "credential",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "jwt",
            "basic_auth",
            "credit_card",
            "phone_number",
            "密码",
            "用户密码",
            "身份证号",
            "密码2",
            "密码_2",
        ] {
            assert_eq!(class(name), Class::Secret, "{name}");
        }
        for name in ["Authorization", "proxy-authorization", "cookie", "Set-Cookie", "set_cookie"] {
            assert_eq!(class(name), Class::Header, "{name}");
        }
    }

    #[test]
    fn names_of_text_are_known() {
        for name in ["text", "tts_text", "ttsText", "prompt", "prompt_text", "input_text", "emo_text", "ssml"]
        {
            assert_eq!(class(name), Class::Text, "{name}");
        }
    }

    #[test]
    fn other_names_stay() {
        for name in [
            "",
            "_",
            "1",
            "token_count",
            "max_tokens",
            "tokens",
            "tokenizer",
            "eos_token",
            "time_per_token",
            "author",
            "authority",
            "key",
            "keys",
            "monkey",
            "public_key",
            "cache_key",
            "passed",
            "bypass_cache",
            "compass",
            "secretary",
            "password_length",
            "token_file",
            "password_file",
            "cookie_count",
            "text_length",
            "context",
            "prompt_wav",
            "error_text",
            "duration_ms",
            "emotion",
            "card",
            "id",
            "phone",
            "phones",
            "char_count",
            "cookiecutter",
            "文本",
            "情感",
            "情感2",
        ] {
            assert_eq!(class(name), Class::Plain, "{name}");
        }
    }
}
