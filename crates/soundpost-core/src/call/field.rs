//! Fields of running calls, kept until the call ends.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard};

use soundpost_redact::{Hits, KnownTexts, Rule};

use crate::field::{FIELDS, FieldRef, FieldValue, NAME, WORDS, cut, encode, split, words_of};
use crate::per_process::PerProcess;
use crate::registry::{Registry, Truncation};
use crate::thread::{lock, try_lock};

/// Maximum capacity that a buffer keeps after its call, words.
const KEPT_WORDS: usize = 512;
/// Maximum length of a field's text, bytes.
const TEXT: usize = 8192;
/// Maximum number of texts to synthesise that are kept of a call, the last ones, and the maximum length of each, bytes.
const TEXTS: usize = 64;
pub(crate) const KEPT_TEXT: usize = 8192;

/// Returns the value to record, and the text to synthesise that it replaces.
/// An error is recorded without the texts of its call, `known`.
pub(crate) fn redacted(
    registry: &Registry,
    name: &str,
    value: FieldValue,
    known: &KnownTexts,
) -> (FieldValue, Option<String>) {
    let (mut hits, mut hidden) = (Hits::default(), None);
    let redactor = registry.redactor();
    let mark = |mark: &str| FieldValue::Text(mark.to_owned());
    let redacted = match value {
        FieldValue::Text(text) => {
            let redacted = redactor.field_without(name, &text, known, TEXT, &mut hits);
            if redacted.cut {
                registry.count_truncation(Truncation { fields_left: 0, shortened: 1 });
            }
            let changed = match redacted.text {
                Cow::Borrowed(kept) if kept.len() == text.len() => None,
                kept => Some(kept.into_owned()),
            };
            let is_text = hits.iter().any(|(rule, _)| rule == Rule::Text) && redactor.hides(name);
            match changed {
                None => FieldValue::Text(text),
                Some(changed) => {
                    hidden = is_text.then_some(text);
                    FieldValue::Text(changed)
                }
            }
        }
        FieldValue::Int(number) => redactor.integer(name, number, &mut hits).map_or(value, mark),
        FieldValue::Float(_) => redactor.number(name, &mut hits).map_or(value, mark),
        FieldValue::Bool(_) => value,
    };
    registry.count_redactions(&hits);
    (redacted, hidden)
}

/// Fields of one running call, encoded as in the record of its end.
#[derive(Default)]
pub(crate) struct FieldBuffer {
    /// Sequence number of the slot that the fields belong to.
    ticket: u64,
    count: usize,
    words: Vec<u64>,
    /// Texts to synthesise, which are in no record, until [`FieldBuffer::known_texts`] adds them to `known`.
    texts: Vec<String>,
    known: KnownTexts,
}

impl FieldBuffer {
    /// Returns the words of the fields for this sequence number.
    pub(crate) fn words(&self, ticket: u64) -> &[u64] {
        if self.ticket == ticket { &self.words } else { &[] }
    }

    /// Returns the texts to synthesise for this sequence number.
    pub(crate) fn known_texts(&mut self, ticket: u64) -> KnownTexts {
        if self.ticket != ticket {
            return KnownTexts::default();
        }
        self.texts.drain(..).for_each(|text| self.known.add(&text));
        self.known.clone()
    }

    /// Keeps a text to synthesise until the call ends.
    pub(crate) fn keep_text(&mut self, ticket: u64, mut text: String) {
        self.begin(ticket);
        if self.ticket == ticket && !self.texts.contains(&text) {
            if self.texts.len() == TEXTS {
                self.texts.remove(0);
            }
            text.truncate(text.floor_char_boundary(KEPT_TEXT));
            text.shrink_to_fit();
            self.texts.push(text);
        }
    }

    /// Clears what an earlier call left.
    fn begin(&mut self, ticket: u64) {
        if self.ticket < ticket {
            self.ticket = ticket;
            self.count = 0;
            self.words.clear();
            self.clear_texts();
        }
    }

    fn clear_texts(&mut self) {
        self.texts = Vec::new();
        self.known = KnownTexts::default();
    }

