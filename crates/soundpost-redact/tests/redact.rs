//! Redaction of secrets in any position of a text; other text stays unchanged.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::string::string_regex;
use soundpost_redact::{Hits, Redactor, Rule};

const LIMIT: usize = 64 * 1024;

fn redacted(text: &str) -> String {
    Redactor::default().text(text, LIMIT, &mut Hits::default()).text.into_owned()
}

fn rules(text: &str) -> Vec<(Rule, u32)> {
    let mut hits = Hits::default();
    let _ = Redactor::default().text(text, LIMIT, &mut hits);
    hits.iter().collect()
}

fn matching(pattern: &str) -> BoxedStrategy<String> {
    string_regex(pattern).unwrap().boxed()
}

/// Returns resident ids with their check digit.
fn resident_id() -> BoxedStrategy<String> {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    (11_u32..=65, 0_u32..10_000, 1930_u32..2020, 1_u32..=12, 1_u32..=28, 0_u32..1000)
        .prop_map(|(province, county, year, month, day, order)| {
            let body = format!("{province:02}{county:04}{year}{month:02}{day:02}{order:03}");
            let sum: u32 =
                body.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
            format!("{body}{}", b"10X98765432"[(sum % 11) as usize] as char)
        })
        .boxed()
}

/// Returns numbers of payment cards with their check digit, in groups or without.
fn card() -> BoxedStrategy<String> {
    let body =
        prop_oneof!["4[0-9]{14}", "5[1-5][0-9]{13}", "3[47][0-9]{12}", "62[0-9]{13,16}", "6011[0-9]{11}"];
    (body, prop_oneof!["", "-", " "])
        .prop_map(|(body, separator)| {
            let sum: u32 = body
                .bytes()
                .rev()
                .enumerate()
                .map(|(at, digit)| {
                    let digit = u32::from(digit - b'0') * if at % 2 == 0 { 2 } else { 1 };
                    if digit > 9 { digit - 9 } else { digit }
                })
                .sum();
            let number = format!("{body}{}", (10 - sum % 10) % 10);
            let groups: Vec<&str> =
                number.as_bytes().chunks(4).map(|group| std::str::from_utf8(group).unwrap()).collect();
            // Cards have no last group of one or two digits.
            if groups.last().unwrap().len() < 3 { number } else { groups.join(&separator) }
        })
        .boxed()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let value = (word >> (18 - 6 * digit) & 63) as usize;
            text.push(if digit > chunk.len() { '=' } else { DIGITS[value] as char });
        }
    }
    text
}

