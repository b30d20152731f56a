//! Words that classify a name: as one of a secret, of a text to synthesise, or of a measure.

/// Words in lower case.
pub(super) type List = &'static [&'static str];

/// Suffixes of joined words, such as `PGPASSWORD` and `csrftoken`, which are split before them.
#[rustfmt::skip]
pub(super) const SUFFIXES: List = &[
    "password", "passwords", "passphrase", "passwd", "pwd", "secret", "secrets", "token", "tokens", "key", "keys",
    "cookie", "cookies", "credential", "credentials", "pass", "card", "pw", "auth", "code", "codes", "keybase",
];
/// Secret anywhere in a name whose last word is not one of [`HARMLESS`].
#[rustfmt::skip]
pub(super) const STRONG: List = &[
    "password", "passwords", "passwd", "pwd", "pw", "passphrase", "passcode", "secret", "secrets", "credential",
    "credentials", "creds", "authorization", "cookie", "cookies", "ssn", "cvv", "cvc", "mnemonic",
];
/// Words of [`STRONG`] whose values people choose, so that an ordinary word may be one.
#[rustfmt::skip]
pub(super) const CHOSEN: List = &[
    "password", "passwords", "passwd", "pwd", "pw", "passphrase", "passcode", "pass", "auth", "authorization",
];
/// Last words of names with a word of [`STRONG`] whose value is no secret.
#[rustfmt::skip]
pub(super) const HARMLESS: List = &[
    "ok", "len", "length", "size", "count", "bytes", "age", "ttl", "limit", "expires", "expiry", "expired", "file",
    "files", "path", "paths", "dir", "directory", "name", "names", "type", "types", "kind", "scheme", "method", "policy",
    "state", "status", "valid", "invalid", "error", "errors", "failed", "missing", "present", "enabled", "disabled",
    "required", "changed", "attempts", "version", "versions", "manager", "store", "backend", "provider", "domain",
    "secure", "samesite", "httponly", "engine", "mode", "algorithm", "rotation", "rotated", "days", "hours", "minutes",
    "seconds", "ms", "min", "max", "retries", "set", "loaded", "found", "source", "arn", "reset", "prompt", "field", "env",
    "format", "strength", "check", "checks", "support", "total", "index", "class", "column", "env", "jar", "refresh",
    "ref", "refs", "label", "title", "lookup", "exempt", "handler", "stdin", "prefix", "suffix", "scanner", "scanning",
    "matches", "go", "py", "rs", "js", "ts", "java", "json", "yaml", "yml", "toml", "txt", "cfg", "conf", "ini", "synced", "mounted", "region", "ids", "url", "uri", "protected", "created", "updated", "at", "date", "time",
];
/// Secret as the last word.
#[rustfmt::skip]
pub(super) const LAST: List = &[
    "auth", "oauth", "bearer", "jwt", "otp", "totp", "csrf", "xsrf", "signature", "jsessionid", "phpsessid",
];
/// Before `token`: words of language models.
#[rustfmt::skip]
pub(super) const MODEL: List = &[
    "eos", "bos", "sos", "eot", "pad", "unk", "sep", "cls", "mask", "stop", "start", "begin", "first", "last", "next",
    "previous", "prev", "current", "special", "text", "speech", "audio", "image", "prompt", "input", "output", "decoder",
    "language", "lang", "task", "per", "each", "num", "max", "min", "single", "sub", "de", "to", "n", "semantic", "acoustic",
    "end", "flow", "codec", "code", "new", "sampled", "unexpected", "generated", "vocab", "mel", "blank", "filler", "every",
];
/// Before `key` and `keys`.
#[rustfmt::skip]
pub(super) const KEYS: List = &[
    "api", "apis", "access", "secret", "private", "priv", "ssh", "rsa", "aes", "hmac", "auth", "app", "admin", "master",
    "shared", "client", "deploy", "signing", "signature", "encryption", "account", "service", "storage",
    "webhook", "subscription", "session", "root", "pre", "host", "gpg", "tls", "ssl", "bot", "sign", "crypt", "cipher",
    "decryption", "license", "registration", "login", "user", "developer", "merchant", "pay", "wep", "wpa", "token", "jwt",
];
/// Before `tokens`: others are tokens of a language model.
pub(super) const ISSUED: List = &[
    "api", "access", "auth", "refresh", "session", "bearer", "hf", "user", "bot", "private", "personal",
    "deploy", "device", "push",
];
/// Before `pass`.
#[rustfmt::skip]
pub(super) const USERS: List = &[
    "", "user", "proxy", "http", "sudo", "become", "vault", "wifi", "db", "smtp", "mail", "ftp", "ssh", "redis", "mysql", "pg", "admin", "root", "key", "store", "vnc",
];
/// Last words of names whose values are secrets only if they are random.
pub(super) const WEAK: List = &["pass", "ak", "sk", "sign", "psk"];
/// Pairs of last words of a secret or a number of a person.
#[rustfmt::skip]
pub(super) const PERSONAL: [(&str, &str); 43] = [
    ("pragma", "key"), ("id", "card"), ("identity", "card"), ("card", "number"), ("card", "no"), ("bank", "card"), ("credit", "card"),
    ("resident", "id"), ("national", "id"), ("id", "number"), ("phone", "number"), ("mobile", "number"),
    ("mobile", "phone"), ("cell", "phone"), ("pass", "word"), ("pass", "phrase"), ("pass", "code"),
    ("verification", "code"), ("verify", "code"), ("sms", "code"), ("security", "code"), ("pin", "code"),
    ("recovery", "code"), ("auth", "code"), ("access", "code"), ("login", "code"), ("otp", "code"), ("backup", "code"),
    ("confirmation", "code"), ("mfa", "code"), ("temporary", "code"), ("time", "code"), ("totp", "code"), ("your", "code"), ("use", "code"), ("seed", "phrase"), ("recovery", "phrase"),
    ("mnemonic", "phrase"), ("recovery", "key"), ("recovery", "codes"), ("backup", "codes"), ("totp", "seed"), ("otp", "seed"),
];
/// Last words of which the words before make a secret, so that they are read as well where spaces separate them.
pub(super) const LAST_OF_PHRASE: List =
    &["key", "keys", "id", "number", "no", "card", "phrase", "code", "codes", "word", "certificate"];
