//! Patterns of the service's own.

use regex::{Regex, RegexBuilder};

use super::rule::Rule;
use super::scan::{Span, push};
use crate::error::Error;

/// Compiled, a pattern may take so much, bytes.
const SIZE: usize = 1 << 20;
/// Of one pattern so many places are found in a text; behind the last of them the text is taken out to its end. Each
/// search is linear, and with this all of them are.
const PLACES: usize = 128;

/// Compiled patterns.
#[derive(Debug, Default)]
pub(super) struct Own(Vec<Regex>);

impl Own {
    pub(super) fn new(patterns: &[String]) -> Result<Self, Error> {
        let compiled = patterns.iter().map(|pattern| {
            let wrong = |why: String| Error::config(format!("redact: the pattern {pattern:?} {why}"));
            let built = RegexBuilder::new(pattern).size_limit(SIZE).build();
            let regex = built.map_err(|error| wrong(format!("cannot be used: {}", short(&error))))?;
            match regex.is_match("") {
                true => Err(wrong("matches an empty text, so it would be found everywhere".to_owned())),
                false => Ok(regex),
            }
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    /// Adds to the spans of a text those of the patterns.
    pub(super) fn find(&self, text: &str, spans: &mut Vec<Span>) {
        let before = spans.len();
        for pattern in &self.0 {
            for (nth, found) in pattern.find_iter(text).take(PLACES).enumerate() {
                let end = if nth + 1 == PLACES { text.len() } else { found.end() };
                if found.start() < end {
                    spans.push(Span { start: found.start(), end, rule: Rule::Own });
                }
            }
        }
        if spans.len() > before {
            spans.sort_by_key(|span| span.start);
            let mut apart = Vec::with_capacity(spans.len());
            spans.drain(..).for_each(|span| push(&mut apart, span));
            *spans = apart;
        }
    }
}

/// The last line of a syntax error: what is wrong, without the picture of where.
fn short(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
