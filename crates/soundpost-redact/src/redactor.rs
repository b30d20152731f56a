//! The redactor: applies all rules to texts, fields and their names.

use std::borrow::Cow;

use crate::cursor::{Match, Text, merge};
use crate::custom::{Custom, InvalidPattern};
use crate::harmless::{Style, is_harmless};
use crate::known_text::KnownTexts;
use crate::name::{self, Class};
use crate::rule::{Hits, Rule};
use crate::strength::{is_issued, is_random};
use crate::{announced_text, number, pattern, scan, token};

/// Bytes scanned past the truncation point, so that a secret spanning it is still recognised.
const LOOKAHEAD_BYTES: usize = 4096;

/// Redacts texts and fields.
#[derive(Debug, Default)]
pub struct Redactor {
    custom: Custom,
    record_text: bool,
}

/// Redacted text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted<'a> {
    /// The text, not longer than the limit.
    pub text: Cow<'a, str>,
    /// Whether the text was truncated.
    pub cut: bool,
}

impl Redactor {
    /// Creates a redactor with the built-in rules and custom patterns, which have the syntax of the crate `regex`. With
    /// `record_text`, texts to synthesise are kept.
    ///
    /// # Errors
    /// Returns an error that names the pattern, if one cannot be used.
    pub fn new(patterns: &[String], record_text: bool) -> Result<Self, InvalidPattern> {
        Ok(Self { custom: Custom::new(patterns)?, record_text })
    }

    /// Redacts a text and truncates it to `limit` bytes.
    pub fn text<'a>(&self, text: &'a str, limit: usize, hits: &mut Hits) -> Redacted<'a> {
        self.text_without(text, &KnownTexts::default(), limit, hits)
    }

    /// Redacts a text, also where it has known texts to synthesise, and truncates it to `limit` bytes.
    pub fn text_without<'a>(
        &self,
        text: &'a str,
        known: &KnownTexts,
        limit: usize,
        hits: &mut Hits,
    ) -> Redacted<'a> {
        let seen = &text[..text.floor_char_boundary(limit.saturating_add(LOOKAHEAD_BYTES))];
        let kept = seen.floor_char_boundary(limit);
        let scanned = Text::new(seen, seen.len() == text.len(), self.record_text);
        let mut matches = Vec::new();
        scan::find(&scanned, &mut matches);
        token::find(&scanned, &mut matches);
        pattern::find(&scanned, &mut matches);
        announced_text::find(&scanned, &mut matches);
        self.custom.find(seen, &mut matches);
        if !self.record_text {
            known.find(seen, &mut matches);
        }
        if matches.is_empty() {
            return Redacted { text: Cow::Borrowed(&seen[..kept]), cut: kept < text.len() };
        }
        merge(&mut matches);
        let text = Cow::Owned(marked(seen, kept, &matches, hits));
        let mut redacted = Redacted { cut: kept < seen.len(), text };
        if redacted.text.len() > limit {
            let text = redacted.text.to_mut();
            text.truncate(text.floor_char_boundary(limit));
            redacted.cut = true;
        }
        redacted
    }

    /// Redacts the name of a field: some programs have addresses and URLs for names. Others return at once.
    pub fn name<'a>(&self, name: &'a str, hits: &mut Hits) -> Cow<'a, str> {
        let digits = || name.bytes().filter(u8::is_ascii_digit).count() >= 11;
        if name.len() < 6 || !(name.len() >= 20 || name.contains(['@', ':']) || digits()) {
            return Cow::Borrowed(name);
        }
        self.text(name, usize::MAX, hits).text
    }

    /// Redacts the text of a field and truncates it to `limit` bytes.
    pub fn field<'a>(&self, name: &str, value: &'a str, limit: usize, hits: &mut Hits) -> Redacted<'a> {
        self.field_without(name, value, &KnownTexts::default(), limit, hits)
    }

    /// Redacts the text of a field as [`Redactor::text_without`] does.
    pub fn field_without<'a>(
        &self,
        name: &str,
        value: &'a str,
        known: &KnownTexts,
        limit: usize,
        hits: &mut Hits,
    ) -> Redacted<'a> {
        match name::class(name) {
            class @ (Class::Weak | Class::Issued | Class::Secret | Class::Header)
                if !value.is_empty()
                    && (class != Class::Weak || is_random(value.as_bytes()))
                    && (class != Class::Issued || is_issued(value.as_bytes()))
                    && !is_harmless(name, value, Style::Quoted) =>
            {
                hits.add(Rule::Key);
                Redacted { text: Cow::Borrowed(Rule::Key.mark()), cut: false }
            }
            Class::Text if !self.record_text && !value.is_empty() => {
                hits.add(Rule::Text);
                Redacted { text: Cow::Owned(length_of(value)), cut: false }
            }
            _ => self.text_without(value, known, limit, hits),
        }
    }

    /// Returns whether values of this name are texts to synthesise, which are not kept.
    pub fn hides(&self, name: &str) -> bool {
        !self.record_text && name::is_text_name(name)
    }

    /// Returns the mark for a whole number of a field, if it must be redacted.
    pub fn integer(&self, name: &str, value: i64, hits: &mut Hits) -> Option<&'static str> {
        let secret = matches!(name::class(name), Class::Secret | Class::Header);
        let counts = || u64::try_from(value).is_ok_and(|value| name::counts(name, value));
        let rule = if secret && !counts() { Some(Rule::Key) } else { number::of_integer(name, value) };
        rule.map(|rule| {
            hits.add(rule);
            rule.mark()
        })
    }

    /// Returns the mark for any other number of a field, if it must be redacted.
    pub fn number(&self, name: &str, hits: &mut Hits) -> Option<&'static str> {
        matches!(name::class(name), Class::Secret | Class::Header).then(|| {
            hits.add(Rule::Key);
            Rule::Key.mark()
        })
    }
}

/// Returns the mark of a text to synthesise.
fn length_of(text: &str) -> String {
    let characters = text.chars().count();
    format!("[text of {characters} character{}]", if characters == 1 { "" } else { "s" })
}

/// Returns the text up to `kept` with marks; a match that begins before `kept` is replaced wholly.
fn marked(text: &str, kept: usize, matches: &[Match], hits: &mut Hits) -> String {
    let mut out = String::with_capacity(kept.min(text.len()) + 32);
    let mut from = 0;
    for found in matches.iter().take_while(|found| found.start < kept) {
        let (start, end) = (text.floor_char_boundary(found.start), text.ceil_char_boundary(found.end));
        out.push_str(text.get(from..start).unwrap_or_default());
        match found.rule {
            Rule::Text => out.push_str(&length_of(&text[start..end])),
            rule => out.push_str(rule.mark()),
        }
        hits.add(found.rule);
        from = end;
    }
    out.push_str(text.get(from..kept).unwrap_or_default());
    out
}