/// Last word of names of text to synthesise.
#[rustfmt::skip]
pub(super) const TEXT: List = &[
    "text", "texts", "prompt", "prompts", "ttstext", "prompttext", "sentence", "sentences", "utterance", "utterances",
    "transcript", "transcripts", "transcription", "instruct", "instruction", "instructions", "ssml", "lyrics",
];
/// Only word of such a name; beside others they are mostly something else.
#[rustfmt::skip]
pub(super) const TEXT_ALONE: List = &[
    "normalized", "normalised", "synthesizing", "synthesising", "speaking", "saying",
];
/// Behind one of [`TEXT`]: still the text.
#[rustfmt::skip]
pub(super) const TEXT_PART: List = &[
    "norm", "normed", "normalized", "normalised", "clean", "cleaned", "split", "segment", "chunk", "part", "list", "raw",
    "content", "value",
];
/// Before `input`, which alone is the text in OpenAI's requests for speech.
pub(super) const INPUT: List = &["", "request", "req", "body", "speech", "tts", "user", "text"];
/// Before one of [`TEXT`]: a text about an event.
#[rustfmt::skip]
pub(super) const TOLD: List = &[
    "error", "exception", "warning", "status", "reason", "message", "log", "help", "alt", "label", "button",
];
/// Ends of Chinese names of secrets.
#[rustfmt::skip]
pub(super) const CHINESE: List = &[
    "密码", "口令", "密钥", "密匙", "秘钥", "私钥", "令牌", "凭证", "凭据", "授权码", "验证码", "校验码", "动态码",
    "身份证", "身份证号", "身份证号码", "证件号", "证件号码", "护照号", "手机号", "手机号码", "卡号", "银行账号",
    "社保号", "银行卡", "信用卡", "储蓄卡", "借记卡", "收款卡",
];
/// Words behind a Chinese name that leave it the same.
#[rustfmt::skip]
pub(super) const CHINESE_TAIL: List = &[
    "是", "为", "分别", "值", "串", "内容", "信息", "列表", "表", "清单", "明文", "原文", "如下", "改", "改成", "设", "设置", "重置", "重置成",
    "已重置", "已改",
];
/// Words behind a Chinese word for a secret that make it one for a thing or an event without a value.
#[rustfmt::skip]
pub(super) const CHINESE_THINGS: List = &[
    "文件", "路径", "桶", "环", "数", "长度", "版本", "算法", "类型", "ID", "Id", "id", "编号", "模板", "图片", "提供者", "轮换", "强度", "策略",
    "指纹", "名", "有效期", "过期时间", "格式", "本", "位", "不能为空", "种类", "管理", "库",
];
/// Chinese words for secrets anywhere before a value.
#[rustfmt::skip]
pub(super) const CHINESE_SECRETS: List = &[
    "密码", "口令", "密钥", "密匙", "秘钥", "私钥", "令牌", "凭证", "凭据", "授权码", "鉴权",
];
/// Ends of Chinese words for records and hashes.
#[rustfmt::skip]
pub(super) const CHINESE_RECORDS: List = &[
    "请求", "会话", "链路", "提交", "镜像", "摘要", "哈希", "指纹", "校验和", "标识", "号", "音色", "模型", "文件", "用户", "租户", "实例", "节点",
    "容器", "桶", "订单", "消息", "缓存", "主键", "签名",
];
/// Words for records and hashes, whose names look issued.
#[rustfmt::skip]
pub(super) const RECORDS: List = &[
    "request", "req", "session", "hash", "digest", "etag", "sha", "md5", "crc", "fingerprint", "image", "file", "path", "model", "checkpoint",
    "bucket", "pod", "container", "host", "server", "instance", "device", "voice", "speaker", "user", "tenant", "project", "account", "member",
    "tag", "branch", "ref", "release", "by", "kid", "uuid", "guid", "name", "message", "event", "order", "at", "v", "cache", "checksum", "worker",
    "cluster", "namespace", "service", "role", "record", "resource", "stream", "channel", "room", "conversation", "thread", "issuer", "subject",
];
/// Words before `key` for one of a table.
#[rustfmt::skip]
pub(super) const PLAIN_KEYS: List = &[
    "cache", "cached", "partition", "primary", "public", "pub", "foreign", "object", "obj", "sort", "row", "routing", "lookup", "idempotency",
    "dedup", "dedupe", "hash", "lock", "redis", "file", "shard", "group", "map", "config", "dict", "index", "search", "context", "entry",
    "record", "prefix", "batch", "job", "task", "message", "msg", "event", "metric", "label", "feature", "model", "voice", "speaker", "state",
    "param", "query", "etag", "range", "composite", "unique", "surrogate", "join", "bucket", "blob", "image", "audio", "artifact", "trace",
    "request", "correlation", "ordering", "kv", "memcache", "content", "s", "oss", "cos", "obs", "minio", "upload", "download", "ssh", "kms", "known",
];
/// Words for the use of a key of a table.
pub(super) const LOOKUPS: List =
    &["hit", "miss", "set", "put", "found", "evicted", "expired", "deleted", "missing", "stored"];
