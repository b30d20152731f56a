//! Typed families: registered metrics with fixed label names.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::core::{FamilyCore, SeriesCore, hash_labels};
use super::handle::{Counter, Gauge, Histogram};
use super::kind::Repr;
use super::{Registry, Spec, name};
use crate::error::Error;

/// A registered family with fixed label names, the source of typed handles.
#[derive(Clone)]
pub struct Family {
    registry: Arc<Registry>,
    core: Arc<FamilyCore>,
    names: Arc<[Box<str>]>,
    /// For each name in sorted order, its index among the given values.
    order: Arc<[usize]>,
}

impl Family {
    pub(super) fn new(registry: Arc<Registry>, core: Arc<FamilyCore>, spec: &Spec) -> Self {
        let names: Arc<[Box<str>]> = spec.labels.iter().map(|name| name.as_str().into()).collect();
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by_key(|index| &names[*index]);
        Self { registry, core, names, order: order.into() }
    }

    /// Returns the exposed base name.
    pub fn name(&self) -> &str {
        &self.core.record.name
    }

    /// Returns the label names, in the order in which values are given.
    pub fn labels(&self) -> &[Box<str>] {
        &self.names
    }

    /// Returns a counter of this family.
    ///
    /// # Errors
    /// When the number of values is wrong or the family is no counter.
    pub fn counter(&self, values: &[&str]) -> Result<Counter, Error> {
        self.must_be(matches!(self.core.record.repr, Repr::Whole | Repr::Float), "counter")?;
        Ok(Counter::new(&self.registry, &self.core, self.series(values)?))
    }

    /// Returns a gauge of this family, or a series of an info or state set.
    ///
    /// # Errors
    /// When the number of values is wrong or the family is no gauge.
    pub fn gauge(&self, values: &[&str]) -> Result<Gauge, Error> {
        self.must_be(self.core.record.repr == Repr::Gauge, "gauge")?;
        Ok(Gauge::new(&self.registry, &self.core, self.series(values)?))
    }

    /// Returns a histogram or summary of this family.
    ///
    /// # Errors
    /// When the number of values is wrong or the family is neither.
    pub fn histogram(&self, values: &[&str]) -> Result<Histogram, Error> {
        self.must_be(self.core.record.repr == Repr::Distribution, "histogram")?;
        Ok(Histogram::new(&self.registry, &self.core, self.series(values)?))
    }

    /// Removes one series from the exposition; its handles still accept updates. Registered again it starts at 0.
    ///
    /// # Errors
    /// When the number of values is wrong.
    pub fn remove(&self, values: &[&str]) -> Result<(), Error> {
        self.check(values)?;
        if let Some(series) = self.core.find(hash_labels(self.pairs(values)), self.pairs(values)) {
            self.hide(series);
        }
        Ok(())
    }

    /// Removes all series from the exposition.
    pub fn clear(&self) {
        for series in self.core.series.keys() {
            self.hide(series);
        }
    }

    fn hide(&self, series: &SeriesCore) {
        if self.registry.segment().directory().set_hidden(series.at(), true) {
            self.core.hidden.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the cell of a series, for the registry's own counters.
    pub(super) fn series_cell(&self, values: &[&str]) -> Option<u32> {
        self.series(values).ok().flatten().map(|series| series.cell())
    }

    fn series(&self, values: &[&str]) -> Result<Option<Arc<SeriesCore>>, Error> {
        self.check(values)?;
        let hash = hash_labels(self.pairs(values));
        if let Some(series) = self.core.find(hash, self.pairs(values)) {
            self.registry.expose(&self.core, series);
            return Ok(Some(series.clone()));
        }
        self.registry.count_cut(values.iter().copied());
        let labels: super::LabelPairs =
            self.pairs(values).map(|(name, value)| (name.into(), value.into())).collect();
        Ok(self.registry.series(&self.core, self.registry.redacted_labels(&labels)))
    }

    fn pairs<'a>(&'a self, values: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
        self.order.iter().map(move |index| (&*self.names[*index], name::label_value(values[*index])))
    }

    fn check(&self, values: &[&str]) -> Result<(), Error> {
        if values.len() == self.names.len() {
            return Ok(());
        }
        Err(Error::config(format!(
            "metric {:?}: {} label values given, it has the labels {:?}",
            self.core.record.given,
            values.len(),
            self.names
        )))
    }

    fn must_be(&self, right: bool, asked: &str) -> Result<(), Error> {
        if right {
            return Ok(());
        }
        let record = &self.core.record;
        Err(Error::conflict(format!("metric {:?}: it is a {:?}, not a {asked}", record.given, record.kind)))
    }
}