/// Returns the rule, the text before a secret that makes it one, the secret, and the text behind it.
fn secret() -> BoxedStrategy<(Rule, String, String, String)> {
    let bare = |rule: Rule, secret: BoxedStrategy<String>| {
        secret.prop_map(move |secret| (rule, String::new(), secret, String::new())).boxed()
    };
    let word = "[A-Za-z0-9!#$%^+./~_-][A-Za-z0-9!#$%^*+./~_,;&-]{4,38}[A-Za-z0-9!#$%^*+./~_-]";
    let name = prop_oneof![
        "(db_|user-|my-)?(password|passwd|secret|apiKey|api_key|API-KEY|access_key|private_key|credential|cookie)",
        "(hf_|access_|X-Auth-)?[tT]oken",
        "id_card|密码|身份证号",
    ];
    let pair = (name.clone(), prop_oneof!["=", ": ", " = ", "：", ":"], matching(word))
        .prop_map(|(name, sign, secret)| (Rule::Key, format!("{name}{sign}"), secret, String::new()));
    let quoted =
        (name, prop_oneof![Just("\""), Just("'"), Just("\\\"")], matching("[A-Za-z0-9 {}:=,;&-]{6,60}"))
            .prop_map(|(name, quote, secret)| {
                (
                    Rule::Key,
                    format!("{{{quote}{name}{quote}: {quote}"),
                    secret,
                    format!("{quote}, {quote}n{quote}: 1}}"),
                )
            });
    let header = matching("[A-Za-z0-9=;, -]{8,60}[A-Za-z0-9]")
        .prop_map(|secret| (Rule::Key, "set-cookie: ".to_owned(), secret, "\n".to_owned()));
    let bearer = matching("[A-Za-z0-9._~+/-]{3,60}[0-9][A-Za-z0-9._-]{6}=?")
        .prop_map(|secret| (Rule::Authorization, "Bearer ".to_owned(), secret, String::new()));
    let basic = matching("[a-z]{3,9}:[a-zA-Z0-9]{8,30}").prop_map(|secret| {
        (Rule::Authorization, "Basic ".to_owned(), base64(secret.as_bytes()), String::new())
    });
    let url =
        (matching("[a-z]{3,9}:[A-Za-z0-9!@$%^&*()+=_.,;-]{6,40}"), matching("[a-z]{3,9}(:[0-9]{2,4})?/db"))
            .prop_map(|(user, host)| (Rule::Url, "postgres://".to_owned(), user, format!("@{host}")));
    let pem = matching("([A-Za-z0-9+/]{64}\n){1,30}").prop_map(|body| {
        let kind = "RSA PRIVATE KEY-----";
        (Rule::PrivateKey, format!("-----BEGIN {kind}\n"), body, format!("-----END {kind}"))
    });
    prop_oneof![
        pair,
        quoted,
        header,
        bearer,
        basic,
        url,
        pem,
        bare(Rule::ApiKey, matching("sk-(proj-|ant-)?[A-Za-z0-9_-]{20,100}")),
        bare(Rule::ApiKey, matching("(ghp|gho|ghu|ghs|ghr|github_pat)_[A-Za-z0-9]{20,80}")),
        bare(Rule::ApiKey, matching("glpat-[A-Za-z0-9_-]{20}|xox[abeprs]-[0-9]{10}-[A-Za-z0-9]{20}")),
        bare(
            Rule::ApiKey,
            matching("(AKIA|ASIA)[A-Z0-9]{16}|hf_[A-Za-z0-9]{34}|AIza[A-Za-z0-9_-]{35}|LTAI[A-Za-z0-9]{20}")
        ),
        bare(Rule::Jwt, matching("eyJ[A-Za-z0-9_-]{16,60}\\.eyJ[A-Za-z0-9_-]{16,80}\\.[A-Za-z0-9_-]{20,60}")),
        bare(
            Rule::Email,
            matching("[a-z0-9][a-z0-9._+-]{2,20}[a-z0-9]@[a-z0-9]{2,12}(-[a-z]{2})?\\.(com|cn|co\\.uk)")
        ),
        bare(Rule::ResidentId, resident_id()),
        // Behind other words, eleven digits are a count, and multiples of 512 or a million are sizes.
        (prop_oneof!["tel ", "user ", "from ", "用户", "，", "\\("], "1[3-9][0-9]{9}")
            .prop_filter("a size", |(_, number)| {
                let number = number.parse::<u64>().unwrap();
                !number.is_multiple_of(512) && !number.is_multiple_of(1_000_000)
            })
            .prop_map(|(before, number)| (Rule::Mobile, before, number, String::new())),
        bare(Rule::Mobile, matching("1[3-9][0-9]-[0-9]{4}-[0-9]{4}")),
        bare(Rule::Mobile, matching("(\\+86|86|0086)1[3-9][0-9]{9}")),
        bare(Rule::Card, card()),
    ]
    .boxed()
}

/// Returns the parts of a secret that must not remain; spaces are none.
fn parts(secret: &str) -> impl Iterator<Item = &str> {
    let parts = secret.as_bytes().windows(4).filter_map(|part| std::str::from_utf8(part).ok());
    parts.filter(|part| !part.trim().is_empty())
}

/// Returns text beside a secret that is no part of it.
fn beside() -> BoxedStrategy<String> {
    prop_oneof![
        Just(String::new()),
        Just(" ".to_owned()),
        "[ \n\t(\\[{<，。：“”、]{1,3}",
        "\\PC{0,40} ",
        "[a-z ]{0,30}[ (]",
        "[\u{4E00}-\u{4FFF}\u{1F600}-\u{1F640}]{1,12}",
        "(\\[REDACTED:key\\]|[0-9]{1,3}|user=x|a:b){0,3} ",
    ]
    .boxed()
}