    /// Clears the texts of a call that ended, and its fields if they take much memory.
    #[inline]
    pub(crate) fn end(&mut self, ticket: u64) {
        if self.ticket == ticket {
            self.clear_texts();
        }
        if self.ticket == ticket && self.words.capacity() > KEPT_WORDS {
            self.words.clear();
            self.words.shrink_to(KEPT_WORDS);
        }
    }

    pub(crate) fn remove(&mut self, ticket: u64, name: &str) {
        if self.ticket == ticket
            && let Some(known) = self.find(name)
        {
            self.words.drain(known);
            self.count -= 1;
        }
    }

    fn find(&self, name: &str) -> Option<std::ops::Range<usize>> {
        let mut rest = self.words.as_slice();
        while let Some((other, _, after)) = split(rest) {
            if other.is(name) {
                return Some(self.words.len() - rest.len()..self.words.len() - after.len());
            }
            rest = after;
        }
        None
    }

    /// Sets or replaces a field. Returns false without room. Ignored if the slot has been reused by a newer call.
    pub(crate) fn set(&mut self, ticket: u64, name: &str, value: FieldRef<'_>) -> bool {
        if self.ticket > ticket {
            return true;
        }
        self.begin(ticket);
        let name = cut(name, NAME);
        let known = self.find(name);
        let length = words_of(name, value);
        let replaced = known.as_ref().map_or(0, ExactSizeIterator::len);
        if known.is_none() && self.count == FIELDS || self.words.len() - replaced + length > WORDS {
            return false;
        }
        match known {
            Some(at) => drop(self.words.splice(at, encode(name, value))),
            None => {
                self.words.extend(encode(name, value));
                self.count += 1;
            }
        }
        true
    }
}

/// Fields of all running calls of a process, by slot.
pub(crate) struct Fields {
    slots: usize,
    tables: PerProcess<Box<[Mutex<FieldBuffer>]>>,
}

impl Fields {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, tables: PerProcess::new() }
    }

    /// Returns the buffer of a slot, if this process set any field.
    pub(crate) fn get(&self, slot: u32) -> Option<MutexGuard<'_, FieldBuffer>> {
        Some(lock(self.tables.get()?.get(slot as usize)?))
    }

    /// Returns the buffer of a slot as the process of an epoch had it when it forked this one, unless it was locked then.
    pub(crate) fn inherited(&self, slot: u32, epoch: u32) -> Option<MutexGuard<'_, FieldBuffer>> {
        try_lock(self.tables.get_of(epoch)?.get(slot as usize)?)
    }

    pub(crate) fn get_or_make(&self, slot: u32) -> Option<MutexGuard<'_, FieldBuffer>> {
        let make = || (0..self.slots).map(|_| Mutex::default()).collect();
        Some(lock(self.tables.get_or_make(make).get(slot as usize)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::decode;

    #[test]
    fn large_buffer_is_released_at_the_end_of_its_call() {
        let mut buffer = FieldBuffer::default();
        for field in 0..7 {
            assert!(buffer.set(1, &field.to_string(), FieldRef::Text(&"x".repeat(8192))));
        }
        buffer.end(2);
        assert_eq!(decode(buffer.words(1)).len(), 7, "another call's end takes nothing");
        buffer.end(1);
        assert!(buffer.words(1).is_empty() && buffer.words.capacity() <= KEPT_WORDS);
        assert!(buffer.set(2, "few", FieldRef::Int(1)));
        buffer.end(2);
        assert_eq!(decode(buffer.words(2)).len(), 1, "few stay readable");
    }

    #[test]
    fn a_field_that_comes_too_late_takes_nothing_from_the_next_call() {
        let mut buffer = FieldBuffer::default();
        assert!(buffer.set(1, "first", FieldRef::Int(1)) && buffer.set(2, "second", FieldRef::Int(2)));
        assert!(buffer.set(1, "late", FieldRef::Int(3)));
        assert_eq!(decode(buffer.words(2)), [("second".to_owned(), 2.into())]);
        assert!(buffer.words(1).is_empty());
    }
}
