//! Families of this process: what they are, and their series by labels.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::append_map::{AppendMap, hash_of};
use super::handle::{Counter, Gauge, Histogram};
use super::name;
use super::packed::PackedLabels;
use super::record::{FamilyRecord, SeriesRecord};
use super::spec::Repr;
use super::{Registry, Spec};
use crate::error::Error;
use crate::segment::{Segment, epoch};

/// A family in this process's index.
pub(crate) struct FamilyCore {
    /// Position of its record.
    pub(crate) at: u32,
    pub(crate) record: FamilyRecord,
    pub(crate) bounds: Arc<[f64]>,
    pub(crate) series: AppendMap<Arc<SeriesCore>, ()>,
    /// For gauges: positions of all records of a series, by the hash of its labels, whoever made them.
    pub(crate) gauges: Mutex<HashMap<u64, Vec<u32>>>,
    /// How many of them were taken out of the exposition.
    pub(crate) hidden: AtomicUsize,
    /// More series than this go to the overflow series.
    pub(crate) limit: usize,
}

/// A series in this process's index: where its cells are. Kept small: there may be many.
pub(crate) struct SeriesCore {
    pub(crate) segment: Arc<Segment>,
    pub(crate) labels: PackedLabels,
    /// Cell, and the fork epoch it is for: a gauge has cells of its own in each process, everything else one
    /// place for all.
    place: AtomicU64,
    /// Position of the record.
    at: AtomicU32,
    /// First exemplar place, or one of the two numbers below, which no place has.
    exemplars: u32,
}

const NO_EXEMPLARS: u32 = u32::MAX;
/// No exemplars, and the cell holds a whole number.
const WHOLE: u32 = u32::MAX - 1;

impl SeriesCore {
    pub(crate) fn new(segment: &Arc<Segment>, repr: Repr, at: u32, record: &SeriesRecord) -> Self {
        let none = if repr == Repr::Whole { WHOLE } else { NO_EXEMPLARS };
        let series = Self {
            segment: segment.clone(),
            labels: PackedLabels::new(&record.labels),
            place: AtomicU64::new(0),
            at: AtomicU32::new(0),
            exemplars: record.exemplars.unwrap_or(none),
        };
        series.set_place(at, record.cell);
        series
    }

    pub(crate) fn set_place(&self, at: u32, cell: u32) {
        self.at.store(at, Ordering::Relaxed);
        self.place.store(u64::from(epoch()) << 32 | u64::from(cell), Ordering::Release);
    }

    pub(crate) fn at(&self) -> u32 {
        self.at.load(Ordering::Relaxed)
    }

    /// Whether the cell holds a whole number.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        self.exemplars == WHOLE
    }

    /// First exemplar place.
    pub(crate) fn exemplars(&self) -> Option<u32> {
        (self.exemplars < WHOLE).then_some(self.exemplars)
    }

    /// The cell, whoever made it.
    #[inline]
    pub(crate) fn cell(&self) -> u32 {
        self.place.load(Ordering::Acquire) as u32
    }

    /// The cell if it was resolved in this process and not inherited from its parent.
    #[inline]
    pub(crate) fn own_cell(&self) -> Option<u32> {
        let place = self.place.load(Ordering::Acquire);
        (place >> 32 == u64::from(epoch())).then_some(place as u32)
    }
}

impl FamilyCore {
    /// Whether one more series may be shown.
    pub(crate) fn has_room(&self) -> bool {
        self.series.len().saturating_sub(self.hidden.load(Ordering::Relaxed)) < self.limit
    }

    /// The series of these labels, pairs sorted by name.
    #[inline]
    pub(crate) fn find<'a>(
        &self,
        hash: u64,
        labels: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Option<&Arc<SeriesCore>> {
        self.series.get_key(hash, |series| series.labels.equal(labels.clone()))
    }

