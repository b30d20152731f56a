//! Which words make a name one of a secret, of a text to synthesise, of a number.

/// Words, in lower case.
pub(crate) type List = &'static [&'static str];

/// Anywhere in a name; see [`HARMLESS`].
pub(crate) const STRONG: List = &[
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
pub(crate) const HARMLESS: List = &[
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
pub(crate) const LAST: List = &["auth", "bearer", "jwt", "otp", "totp", "csrf", "xsrf", "signature"];
/// In front of `token`: words of language models.
pub(crate) const MODEL: List = &[
    "eos", "bos", "sos", "eot", "pad", "unk", "sep", "cls", "mask", "stop", "start", "begin", "first",
    "last", "next", "previous", "current", "special", "text", "speech", "audio", "image", "prompt", "input",
    "output", "decoder", "language", "lang", "task", "per", "each", "num", "max", "min", "single",
];
/// In front of `key`.
pub(crate) const KEYS: List = &[
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
pub(crate) const USERS: List =
    &["", "user", "db", "smtp", "mail", "ftp", "redis", "mysql", "pg", "admin", "root", "key"];
/// Two last words that are a person's number together.
pub(crate) const PERSONAL: [(&str, &str); 14] = [
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
pub(crate) const TEXT: List = &[
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
/// The only word of such a name; with others it is mostly something else.
pub(crate) const TEXT_ALONE: List =
    &["normalized", "normalised", "synthesizing", "synthesising", "speaking", "saying"];
/// Behind one of [`TEXT`]: it is still the text.
pub(crate) const TEXT_PART: List = &[
    "norm",
    "normed",
    "normalized",
    "normalised",
    "clean",
    "cleaned",
    "split",
    "segment",
    "chunk",
    "part",
    "list",
    "raw",
    "content",
    "value",
];
/// In front of `input`, which alone is the text in OpenAI's requests for speech.
pub(crate) const INPUT: List = &["", "request", "req", "body", "speech", "tts", "user", "text"];
/// In front of it: a text that says what happened.
pub(crate) const TOLD: List = &[
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
pub(crate) const CHINESE: List = &[
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
/// Names of text to synthesise in Chinese end so.
pub(crate) const CHINESE_TEXT: List =
    &["文本", "文本内容", "台词", "歌词", "提示词", "正在合成", "待合成", "合成内容", "朗读内容"];
/// As the last word of the name of a mobile number.
pub(crate) const PHONES: List =
    &["phone", "mobile", "tel", "telephone", "cellphone", "msisdn", "phones", "mobiles"];
/// Names of what a long number measures.
pub(crate) const MEASURES: List = &[
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
