//! Redaction: what must not leave the thread is taken out of a value before it is recorded.
//!
//! Names tell ([`Rule::Key`], [`Rule::Text`]), and values do by themselves. What is taken out leaves a mark that says
//! why and holds nothing of it; it is looked for before a long text is cut, so that no cut shows the half of one.
//! Clean text costs one cursor at each byte.

use std::borrow::Cow;

use crate::cursor::Match;
use crate::custom::{Custom, InvalidPattern};
use crate::name::{self, Class};
use crate::rule::{Hits, Rule};
use crate::{number, scan};

/// So much more of a text than is kept is looked at: what lies across the cut is known by what is behind it, bytes.
const BEYOND: usize = 4096;

/// Takes out of values what must not be recorded.
#[derive(Debug, Default)]
pub struct Redactor {
    custom: Custom,
    record_text: bool,
}

/// A text that may be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted<'a> {
    /// The text, at most as long as was asked for.
    pub text: Cow<'a, str>,
    /// Whether it was longer.
    pub cut: bool,
}

impl Redactor {
    /// The built-in rules and the service's own patterns, whose syntax is that of the crate `regex`. Text to synthesise
    /// is recorded only where `record_text` says so.
    ///
    /// # Errors
    /// When a pattern cannot be used; the message has it.
    pub fn new(patterns: &[String], record_text: bool) -> Result<Self, InvalidPattern> {
        Ok(Self { custom: Custom::new(patterns)?, record_text })
    }

    /// A text, of which at most `limit` bytes are kept.
    pub fn text<'a>(&self, text: &'a str, limit: usize, hits: &mut Hits) -> Redacted<'a> {
        let seen = &text[..text.floor_char_boundary(limit.saturating_add(BEYOND))];
        let mut spans = scan::spans(seen, seen.len() == text.len(), self.record_text);
        self.custom.find(seen, &mut spans);
        let kept = seen.floor_char_boundary(limit);
        if spans.is_empty() {
            return Redacted { text: Cow::Borrowed(&seen[..kept]), cut: kept < text.len() };
        }
        let text = Cow::Owned(marked(seen, kept, &spans, hits));
        let mut redacted = Redacted { cut: kept < seen.len(), text };
        if redacted.text.len() > limit {
            let text = redacted.text.to_mut();
            text.truncate(text.floor_char_boundary(limit));
            redacted.cut = true;
        }
        redacted
    }

    /// The name of a field: some programs have addresses and URLs for names. Most have nothing that could be one.
    pub fn name<'a>(&self, name: &'a str, hits: &mut Hits) -> Cow<'a, str> {
        let digits = || name.bytes().filter(u8::is_ascii_digit).count() >= 11;
        if name.len() < 6 || !(name.len() >= 20 || name.contains(['@', ':']) || digits()) {
            return Cow::Borrowed(name);
        }
        self.text(name, usize::MAX, hits).text
    }

    /// The value of a field of this name that is a text, of which at most `limit` bytes are kept.
    pub fn field<'a>(&self, name: &str, value: &'a str, limit: usize, hits: &mut Hits) -> Redacted<'a> {
        match name::class(name) {
            Class::Secret | Class::Header if !value.is_empty() => {
                hits.add(Rule::Key);
                Redacted { text: Cow::Borrowed(Rule::Key.mark()), cut: false }
            }
            Class::Text if !self.record_text && !value.is_empty() => {
                hits.add(Rule::Text);
                Redacted { text: Cow::Owned(length_of(value)), cut: false }
            }
            _ => self.text(value, limit, hits),
        }
    }

    /// The mark that a whole number in a field of this name is to be replaced by, if any.
    pub fn integer(&self, name: &str, value: i64, hits: &mut Hits) -> Option<&'static str> {
        let secret = matches!(name::class(name), Class::Secret | Class::Header);
        let counts = || u64::try_from(value).is_ok_and(|value| name::counts(name, value));
        let rule = if secret && !counts() { Some(Rule::Key) } else { number::of_integer(name, value) };
        rule.map(|rule| {
            hits.add(rule);
            rule.mark()
        })
    }

    /// The mark that any other number in a field of this name is to be replaced by, if any.
    pub fn number(&self, name: &str, hits: &mut Hits) -> Option<&'static str> {
        matches!(name::class(name), Class::Secret | Class::Header).then(|| {
            hits.add(Rule::Key);
            Rule::Key.mark()
        })
    }
}

/// What is recorded of a text to synthesise.
fn length_of(text: &str) -> String {
    let characters = text.chars().count();
    format!("[text of {characters} character{}]", if characters == 1 { "" } else { "s" })
}

/// The text up to `kept` with marks for the spans; one that begins before `kept` is marked wholly.
fn marked(text: &str, kept: usize, spans: &[Match], hits: &mut Hits) -> String {
    let mut out = String::with_capacity(kept.min(text.len()) + 32);
    let mut from = 0;
    for span in spans.iter().take_while(|span| span.start < kept) {
        out.push_str(&text[from..span.start]);
        match span.rule {
            Rule::Text => out.push_str(&length_of(&text[span.start..span.end])),
            rule => out.push_str(rule.mark()),
        }
        hits.add(span.rule);
        from = span.end;
    }
    out.push_str(text.get(from..kept).unwrap_or_default());
    out
}
