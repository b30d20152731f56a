//! Index entries of families and series: their records and the positions of their cells.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::append_map::{AppendMap, hash_of};
use super::kind::{MetricKind, Repr};
use super::name;
use super::packed::PackedLabels;
use super::record::{FamilyRecord, SeriesRecord};
use super::reserve::Room;
use crate::error::Error;
use crate::segment::{Segment, epoch};

/// A family in this process's index.
pub(crate) struct FamilyCore {
    /// Position of the record.
    pub(crate) at: u32,
    pub(crate) record: FamilyRecord,
    pub(crate) bounds: Arc<[f64]>,
    pub(crate) series: AppendMap<Arc<SeriesCore>, ()>,
    /// Positions of all records of a gauge series, of all processes, by the hash of its labels.
    pub(crate) gauges: Mutex<HashMap<u64, Vec<u32>>>,
    pub(crate) hidden: AtomicUsize,
    /// Maximum number of series; further ones use the overflow series.
    pub(crate) limit: usize,
    /// The first overflow series. Before it exists, room for it is reserved.
    pub(super) overflow: OnceLock<Arc<SeriesCore>>,
    /// Label names of the first typed registration, sorted.
    label_names: OnceLock<Vec<String>>,
}

/// Position of a family for which the segment had no room.
const NO_ROOM: u32 = u32::MAX;

/// A series in this process's index. Kept small, because there may be many.
pub(crate) struct SeriesCore {
    pub(crate) segment: Arc<Segment>,
    pub(crate) labels: PackedLabels,
    /// Cell and its fork epoch: a gauge has a cell in each process, any other series one cell for all.
    place: AtomicU64,
    /// Position of the record.
    at: AtomicU32,
    /// First exemplar place, or one of the two values below.
    exemplars: u32,
}

const NO_EXEMPLARS: u32 = u32::MAX;
/// Value without exemplars for a cell with a whole number.
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

    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        self.exemplars == WHOLE
    }

    pub(crate) fn exemplars(&self) -> Option<u32> {
        (self.exemplars < WHOLE).then_some(self.exemplars)
    }

    /// Returns the cell, whichever process made it.
    #[inline]
    pub(crate) fn cell(&self) -> u32 {
        self.place.load(Ordering::Acquire) as u32
    }

    /// Returns the cell if this process resolved it and did not inherit it from its parent.
    #[inline]
    pub(crate) fn own_cell(&self) -> Option<u32> {
        let place = self.place.load(Ordering::Acquire);
        (place >> 32 == u64::from(epoch())).then_some(place as u32)
    }
}

impl FamilyCore {
    pub(super) fn new(at: u32, record: FamilyRecord, limit: usize) -> Self {
        Self {
            at,
            bounds: record.bounds.as_slice().into(),
            record,
            series: AppendMap::new(),
            gauges: Mutex::default(),
            hidden: AtomicUsize::new(0),
            limit,
            overflow: OnceLock::new(),
            label_names: OnceLock::new(),
        }
    }

    /// Returns a family for which the segment has no room. It has no series.
    pub(super) fn without_room(record: FamilyRecord) -> Self {
        Self::new(NO_ROOM, record, 0)
    }

    /// Reports whether the segment has the family.
    pub(super) fn is_in_segment(&self) -> bool {
        self.at != NO_ROOM
    }

    /// Returns the room that this family reserves: none once it has an overflow series.
    pub(super) fn reserved(&self) -> Room {
        if self.overflow.get().is_some() { Room::default() } else { Room::of_family(self.record.cells()) }
    }

    /// Reports whether one more series may be exposed.
    pub(crate) fn has_room(&self) -> bool {
        self.series.len().saturating_sub(self.hidden.load(Ordering::Relaxed)) < self.limit
    }

    /// Returns the series of these labels, sorted by name.
    #[inline]
    pub(crate) fn find<'a>(
        &self,
        hash: u64,
        labels: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Option<&Arc<SeriesCore>> {
        self.series.get_key(hash, |series| series.labels.equal(labels.clone()))
    }

    /// Returns the traits that a later registration gives otherwise. Those of the first are kept.
    ///
    /// # Errors
    /// When it has another kind or scale, by which its observations would be wrong, or only the exposed name is the same.
    pub(super) fn differences(&self, new: &FamilyRecord) -> Result<Vec<&'static str>, Error> {
        let record = &self.record;
        let renamed = |given: &str| name::sanitized(given, true) != given;
        if record.given != new.given && (renamed(&record.given) || renamed(&new.given)) {
            return Err(Error::conflict(format!(
                "metric {:?}: exposed as {:?}, which {:?} already is; rename one of them",
                new.given, record.name, record.given
            )));
        }
        if (record.kind, record.scale) != (new.kind, new.scale) {
            return Err(Error::conflict(format!(
                "metric {:?}: registered again as a {:?}, before it was a {:?} of another kind or scale; rename one of them",
                new.given, new.kind, record.kind
            )));
        }
        let help = !new.help.is_empty() && !record.help.is_empty() && record.help != new.help;
        let differences = [
            ("unit", record.unit != new.unit),
            ("buckets", record.bounds != new.bounds),
            ("merge rule", record.merge != new.merge),
            ("help", help),
        ];
        Ok(differences.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect())
    }

    /// Checks that the label names are those of the first registration in this process, in any order.
    ///
    /// # Errors
    /// When they are not. An info has those of its facts.
    pub(super) fn check_labels(&self, given: &str, labels: &[String]) -> Result<(), Error> {
        let mut names = labels.to_vec();
        names.sort();
        let first = self.label_names.get_or_init(|| names.clone());
        if *first == names || self.record.kind == MetricKind::Info {
            return Ok(());
        }
        Err(Error::conflict(format!(
            "metric {given:?}: registered again with the labels {names:?}, before it had {first:?}; give it another name"
        )))
    }
}

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
