//! Keys and tokens that are recognised by the prefix of their issuer.
//!
//! All of them are long runs of letters, digits and few signs. Other runs are long as well, but most text has none, so
//! that a look at every sixteenth byte passes over it.

use std::sync::LazyLock;

use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input};

use crate::cursor::{Match, Text};
use crate::mention;
use crate::rule::Rule;
use crate::search::compile;
use crate::strength::{is_random, is_words};

/// Fewest bytes of a run.
const RUN_BYTES: usize = 16;
/// Key ids of AWS, Alibaba Cloud, Tencent Cloud and Volcengine, behind which a call has the secret itself.
const KEY_ID: &str = r"(?:\b|_)(?:A(?:KI|SI|RO|ID|BI|CC)A|LTAI|AKLT|AKID|ALTAK|HPUA)[\w-]{12,}";
/// Secret behind a key id, also with its name between.
const SECRET: &str = concat!(
    r#"[^\w\n]{1,6}(?:(?:and|with|[\w.-]{0,20}(?:sk|SK|secret|Secret|SECRET|key|Key|KEY)|k)[^\w\n]{1,6}){0,3}"#,
    r"([\w/+-]{16,}={0,2})",
);
/// Prefixes that other words have as well, so that the rest must look random.
const COMMON: &str = concat!(
    r"(?:\b|_)(?:fw_|ms-|rnd_|secret_|sess-|EAA|pa-|rpa_|st\.|s\.|STS\.|f[om][12][ar]?_|ico-|A3-|API-|p8e-|csk-|pcsk_|esecret_|",
    r"nfp_|ATBB|AKCp|cmVmd|EZ[AT]K|ABSK|key_|[A-Za-z0-9]{2,12}_(?:live|test|prod|pat|[aos]at|rt|sk|secret|token|key|apikey)_)",
    r"[\w-]{14,}|~[\w-]{40,}",
);

/// Forms of tokens.
const TOKENS: [(Rule, &str); 5] = [
    (Rule::Jwt, r"(?:\b|_)eyJ[\w-]{7,}(?:\.[\w-][\w.-]*|\z)"),
    (Rule::ApiKey, KEY_ID),
    (
        Rule::ApiKey,
        concat!(
            r"(?:\b|_)(?:sk[-_]|[rs]k_(?:live|test)_|gh[oprsu]_|github_pat_|gl(?:pat|dt|rt|ptt|ft|cbt|agent|soat|oas|ffct|imt)-|",
            r"gl(?:c|sa)_|xox[abcdeprs][-.]|xapp-|hf_|api_org_|r8_|gsk_|npm_|pypi-|rubygems_|dckr_[op]at_|nvapi-|",
            r"pplx-|xai-|tvly-|lsv2_[ps][tk]_|lin_api_|ntn_|figd_|ph[cx]_|sntry[su]_|whsec_|shp(?:at|ca|pa|ss)_|",
            r"do[opr]_v1_|sbp_|pscale_(?:tkn|oauth|pw)_|PMAK-|NRAK-|CFPAT-|GOCSPX-|ATATT3|AIza|AGE-SECRET-KEY-1|apify_api_|",
            r"jina_|tgp_v1_|e2b_|wandb_v1_|sq0(?:atp|csp)-|FLW(?:SECK|PUBK)|CLOJARS_|tk-us-|xkeysib-|xsmtpsib-|sgp_|rdme_|pnu_|",
            r"HRKU-|ops_eyJ|bedrock-api-key-|fio-u-|GR1348941|duffel_|sm_[aps]at_)[\w-]{16,}(?:=[0-9A-F]{8})?",
        ),
    ),
    (
        Rule::ApiKey,
        concat!(
            r"(?:\b|_)(?:(?:key-|dapi|fc-|pul-|SK)[0-9a-f]{32,}|(?:SG|hv[bsr]|ya29|dp\.[a-z]{2,5}(?:\.[a-z0-9_]{2,12})?|dt0c01|pat[A-Za-z0-9]{14})\.[\w-]{16,}(?:\.[\w-]{16,})?|",
            r"ALTAK-[\w-]{16,}|v1\.0-[0-9a-f]{24}-[0-9a-f]{32,}|[0-9a-f]{32}\.[A-Za-z0-9]{16}\b|[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}|",
            r"(?:IQoJb3Jp|FwoGZXIvYXdz)[\w/+=-]{16,}|[MNO][A-Za-z0-9]{22,}\.[\w-]{6}\.[\w-]{27,})|(?:[0-9]{8,10})?:AA[\w-]{32,}",
        ),
    ),
    (Rule::ApiKey, COMMON),
];