#[test]
fn card_behind_three_digits_is_removed() {
    assert_eq!(redacted("row 130 4000 0000 0000 0002; "), "row 130 [REDACTED:card]; ");
    assert_eq!(redacted("call 130 4000 0000 139 4000 0000"), "call [REDACTED:mobile] [REDACTED:mobile]");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn secret_anywhere_is_removed((rule, before, secret, after) in secret(), left in beside(), right in beside()) {
        // A sign or a digit before the secret belongs to it, and a quote closes it.
        prop_assume!(!left.ends_with(['.', ',', '-', '+', '/', '=', '@', ':', '\\', '"', '\'', '_', '%']));
        let text = format!("{left}{before}{secret}{after}; {right}");
        let out = redacted(&text);
        prop_assert!(!out.contains(&secret), "{rule:?}: {text:?} became {out:?}");
        // No part of the secret remains.
        let around = format!("{left}{before} {after}; {right} {}", rule.mark());
        for part in parts(&secret) {
            prop_assert!(
                !out.contains(part) || around.contains(part),
                "{rule:?}: {part:?} of {text:?} is left in {out:?}"
            );
        }
        prop_assert!(out.contains("[REDACTED:"));
    }

    #[test]
    fn truncation_shows_no_part_of_a_secret((rule, before, secret, after) in secret(), at in 0_usize..80, filler in "[v-z ]{200}") {
        prop_assume!(secret.len() < 2000);
        let text = format!("{} {before}{secret}{after} {filler}", &filler[..filler.len() - at]);
        let out = Redactor::default().text(&text, 200, &mut Hits::default());
        prop_assert!(out.text.len() <= 200);
        let around = format!("{filler} {before} {after} {}", rule.mark());
        for part in parts(&secret) {
            prop_assert!(
                !out.text.contains(part) || around.contains(part),
                "{rule:?}: {part:?} of {text:?} is left in {:?}", out.text
            );
        }
    }

    #[test]
    fn redacted_text_stays_unchanged((_, before, secret, after) in secret(), left in beside()) {
        let once = redacted(&format!("{left} {before}{secret}{after}"));
        prop_assert_eq!(redacted(&once), once);
    }

    #[test]
    fn random_text_does_not_panic(text in "\\PC{0,300}", limit in 0_usize..400) {
        let out = Redactor::default().text(&text, limit, &mut Hits::default());
        prop_assert!(out.text.len() <= limit);
    }

    #[test]
    fn random_signs_do_not_panic(text in "[-=:,@_'\"\\\\/ .0-9a-zIJbB密码：＝\\[{(]{0,80}") {
        let _ = redacted(&format!("password{text}token{text}"));
    }
}

#[test]
fn truncated_bearer_token_with_leading_signs_is_removed() {
    for secret in ["++++0_Aaa00", "~~~~0_Aaa00", "====0_Aaa00"] {
        let text = format!("{}Bearer {secret} {}", "v ".repeat(94), "v ".repeat(20));
        for limit in 188..210 {
            let out = Redactor::default().text(&text, limit, &mut Hits::default());
            assert!(!out.text.contains(&secret[..4]), "{limit}: {out:?}");
        }
    }
}

#[test]
fn ordinary_lines_stay_unchanged() {
    for line in [
        "Audio generation completed duration=0.94s audio=4.20s rtf=0.22 request_id=7d8e9f0a1b2c3d4e5f60718293a4b5c6",
        "2026-01-02T03:04:05.678Z INFO server: listening on http://127.0.0.1:9464/metrics",
        "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 23.69 GiB total capacity; 17179869184 bytes free)",
        "gpu_memory_used=17179869184 total: 17179869184 seed=13800138000",
        "loaded checkpoint /models/cosyvoice3/llm.pt (sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08)",
        "trace 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 span 550e8400-e29b-41d4-a716-446655440000",
        "tokens: 128 token_count=77 max_tokens=512 eos_token=2 tokenizer=bpe author=lin",
        "t=1767323045 ms=1767323045678 us=1767323045678901 ns=1767323045678901234 p=0.4111111111111111",
        "Bearer authentication required; Basic authentication is off; the bearer token is missing",
        "disk-usage task-0123456789abcdef0123 risk_level ask-again eyJ half_open buf_size",
        "std::collections::HashMap<String, Token>::new(key: &str) -> Option<&Token>; a == b; x => y; url = http://a.b/c@d http://***@host/ http://***:***@host/",
        "合成完成：音频 4.20 秒，用时 0.94 秒，情感：高兴；编号 20260102030405",
        "pip install git@github: user@host 3 @ 4 x@y.z @decorator",
        "password= \n token: None secret=*** cookies=true",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 100 200 300 400 500 600 700 800",
        "--password must be given; --token is old; use --password, or '--password'; --token --verbose",
        "-- password: None --max-tokens 5 --port 80 a--token b sig=5 --- secret ---",
        "missing [\"password\", \"user\", \"x\"] or [\"password\", 3] or [\"password\"]",
        "forward_pass=0.41 second pass: 3 key=value cache_key=abc public_key=ssh",
    ] {
        assert_eq!(redacted(line), line);
    }
}

