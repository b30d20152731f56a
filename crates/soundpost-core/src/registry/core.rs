//! The index entries of families and series: their records, and where their cells are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::append_map::{AppendMap, hash_of};
use super::packed::PackedLabels;
use super::record::{FamilyRecord, SeriesRecord};
use super::spec::Repr;
use super::{Spec, name};
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

/// A series in this process's index: where its cells are. Truncation small: there may be many.
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
