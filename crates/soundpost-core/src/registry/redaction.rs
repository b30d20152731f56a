//! Redaction of recorded values, and the counters of redactions.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use soundpost_redact::{Hits, Redactor, Rule};

use super::handle::Counter;
use super::name::LABEL_VALUE_BYTES;
use super::{FamilyCore, LabelPairs, Registry, Spec};
use crate::error::Error;
use crate::segment::set_once;

/// Maximum length of a message, bytes.
const MESSAGE: usize = 8192;

pub(super) struct Redactions {
    family: Arc<FamilyCore>,
    counters: [OnceLock<Counter>; Rule::ALL.len()],
}

impl Redactions {
    pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
        let spec = Spec::whole_counter("soundpost_redactions")
            .help("Values replaced by redaction, by rule.")
            .labels(&["rule"]);
        Ok(Self { family: registry.family_core(&spec.checked()?)?, counters: Default::default() })
    }

    fn counter(&self, registry: &Registry, rule: Rule) -> &Counter {
        let cell = &self.counters[rule as usize];
        cell.get().unwrap_or_else(|| {
            let labels = [("rule".into(), rule.name().into())].into();
            set_once(cell, registry.counter(&self.family, labels))
        })
    }
}

impl Registry {
    /// Returns the redactor.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Counts redactions in `soundpost_redactions_total`.
    pub fn count_redactions(&self, hits: &Hits) {
        if hits.is_empty() {
            return;
        }
        let Some(own) = self.own.get() else { return };
        for (rule, times) in hits.iter() {
            own.redactions.counter(self, rule).add(u64::from(times));
        }
    }

    /// Redacts a message.
    pub fn redacted<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut hits = Hits::default();
        let redacted = self.redactor.text(text, MESSAGE, &mut hits);
        self.count_redactions(&hits);
        redacted.text
    }

    pub(crate) fn redacted_label<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        let mut hits = Hits::default();
        let redacted = self.redactor.field(name, value, LABEL_VALUE_BYTES, &mut hits);
        self.count_redactions(&hits);
        redacted.text
    }

    pub(super) fn redacted_labels(&self, labels: &LabelPairs) -> LabelPairs {
        let redacted =
            labels.iter().map(|(name, value)| (name.clone(), self.redacted_label(name, value).into()));
        redacted.collect()
    }
}