#[test]
fn marks_name_the_rule() {
    for (text, out, rule) in [
        ("user=lin password=hunter2 ok", "user=lin password=[REDACTED:key] ok", Rule::Key),
        ("{\"api_key\":\"a\\\"b c\",\"n\":1}", "{\"api_key\":\"[REDACTED:key]\",\"n\":1}", Rule::Key),
        ("{'Authorization': 'Digest a b', 'x': 1}", "{'Authorization': '[REDACTED:key]', 'x': 1}", Rule::Key),
        ("(b'cookie', b'sid=1; x=2')", "(b'cookie', b'[REDACTED:key]')", Rule::Key),
        ("[[\"cookie\", \"sid=1; x=2\"], 1]", "[[\"cookie\", \"[REDACTED:key]\"], 1]", Rule::Key),
        ("密码：abc123 其他", "密码：[REDACTED:key] 其他", Rule::Key),
        ("password=hun,ter2 ok", "password=[REDACTED:key] ok", Rule::Key),
        ("password=hun;ter2&x ok", "password=[REDACTED:key] ok", Rule::Key),
        ("password=hunter2, ok", "password=[REDACTED:key], ok", Rule::Key),
        ("password=hunter2;user=lin", "password=[REDACTED:key];user=lin", Rule::Key),
        ("password=hun,ter2==", "password=[REDACTED:key]", Rule::Key),
        ("run --password hunter2 --port 1", "run --password [REDACTED:key] --port 1", Rule::Key),
        ("run --api-key 'a b' x", "run --api-key '[REDACTED:key]' x", Rule::Key),
        ("--token abc", "--token [REDACTED:key]", Rule::Key),
        ("'run --token abc'", "'run --token [REDACTED:key]'", Rule::Key),
        ("['--password', 'hunter2', '-v']", "['--password', '[REDACTED:key]', '-v']", Rule::Key),
        ("[\"--token\",\"-x\"]", "[\"--token\",\"[REDACTED:key]\"]", Rule::Key),
        ("/blob?se=2026&sig=a%2Bb%3D&sv=1", "/blob?se=2026&sig=[REDACTED:key]&sv=1", Rule::Key),
        ("?token=abc&user=lin", "?token=[REDACTED:key]&user=lin", Rule::Key),
        ("-H 'Authorization: Bearer abc.def' url", "-H 'Authorization: [REDACTED:key]' url", Rule::Key),
        ("mail lin@example.com now", "mail [REDACTED:email] now", Rule::Email),
        ("redis://:pw@host:1/0", "redis://[REDACTED:url]@host:1/0", Rule::Url),
        ("id 11010519491231002X.", "id [REDACTED:resident_id].", Rule::ResidentId),
        ("tel 13800138000", "tel [REDACTED:mobile]", Rule::Mobile),
        ("4111 1111 1111 1111", "[REDACTED:card]", Rule::Card),
        ("to DE89 3704 0044 0532 0130 00.", "to [REDACTED:iban].", Rule::Iban),
        ("text='你好，世界' stream=True", "text='[text of 5 characters]' stream=True", Rule::Text),
    ] {
        assert_eq!(redacted(text), out);
        assert_eq!(rules(text), [(rule, 1)], "{text}");
    }
}

