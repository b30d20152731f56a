//! Redaction of what is recorded, and how often there was something to take out.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use soundpost_redact::{Hits, Redactor, Rule};

use super::handle::Counter;
use super::name::LABEL_VALUE_BYTES;
use super::{FamilyCore, LabelPairs, Registry, Spec};
use crate::error::Error;
use crate::segment::set_once;

/// Most of a text for a person, bytes.
const MESSAGE: usize = 8192;

/// Counters of redactions, made when they are first needed.
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
    /// What takes out of values what must not be recorded.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Counts what was taken out, in `soundpost_redactions_total`.
    pub fn count_redactions(&self, hits: &Hits) {
        if hits.is_empty() {
            return;
        }
        let Some(own) = self.own.get() else { return };
        for (rule, times) in hits.iter() {
            own.redactions.counter(self, rule).add(u64::from(times));
        }
    }

    /// A text for a person, as it may be shown.
    pub fn redacted<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut hits = Hits::default();
        let redacted = self.redactor.text(text, MESSAGE, &mut hits);
        self.count_redactions(&hits);
        redacted.text
    }

    /// The value of a label as it may be recorded.
    pub(crate) fn redacted_label<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        let mut hits = Hits::default();
        let redacted = self.redactor.field(name, value, LABEL_VALUE_BYTES, &mut hits);
        self.count_redactions(&hits);
        redacted.text
    }

    /// Labels of the service's own as they may be recorded.
    pub(super) fn redacted_labels(&self, labels: &LabelPairs) -> LabelPairs {
        let redacted =
            labels.iter().map(|(name, value)| (name.clone(), self.redacted_label(name, value).into()));
        redacted.collect()
    }
}