/// Words that are about credentials where they stand alone.
pub(super) const CREDENTIALS: List =
    &["AUTH", "SK", "AK", "SecretKey", "AccessKey", "APIKey", "SendKey", "AppKey"];
/// Words of calls that take a user and a password, or a key id and a secret.
#[rustfmt::skip]
pub(super) const LOGINS: List = &[
    "credential", "credentials", "creds", "login", "auth", "authenticate", "authentication", "signin", "passwd", "password", "pw", "authenticator", "bind", "jwt", "hmac", "fernet",
];
/// First words of calls that return a secret by its name.
#[rustfmt::skip]
pub(super) const READERS: List = &[
    "get", "parse", "read", "load", "fetch", "find", "require", "requires", "has", "delete", "remove", "is", "test", "no", "need", "verify", "list", "describe",
    "resolve", "refresh", "rotate", "revoke", "print", "log", "on", "handle", "show",
];
/// Last words of calls that make a client.
#[rustfmt::skip]
pub(super) const CLIENTS: List = &[
    "client", "connect", "connection", "session", "minio", "redis", "ftp", "ssh", "smtp", "imap", "cos", "oss", "obs", "tos", "bos", "sms", "api",
    "sdk", "storage", "bucket", "signer", "database", "db", "pool", "engine", "driver", "resource", "service",
];
/// Words of types that hold no credentials.
#[rustfmt::skip]
pub(super) const VALUES: List = &[
    "id", "uuid", "hash", "digest", "error", "exception", "warning", "path", "tag", "commit", "span", "trace", "some", "ok", "err", "request",
    "response", "key", "fault", "failure", "version", "ref", "event", "record", "field", "enum", "path", "url", "uri", "tensor", "string", "bytes",
];
/// Ends of Chinese names of text to synthesise.
#[rustfmt::skip]
pub(super) const CHINESE_TEXT: List = &[
    "文本", "文本内容", "台词", "歌词", "提示词", "正在合成", "待合成", "合成内容", "朗读内容",
];
/// Last word of the name of a mobile number.
#[rustfmt::skip]
pub(super) const PHONES: List = &[
    "phone", "mobile", "tel", "telephone", "cellphone", "msisdn", "phones", "mobiles", "call", "dial", "sms", "contact", "dialed", "dialing", "calling", "called", "hotline", "fax", "whatsapp", "caller",
    "callee", "subscriber", "cell", "callback", "ext", "telefon", "mobil", "handy", "phoned", "voicemail", "texted",
];
/// The same in Chinese.
#[rustfmt::skip]
pub(super) const CHINESE_PHONES: List = &[
    "手机", "电话", "联系方式", "致电", "短信", "座机", "主叫", "被叫", "拨打", "来电", "传真", "回访", "固话", "外呼",
];
/// Names and words for a measure.
#[rustfmt::skip]
pub(super) const MEASURES: List = &[
    "bytes", "byte", "size", "sizes", "memory", "mem", "total", "used", "free", "allocated", "allocate", "reserved",
    "limit", "length", "offset", "samples", "tokens", "frames", "nanos", "ns", "us", "ms", "time", "timestamp", "ts",
    "seed", "delta", "diff", "count", "counter", "counted", "elapsed", "duration", "uptime", "monotonic", "position", "seek", "capacity", "peak", "rss",
    "read", "wrote", "written", "sent", "received", "hash", "checksum", "crc", "params", "parameters", "steps", "step",
    "available", "usage", "space", "disk", "cache", "cached", "vram", "epoch", "sequence", "seq", "numel",
    "elements", "processed", "cycles", "ticks", "rows", "records", "requests", "sum", "max", "min", "flops", "macs", "swap",
    "vms", "vsz", "nanoseconds", "microseconds", "milliseconds", "lag", "height", "nbytes", "indexed", "evicted", "freed", "downloaded", "uploaded", "iterations", "throughput",
];
/// Words directly before a number that is an id or a place in a sequence.
#[rustfmt::skip]
pub(super) const ORDINALS: List = &[
    "id", "ids", "job", "run", "build", "task", "batch", "shard", "block", "thread", "tid", "pid", "process", "inode", "index", "idx",
    "row", "line", "page", "quota", "throughput", "rate", "rng", "pts", "dts", "nonce", "revision", "version", "snapshot", "chunk",
    "packet", "node", "trace", "span", "ticket", "range", "buffer", "bandwidth", "clock", "tick", "uid", "gid", "ptr", "heap",
    "copied", "transferred", "remaining", "left", "resident", "len", "num", "iter", "iteration", "progress", "state", "eta",
    "pipeline", "workflow", "commit", "object", "frame", "sample", "vectors", "entries", "attempt", "partition", "segment", "queue", "transaction", "txid", "xid", "lsn", "rx", "tx", "height", "weights", "param",
];
/// Ends of such names in Chinese.
#[rustfmt::skip]
pub(super) const CHINESE_ORDINALS: List = &[
    "任务", "序号", "编号", "批次", "第", "工单", "线程", "进程", "作业", "流水号", "版本", "构建", "索引", "进度", "事务", "写入", "读取", "数", "量",
    "值", "位置", "大小", "长度", "时长", "占用", "总计", "累计", "耗时", "处理", "剩余", "已用", "计数器",
];
/// Words that a number of a person may follow in a sentence.
#[rustfmt::skip]
pub(super) const PARTICLES: List = &[
    "to", "from", "for", "by", "with", "and", "or", "is", "was", "are", "at", "me", "you", "hi", "hello", "mr", "ms", "dear", "his",
    "her", "my", "your", "number", "no", "num", "via", "reach", "than", "as", "the", "new", "old", "mask", "verified", "bound",
];
/// Words for persons that have ids.
#[rustfmt::skip]
pub(super) const PERSONS: List = &[
    "user", "username", "member", "customer", "client", "account", "acct", "caller", "callee", "called", "calling", "login", "person",
    "src", "dst", "dest", "peer", "sender", "receiver", "recipient", "owner", "patient", "guest", "who",
    "name", "uid", "q", "query", "keyword", "cell", "whatsapp", "wechat", "subscriber", "driver", "passenger", "party",
];
/// Measures in Chinese.
#[rustfmt::skip]
pub(super) const CHINESE_MEASURES: List = &[
    "字节", "显存", "内存", "采样", "大小", "计数", "偏移", "总数", "总计", "共计", "样本", "时间戳", "参数量", "磁盘", "分配", "空闲", "剩余", "可用", "占用", "上传", "下载", "传输", "读取", "导入",
    "导出", "缓存", "扫描", "迁移", "容量", "总量", "带宽", "流量", "参数", "生成",
];
/// Chinese units behind a number.
pub(super) const CHINESE_UNITS: List = &[
    "个", "号", "字符", "字", "元", "字节", "次", "条", "行", "帧", "采样", "样本", "秒", "毫秒", "微秒",
    "纳秒", "步",
];
/// Units behind a number.
#[rustfmt::skip]
pub(super) const UNITS: List = &[
    "bytes", "byte", "B", "KB", "KiB", "MiB", "ns", "us", "ms", "samples", "frames", "tokens", "steps", "params",
    "parameters", "items", "requests", "rows", "records", "lines", "chars", "characters", "cycles", "ticks", "ops", "flops",
    "elements", "times", "iterations", "total", "vectors", "entries", "events", "messages", "packets", "files", "objects",
    "points", "values", "embeddings", "pairs", "documents", "queries", "words", "sentences", "utterances", "clips", "chunks",
    "batches", "nodes", "edges", "blocks", "pages", "sectors", "inodes", "hits", "misses", "seconds", "weights", "cells", "bits", "free", "used", "available", "allocated", "reserved",
];
/// Functions of types that return their argument.
pub(super) const MAKERS: List = &[
    "new",
    "from",
    "of",
    "ofNullable",
    "some",
    "wrap",
    "from_str",
    "valueOf",
    "fromString",
    "create",
    "plain",
];
/// Words of types whose argument is the name of a value, and not the value.
#[rustfmt::skip]
pub(super) const LOOKED_UP: List = &[
    "env", "environment", "var", "variable", "field", "param", "parameter", "header", "error", "exception", "path", "file", "column", "ref", "depends",
    "query", "lookup", "getenv", "must", "url", "uri", "arn", "name", "id", "err", "missing", "warning", "failure", "invalid", "input", "form", "argument", "option_name", "enum",
];
/// Words that join those of a sentence.
#[rustfmt::skip]
pub(super) const JOINING: List = &[
    "the", "and", "for", "was", "are", "has", "had", "not", "must", "may", "can", "with", "from", "this", "that", "does", "did", "been", "will",
    "should", "you", "your", "please", "too", "into", "than", "have", "were", "its", "but", "all", "any", "cannot", "could", "would", "when", "before",
    "after", "required", "failed", "invalid", "missing", "expired", "given", "provided", "changed", "accepted", "rejected", "set", "file", "key",
];
/// Last words that leave a name the same: `token_new`, `access-token-unsecure`.
#[rustfmt::skip]
pub(super) const VARIANTS: List = &[
    "unsecure", "insecure", "plain", "plaintext", "raw", "decoded", "decrypted", "clear", "cleartext", "new", "old", "prod", "dev", "staging",
    "tmp", "temp", "backup", "primary", "secondary", "str", "b64", "base64", "hex", "v",
];