#[test]
fn fields_with_secret_names_are_redacted() {
    let redactor = Redactor::default();
    let mut hits = Hits::default();
    assert_eq!(redactor.field("dbPassword", "x", 99, &mut hits).text, "[REDACTED:key]");
    assert_eq!(redactor.field("tts_text", "你好", 99, &mut hits).text, "[text of 2 characters]");
    assert_eq!(redactor.field("emotion", "sad", 99, &mut hits).text, "sad");
    assert_eq!(redactor.integer("otp", 123_456, &mut hits), Some("[REDACTED:key]"));
    assert_eq!(redactor.integer("n", 4_111_111_111_111_111, &mut hits), Some("[REDACTED:card]"));
    assert_eq!(redactor.integer("bytes", 17_179_869_184, &mut hits), None);
    for name in ["phone", "userPhone", "mobile", "tel", "cellphone", "msisdn", "用户手机", "电话2"] {
        let mut hits = Hits::default();
        assert_eq!(redactor.integer(name, 13_800_138_000, &mut hits), Some("[REDACTED:mobile]"), "{name}");
        assert_eq!(redactor.integer(name, 8_613_800_138_000, &mut hits), Some("[REDACTED:mobile]"), "{name}");
        assert_eq!(redactor.integer(name, 42, &mut hits), None, "{name}");
    }
    assert_eq!(redactor.number("secret", &mut hits), Some("[REDACTED:key]"));
    assert_eq!(hits.iter().collect::<Vec<_>>(), [(Rule::Key, 3), (Rule::Text, 1), (Rule::Card, 1)]);
    let recording = Redactor::new(&[], true).unwrap();
    assert_eq!(recording.field("tts_text", "你好", 99, &mut Hits::default()).text, "你好");
    assert_eq!(recording.text("text='你好'", 99, &mut Hits::default()).text, "text='你好'");
}

#[test]
fn secrets_in_field_names_are_redacted() {
    let named = |name: &str| Redactor::default().name(name, &mut Hits::default()).into_owned();
    assert_eq!(named("alice@example.com"), "[REDACTED:email]");
    assert_eq!(named("13800138000"), "[REDACTED:mobile]");
    assert_eq!(named("https://lin:hunter2@host/"), "https://[REDACTED:url]@host/");
    assert_eq!(named("ghp_0123456789abcdefghij"), "[REDACTED:api_key]");
    for name in ["duration_ms", "http.request.method", "a_name_that_is_longer_than_most", "情感", "a:b"] {
        assert_eq!(named(name), name);
    }
}

#[test]
fn custom_patterns_are_redacted() {
    let redactor = Redactor::new(&["TICKET-[0-9]+".into(), "客户\\w+".into()], false).unwrap();
    let mut hits = Hits::default();
    let text = redactor.text("TICKET-12 by 客户张三 (lin@example.com) TICKET-7", 99, &mut hits).text;
    assert_eq!(text, "[REDACTED:own] by [REDACTED:own] ([REDACTED:email]) [REDACTED:own]");
    assert_eq!(hits.iter().collect::<Vec<_>>(), [(Rule::Email, 1), (Rule::Own, 3)]);
    let many = "a1 ".repeat(1000);
    let all =
        Redactor::new(&["[0-9]".into()], false).unwrap().text(&many, LIMIT, &mut hits).text.into_owned();
    assert!(!all.contains('1'));
}

#[test]
fn invalid_pattern_error_names_the_pattern() {
    for pattern in ["(unclosed", "a{1000}{1000}", "(?=ahead)", "x*"] {
        let error = Redactor::new(&["fine".into(), pattern.into()], false).unwrap_err();
        assert!(error.to_string().contains(&format!("{pattern:?}")), "{error}");
    }
}

#[test]
fn run_of_dots_behind_a_name_is_read() {
    for text in [
        "tse5\"]...........................\u{FFFD}pass:p18qq2345678",
        "pass: .....................",
        "token ................",
    ] {
        let redacted = Redactor::default().text(text, usize::MAX, &mut Hits::default()).text.into_owned();
        assert!(redacted.contains("....") && !redacted.contains("p18qq2345678"), "{redacted}");
    }
}

#[test]
fn values_behind_line_ends_are_redacted() {
    for (text, out) in [
        ("passwords:\n  - ember.Fox3\n  - required\n", "passwords:\n  - [REDACTED:key]\n  - required\n"),
        ("password: |\n  two words\nuser: x", "password: |\n  [REDACTED:key]\nuser: x"),
        ("password: Some(\n    \"Velvet.Rope1\",\n),", "password: Some(\n    \"[REDACTED:key]\",\n),"),
        ("name,password\nanna,Peach8!\n", "name,password\nanna,[REDACTED:key]\n"),
        ("machine a\n login b\n password cedar\n", "machine a\n login b\n password [REDACTED:key]\n"),
        ("password:\n  type: string", "password:\n  type: string"),
    ] {
        assert_eq!(redacted(text), out);
    }
}
