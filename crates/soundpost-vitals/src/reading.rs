//! What a source read: quantities with labels and values.

use soundpost_core::{Merge, Spec, Unit};

/// A quantity that is sampled; its name on the wire, kind and unit follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quantity {
    /// Name after the service's prefix, without `_total`.
    pub name: &'static str,
    /// Help for a person.
    pub help: &'static str,
    /// Base unit.
    pub unit: Unit,
    /// Whether it only grows (exposed as a counter).
    pub counter: bool,
    /// Label names, in the order of [`Reading::labels`].
    pub labels: &'static [&'static str],
}

impl Quantity {
    /// The family of this quantity under a service's prefix.
    pub fn spec(&self, prefix: &str) -> Spec {
        let name = format!("{prefix}_{}", self.name);
        let spec = if self.counter { Spec::sampled_counter(&name) } else { Spec::gauge(&name) };
        spec.merge(Merge::Last).unit(self.unit).help(self.help).labels(self.labels)
    }
}

/// One value of a quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What was read.
    pub quantity: &'static Quantity,
    /// Label values, in the order of the quantity's names; empty text for one that does not apply.
    pub labels: Vec<String>,
    /// The value, in the quantity's unit; a counter's whole value, not its growth.
    pub value: f64,
}

/// What one sample of a source read; reused from sample to sample.
#[derive(Debug, Default)]
pub struct Readings {
    /// In any order; a quantity and labels occur once.
    pub readings: Vec<Reading>,
    /// Values for the history alone, which are not shown.
    pub aside: Vec<Reading>,
    /// Values that could not be true and were dropped, by the quantity's name.
    pub dropped: Vec<&'static str>,
}

impl Readings {
    /// Adds a value.
    pub fn push(&mut self, quantity: &'static Quantity, labels: &[&str], value: f64) {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        self.readings.push(Reading { quantity, labels, value });
    }

    /// Adds a value for the history alone.
    pub fn push_aside(&mut self, quantity: &'static Quantity, labels: &[&str], value: f64) {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        self.aside.push(Reading { quantity, labels, value });
    }

    /// Adds a value if there is one.
    pub fn push_if(&mut self, quantity: &'static Quantity, labels: &[&str], value: Option<f64>) {
        if let Some(value) = value {
            self.push(quantity, labels, value);
        }
    }

    /// Notes a value that cannot be true.
    pub fn reject(&mut self, quantity: &'static Quantity) {
        self.dropped.push(quantity.name);
    }

    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        self.readings.clear();
        self.aside.clear();
        self.dropped.clear();
    }
}
