//! Custom patterns of the service.

use regex::{Regex, RegexBuilder};

use crate::cursor::Match;
use crate::rule::Rule;

/// Maximum size of a compiled pattern.
const COMPILED_BYTES: usize = 1 << 20;
/// Maximum matches of one pattern in a text; the last one extends to the end of the text. Each search is linear, and
/// this bound keeps their sum linear.
const MATCHES: usize = 128;

/// Error for a custom pattern that cannot be used. Its text names the pattern and the fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {pattern:?} {fault}")]
pub struct InvalidPattern {
    pattern: String,
    fault: String,
}

/// Compiled custom patterns.
#[derive(Debug, Default)]
pub(crate) struct Custom(Vec<Regex>);

impl Custom {
    pub(crate) fn new(patterns: &[String]) -> Result<Self, InvalidPattern> {
        let compiled = patterns.iter().map(|pattern| {
            let invalid = |fault: String| InvalidPattern { pattern: pattern.clone(), fault };
            let built = RegexBuilder::new(pattern).size_limit(COMPILED_BYTES).build();
            let regex = built.map_err(|error| invalid(format!("cannot be used: {}", last_line(&error))))?;
            match regex.is_match("") {
                true => Err(invalid("matches an empty text, so it would match everywhere".to_owned())),
                false => Ok(regex),
            }
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    /// Appends the matches of the patterns in a text.
    pub(crate) fn find(&self, text: &str, matches: &mut Vec<Match>) {
        for pattern in &self.0 {
            for (nth, found) in pattern.find_iter(text).take(MATCHES).enumerate() {
                let end = if nth + 1 == MATCHES { text.len() } else { found.end() };
                if found.start() < end {
                    matches.push(Match { start: found.start(), end, rule: Rule::Own });
                }
            }
        }
    }
}

/// Returns the last line of a syntax error, without the picture above it.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
