//! Keys and tokens that are recognised by the prefix of their issuer.
//!
//! All of them are long runs of letters, digits and few signs. Other runs are long as well, but most text has none, so
//! that a look at every sixteenth byte passes over it.

use std::sync::LazyLock;

use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input};

use crate::cursor::{Match, Text};
use crate::rule::Rule;
use crate::search::compile;

/// Fewest bytes of a run.
const RUN_BYTES: usize = 16;
/// Key ids of AWS, Alibaba Cloud, Tencent Cloud and Volcengine, behind which a call has the secret itself.
const KEY_ID: &str = r"(?:\b|_)(?:A(?:KI|SI|RO|ID|BI|CC)A|LTAI|AKLT|AKID|ALTAK)[\w-]{12,}";
/// Secret behind a key id.
const SECRET: &str = r#"["'\s,;:/|]{1,4}[\w/+-]{24,}={0,2}"#;

/// Forms of tokens.
const TOKENS: [(Rule, &str); 4] = [
    (Rule::Jwt, r"(?:\b|_)eyJ[\w-]{7,}(?:\.[\w-][\w.-]*|\z)"),
    (Rule::ApiKey, KEY_ID),
    (
        Rule::ApiKey,
        concat!(
            r"(?:\b|_)(?:sk[-_]|[rs]k_(?:live|test)_|gh[oprsu]_|github_pat_|gl(?:pat|dt|rt|ptt|ft|cbt|agent|soat)-|",
            r"gl(?:c|sa)_|xox[abcdeprs][-.]|xapp-|hf_|api_org_|r8_|gsk_|npm_|pypi-|rubygems_|dckr_[op]at_|nvapi-|",
            r"pplx-|xai-|tvly-|lsv2_[ps][tk]_|lin_api_|ntn_|figd_|ph[cx]_|sntry[su]_|whsec_|shp(?:at|ca|pa|ss)_|",
            r"do[opr]_v1_|sbp_|pscale_tkn_|PMAK-|NRAK-|CFPAT-|GOCSPX-|ATATT3|AIza|AGE-SECRET-KEY-1|apify_api_|",
            r"jina_|tgp_v1_|fw_|e2b_|wandb_v1_|sess-|rnd_|sq0(?:atp|csp)-|EAA|secret_|ms-)[\w-]{16,}",
        ),
    ),
    (
        Rule::ApiKey,
        concat!(
            r"(?:\b|_)(?:(?:key-|dapi|fc-|pul-|SK)[0-9a-f]{32,}|(?:SG|hv[bsr]|ya29|dp\.[psc]t)\.[\w-]{16,}(?:\.[\w-]{16,})?|",
            r"ALTAK-[\w-]{16,})|:AA[\w-]{32,}",
        ),
    ),
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
            from = tokens(bytes, start, end, matches).max(end);
        }
        at = from + RUN_BYTES;
    }
}

/// Appends the tokens in a run. Returns the end of the last one.
fn tokens(bytes: &[u8], start: usize, end: usize, matches: &mut Vec<Match>) -> usize {
    let mut start = start.saturating_sub(1);
    while start < end
        && let Some(found) = REGEX.as_ref().and_then(|regex| regex.find(Input::new(bytes).range(start..end)))
    {
        // A name may stand before the token, with a `_` between.
        let begin = found.start() + usize::from(matches!(bytes[found.start()], b'_' | b':'));
        let (rule, form) = TOKENS[found.pattern()];
        start = found.end();
        if is_words(&bytes[begin..start]) {
            continue;
        }
        let behind = Input::new(bytes).range(start..).anchored(Anchored::Yes);
        if let Some(secret) =
            SECRET_REGEX.as_ref().filter(|_| form == KEY_ID).and_then(|regex| regex.find(behind))
        {
            start = secret.end();
        }
        matches.push(Match { start: begin, end: start, rule });
    }
    start
}

/// Returns whether a run is a name made of words and short numbers, as models and options have.
pub(crate) fn is_words(run: &[u8]) -> bool {
    let is_word = |word: &[u8]| {
        let letters = word.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let digits = word[letters..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let lower = word.iter().skip(1).take(letters.saturating_sub(1)).all(u8::is_ascii_lowercase);
        let upper = (2..=5).contains(&word.len()) && word.iter().all(u8::is_ascii_uppercase);
        let short = (1..=4).contains(&word.len()) && !word.iter().any(u8::is_ascii_uppercase);
        short
            || upper
            || lower && letters > 0 && word.len() <= 15 && digits <= 3 && letters + digits == word.len()
    };
    let long = |word: &[u8]| word.len() >= 4 && word[1..].iter().all(u8::is_ascii_lowercase);
    let words = run.split(|byte| !byte.is_ascii_alphanumeric());
    words.clone().all(is_word) && words.skip(1).any(long)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tokens_compile() {
        assert!(REGEX.is_some());
    }
}