static REGEX: LazyLock<Option<Regex>> = LazyLock::new(|| compile(&TOKENS.map(|(_, regex)| regex)));
static SECRET_REGEX: LazyLock<Option<Regex>> = LazyLock::new(|| compile(&[SECRET]));

/// Bytes of a run.
static BELONGS: [bool; 256] = {
    let mut belongs = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        belongs[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'-' | b'_' | b'.');
        byte += 1;
    }
    belongs
};

/// Appends the tokens in a text.
pub(crate) fn find(text: &Text<'_>, matches: &mut Vec<Match>) {
    let bytes = text.bytes;
    let belongs = |byte: &u8| BELONGS[usize::from(*byte)];
    let (mut from, mut at) = (0, RUN_BYTES - 1);
    while at < bytes.len() {
        if !belongs(&bytes[at]) {
            at += RUN_BYTES;
            continue;
        }
        let start = at - bytes[from..at].iter().rev().take_while(|byte| belongs(byte)).count();
        let end = at + bytes[at..].iter().take_while(|byte| belongs(byte)).count();
        from = end;
        if end - start >= RUN_BYTES {
            let count = matches.len();
            from = tokens(bytes, start, end, matches).max(end);
            if matches.len() == count {
                matches.extend(mention::behind(text, start, end));
            }
        }
        at = from + RUN_BYTES;
    }
}

/// Appends the tokens in a run. Returns the end of the last one.
fn tokens(bytes: &[u8], start: usize, end: usize, matches: &mut Vec<Match>) -> usize {
    let mut start = start.saturating_sub(1);
    // Some end with a checksum behind a sign.
    let limit = bytes.len().min(end + 9);
    while start < end
        && let Some(found) =
            REGEX.as_ref().and_then(|regex| regex.find(Input::new(bytes).range(start..limit)))
        && found.start() < end
    {
        // A name may stand before the token, with a `_` between.
        let begin = found.start() + usize::from(matches!(bytes[found.start()], b'_' | b':' | b'~'));
        let (rule, form) = TOKENS[found.pattern()];
        // The limit may lie within a token with signs that end a run.
        let cut = found.end() == limit;
        let more = |byte: &&u8| cut && (byte.is_ascii_alphanumeric() || b"_/+=-".contains(*byte));
        start = found.end() + bytes[found.end()..].iter().take_while(more).count();
        let run = &bytes[begin..start];
        // `sk-SK-ViktoriaNeural` is a voice of the locale.
        if is_words(run) || run.starts_with(b"sk-SK-") || form == COMMON && !is_random(run) {
            continue;
        }
        matches.push(Match { start: begin, end: start, rule });
        let secret = SECRET_REGEX.as_ref().filter(|_| form == KEY_ID).and_then(|regex| {
            let mut captures = regex.create_captures();
            regex.captures(Input::new(bytes).range(start..).anchored(Anchored::Yes), &mut captures);
            captures.get_group(1).filter(|secret| {
                let run = &bytes[secret.range()];
                is_random(run) || run.len() >= 24 && !is_words(run)
            })
        });
        if let Some(secret) = secret {
            matches.push(Match { start: secret.start, end: secret.end, rule });
            start = secret.end;
        }
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tokens_compile() {
        assert!(REGEX.is_some());
    }
}
