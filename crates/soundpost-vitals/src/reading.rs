//! Readings of a source: quantities with labels and values.

use std::ops::RangeInclusive;

use soundpost_core::{Merge, Spec, Unit};

/// A sampled quantity; its exposed name, kind and unit follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quantity {
    /// Name after the service's prefix, without `_total`.
    pub name: &'static str,
    /// Help text.
    pub help: &'static str,
    /// Base unit.
    pub unit: Unit,
    /// Whether it is monotonic (exposed as a counter).
    pub counter: bool,
    /// Label names, in the order of [`Reading::labels`].
    pub labels: &'static [&'static str],
}

impl Quantity {
    /// Makes a quantity that may rise and fall.
    pub const fn gauge(
        name: &'static str,
        unit: Unit,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, help, unit, counter: false, labels }
    }

    /// Makes a quantity that only rises.
    pub const fn counter(
        name: &'static str,
        unit: Unit,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, help, unit, counter: true, labels }
    }

    /// Returns the family of this quantity under a service's prefix.
    pub fn spec(&self, prefix: &str) -> Spec {
        let name = format!("{prefix}_{}", self.name);
        let spec = if self.counter { Spec::sampled_counter(&name) } else { Spec::gauge(&name) };
        spec.merge(Merge::Last).unit(self.unit).help(self.help).labels(self.labels)
    }
}

/// One value of a quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Quantity.
    pub quantity: &'static Quantity,
    /// Label values, in the order of the quantity's names; empty for a label that does not apply.
    pub labels: Vec<String>,
    /// Value in the quantity's unit; a counter's total, not its increase.
    pub value: f64,
}

/// Readings of one sample; reused between samples.
#[derive(Debug, Default)]
pub struct Readings {
    /// In arbitrary order; quantity and labels are unique.
    pub readings: Vec<Reading>,
    /// Values for the history alone, which are not exposed.
    pub aside: Vec<Reading>,
    /// Implausible values that were dropped, by the quantity's name.
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

    /// Adds a value if it is present.
    pub fn push_if(&mut self, quantity: &'static Quantity, labels: &[&str], value: Option<f64>) {
        if let Some(value) = value {
            self.push(quantity, labels, value);
        }
    }

    /// Adds a value if it is present and plausible, or counts an implausible one.
    pub fn push_within(
        &mut self,
        quantity: &'static Quantity,
        labels: &[&str],
        value: Option<f64>,
        range: &RangeInclusive<f64>,
    ) {
        match value {
            Some(value) if range.contains(&value) => self.push(quantity, labels, value),
            Some(_) => self.reject(quantity),
            None => {}
        }
    }

    /// Counts an implausible value.
    pub fn reject(&mut self, quantity: &'static Quantity) {
        self.dropped.push(quantity.name);
    }

    /// Removes everything, and keeps the capacity.
    pub fn clear(&mut self) {
        self.readings.clear();
        self.aside.clear();
        self.dropped.clear();
    }
}