    /// This one, if a later registration agrees with it.
    pub(super) fn registered_again(self: Arc<Self>, spec: &Spec) -> Result<Arc<Self>, Error> {
        let record = &self.record;
        let differs = |what: &str, now: &dyn std::fmt::Debug, before: &dyn std::fmt::Debug| {
            Err(Error::conflict(format!(
                "metric {:?}: registered again with another {what}: {now:?}, before it was {before:?}",
                spec.given
            )))
        };
        let renamed = |given: &str| name::sanitized(given, true) != given;
        if record.given != spec.given && (renamed(&record.given) || renamed(&spec.given)) {
            return Err(Error::conflict(format!(
                "metric {:?}: exposed as {:?}, which {:?} already is; rename one of them",
                spec.given, record.name, record.given
            )));
        }
        if record.kind != spec.kind {
            return differs("kind", &spec.kind, &record.kind);
        }
        if record.unit != spec.unit || record.scale != spec.scale {
            return differs("unit", &spec.unit, &record.unit);
        }
        if record.bounds != spec.bounds {
            return differs("bucket bounds", &spec.bounds, &record.bounds);
        }
        if record.merge != spec.merge {
            return differs("merge rule", &spec.merge, &record.merge);
        }
        if !spec.help.is_empty() && !record.help.is_empty() && record.help != spec.help {
            return differs("help", &spec.help, &record.help);
        }
        Ok(self)
    }
}

/// Hash of sorted label pairs.
#[inline]
pub(crate) fn hash_labels<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
    struct Pairs<I>(std::cell::Cell<Option<I>>);
    impl<'a, I: Iterator<Item = (&'a str, &'a str)>> std::hash::Hash for Pairs<I> {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            for pair in self.0.take().into_iter().flatten() {
                pair.hash(state);
            }
        }
    }
    hash_of(Pairs(std::cell::Cell::new(Some(labels))))
}

/// A registered family with fixed label names: where typed handles come from.
#[derive(Clone)]
pub struct Family {
    registry: Arc<Registry>,
    core: Arc<FamilyCore>,
    names: Arc<[Box<str>]>,
    /// Index into the given values for each name in sorted order.
    order: Arc<[usize]>,
}

impl Family {
    pub(super) fn new(registry: Arc<Registry>, core: Arc<FamilyCore>, spec: &Spec) -> Self {
        let names: Arc<[Box<str>]> = spec.labels.iter().map(|name| name.as_str().into()).collect();
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by_key(|index| &names[*index]);
        Self { registry, core, names, order: order.into() }
    }

    /// The base name that is exposed.
    pub fn name(&self) -> &str {
        &self.core.record.name
    }

    /// Label names, in the order values are given.
    pub fn labels(&self) -> &[Box<str>] {
        &self.names
    }

    /// A counter of this family.
    ///
    /// # Errors
    /// When the number of values is wrong or the family is no counter.
    pub fn counter(&self, values: &[&str]) -> Result<Counter, Error> {
        self.must_be(matches!(self.core.record.repr, Repr::Whole | Repr::Float), "counter")?;
        Ok(Counter::new(&self.registry, &self.core, self.series(values)?))
    }

    /// A gauge of this family (or a series of an info or state set).
    ///
    /// # Errors
    /// When the number of values is wrong or the family is no gauge.
    pub fn gauge(&self, values: &[&str]) -> Result<Gauge, Error> {
        self.must_be(self.core.record.repr == Repr::Gauge, "gauge")?;
        Ok(Gauge::new(&self.registry, &self.core, self.series(values)?))
    }

    /// A histogram or summary of this family.
    ///
    /// # Errors
    /// When the number of values is wrong or the family is neither.
    pub fn histogram(&self, values: &[&str]) -> Result<Histogram, Error> {
        self.must_be(self.core.record.repr == Repr::Distribution, "histogram")?;
        Ok(Histogram::new(&self.registry, &self.core, self.series(values)?))
    }

    /// Takes one series out of the exposition; handles to it go on counting unseen. Registered again it
    /// begins at 0.
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

    /// Takes all series out of the exposition.
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

    /// The cell of a series; for the registry's own counters.
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
