//! The last errors of calls with a text to synthesise. Services log an error after its call, also on another thread.

use std::collections::VecDeque;
use std::sync::Mutex;

use soundpost_redact::{Hits, KnownTexts};

use crate::per_process::PerProcess;
use crate::registry::Registry;
use crate::thread::lock;

/// Maximum number of errors that are kept.
const ERRORS: usize = 32;
/// Maximum length of an error's text that is searched, bytes; redaction keeps less.
const ERROR_BYTES: usize = 16 << 10;
/// Maximum length of the part that identifies an error, bytes.
const KEY_BYTES: usize = 1024;

/// The last errors, each with the texts of its call.
static LAST: PerProcess<Mutex<VecDeque<(String, KnownTexts)>>> = PerProcess::new();

/// Redacts the text of an error, also where it has texts to synthesise. Log events that have this error hide them as well.
pub fn hide_in(registry: &Registry, error: &mut String, known: &KnownTexts) {
    if known.is_empty() {
        return;
    }
    add(error, known);
    let mut hits = Hits::default();
    *error = registry.redactor().text_without(error, known, ERROR_BYTES, &mut hits).text.into_owned();
    registry.count_redactions(&hits);
}

/// Adds an error. Its longest line identifies it, because formats of tracebacks indent lines.
pub(crate) fn add(error: &str, known: &KnownTexts) {
    let longest = error.lines().max_by_key(|line| line.len()).filter(|line| !line.is_empty());
    let Some(key) = longest.filter(|_| !known.is_empty()) else { return };
    let key = key[..key.floor_char_boundary(KEY_BYTES)].to_owned();
    let mut errors = lock(LAST.get_or_make(Mutex::default));
    errors.truncate(ERRORS - 1);
    errors.push_front((key, known.clone()));
}

/// Adds the texts of the calls whose error a text has.
pub(crate) fn extend(known: &mut KnownTexts, text: &str) {
    if let Some(errors) = LAST.get() {
        let errors = lock(errors);
        errors
            .iter()
            .filter(|(key, _)| text.contains(key.as_str()))
            .for_each(|(_, texts)| known.extend(texts));
    }
}
