//! The index of families and series of this process, built from the directory.
//!
//! A new series is appended to the directory and then read back, as one of another process is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::append_map::hash_of;
use super::core::{FamilyCore, SeriesCore, hash_labels};
use super::kind::Repr;
use super::record::{FamilyRecord, LabelPairs, SeriesRecord};
use super::reserve::Room;
use super::{OVERFLOW, Registry, gauge_cell, name};
use crate::segment::{Lookup, Owner, RecordKind, SlowPath, slow_path, take_cells};
use crate::thread::lock;

impl Registry {
    pub(super) fn find_series(&self, family: &FamilyCore, labels: &LabelPairs) -> Option<Arc<SeriesCore>> {
        let pairs = || labels.iter().map(|(name, value)| (&**name, &**value));
        family.find(hash_labels(pairs()), pairs()).cloned()
    }

    /// Makes a series, and leaves `reserved` free.
    pub(super) fn make_series(
        &self,
        slow: &SlowPath,
        owner: Owner,
        family: &Arc<FamilyCore>,
        labels: LabelPairs,
        reserved: Room,
    ) -> Option<Arc<SeriesCore>> {
        self.append_series(owner, family, &labels, reserved)?;
        self.absorb(slow, owner);
        self.find_series(family, &labels)
    }

    /// Returns the series for labels without a series of their own. If its names do not fit into the reserved room, it
    /// is another one of the family, in the end one without labels.
    pub(super) fn overflow_series(
        &self,
        slow: &SlowPath,
        owner: Owner,
        family: &Arc<FamilyCore>,
        labels: &LabelPairs,
    ) -> Option<Arc<SeriesCore>> {
        let rest: LabelPairs = labels.iter().map(|(name, _)| (name.clone(), OVERFLOW.into())).collect();
        let known = self.find_series(family, &rest);
        let (reserve, own) = (self.reserve.room(), family.reserved());
        let record = SeriesRecord { family: family.at, cell: 0, exemplars: None, labels: rest.clone() };
        let reserved =
            if record.encode().record_words() <= own.words { reserve.without(own) } else { reserve };
        known
            .or_else(|| self.make_series(slow, owner, family, rest, reserved))
            .or_else(|| family.overflow.get().cloned())
            .or_else(|| self.make_series(slow, owner, family, LabelPairs::default(), reserve.without(own)))
    }

    /// Allocates cells and appends the record of a series. The cells of a gauge belong to the calling
    /// process.
    fn append_series(
        &self,
        owner: Owner,
        family: &FamilyCore,
        labels: &LabelPairs,
        reserved: Room,
    ) -> Option<u32> {
        let record = &family.record;
        let cell = family
            .is_in_segment()
            .then(|| self.segment.allocate_cells(family.record.cells(), reserved.cells))??;
        if record.repr == Repr::Gauge {
            let word = self.segment.shared_cell(cell + gauge_cell::OWNER);
            word.store(owner.word(), crate::sync::Ordering::Release);
        }
        // A series without room for exemplars has none.
        let places = record.bounds.len() + 1;
        let keeps = record.exemplars && self.options.exemplars;
        let exemplars = keeps.then(|| self.segment.allocate_exemplars(places)).flatten();
        let series = SeriesRecord { family: family.at, cell, exemplars, labels: labels.clone() };
        self.append_before(RecordKind::Series, &series.encode(), reserved)
    }

    /// Returns this process's cells of a gauge that its parent made: those of a dead process, or new ones.
    pub(crate) fn own_gauge(&self, family: &Arc<FamilyCore>, series: &Arc<SeriesCore>) -> Option<u32> {
        let owner = self.segment.owner();
        let slow = slow_path();
        self.absorb(&slow, owner);
        if let Some(cell) = series.own_cell() {
            return Some(cell);
        }
        let labels = series.labels.unpack();
        let hash = hash_labels(labels.iter().map(|(name, value)| (&**name, &**value)));
        let known = lock(&family.gauges).get(&hash).cloned();
        for at in known.unwrap_or_default() {
            let Lookup::Record(record) = self.segment.directory().get(at) else { continue };
            let left = SeriesRecord::decode(&record).filter(|left| left.labels == labels);
            if let Some(left) = left.filter(|left| self.take_over(left.cell, owner)) {
                series.set_place(at, left.cell);
                self.segment.directory().set_hidden(at, false);
                return Some(left.cell);
            }
        }
        self.append_series(owner, family, &labels, self.reserve.room())?;
        self.absorb(&slow, owner);
        series.own_cell()
    }

    /// Takes over a gauge's cells from a dead process.
    fn take_over(&self, cell: u32, owner: Owner) -> bool {
        let cells = self.segment.shared_cells(cell, gauge_cell::COUNT);
        let holder = Owner::from_word(cells[gauge_cell::OWNER as usize].load(crate::sync::Ordering::Acquire));
        holder != owner && !self.segment.processes().is_alive(holder) && take_cells(cells, holder, owner)
    }

    /// Exposes a removed series again, from 0.
    pub(crate) fn expose(&self, family: &FamilyCore, series: &SeriesCore) {
        let directory = self.segment.directory();
        if directory.is_exposed(series.at()) {
            return;
        }
        let record = &family.record;
        let first = if record.repr == Repr::Gauge { gauge_cell::VALUE as usize } else { 0 };
        for cell in first..record.cells() {
            self.segment.clear_cell(series.cell() + cell as u32);
        }
        if directory.set_hidden(series.at(), false) {
            family.hidden.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Reads new records of the directory, from this and other processes, into the index.
    pub(super) fn absorb(&self, slow: &SlowPath, owner: Owner) {
        let directory = self.segment.directory();
        let mut scan = directory.read(self.seen.load(Ordering::Relaxed));
        for record in scan.by_ref() {
            if let Some(family) = FamilyRecord::decode(&record) {
                self.index_family(slow, record.at, family);
            } else if let Some(series) = SeriesRecord::decode(&record) {
                self.index_series(slow, owner, record.at, series);
            }
        }
        self.seen.store(scan.position(), Ordering::Relaxed);
    }

    fn index_family(&self, slow: &SlowPath, at: u32, record: FamilyRecord) {
        let core = match self.find_family(&record.name) {
            Some(core) => core.clone(),
            None => {
                for wire in name::exposed(&record.name, record.kind) {
                    self.exposed.insert(
                        slow,
                        hash_of(&*wire),
                        wire.as_str().into(),
                        record.name.as_str().into(),
                    );
                }
                let (hash, name) = (hash_of(&*record.name), record.name.as_str().into());
                let core = FamilyCore::new(at, record, self.options.series_limit);
                self.reserve.add(core.reserved());
                self.families.insert(slow, hash, name, Arc::new(core)).clone()
            }
        };
        self.by_position.insert(slow, hash_of(at), at, core);
    }

    fn index_series(&self, slow: &SlowPath, owner: Owner, at: u32, record: SeriesRecord) {
        let Some(family) = self.by_position.get(hash_of(record.family), |key| *key == record.family) else {
            return;
        };
        let hash = hash_labels(record.labels.iter().map(|(name, value)| (&**name, &**value)));
        if family.record.repr == Repr::Gauge {
            let mut gauges = lock(&family.gauges);
            gauges.entry(hash).or_default().push(at);
        }
        let foreign = family.record.repr == Repr::Gauge
            && self.segment.shared_cell(record.cell + gauge_cell::OWNER).load(crate::sync::Ordering::Acquire)
                != owner.word();
        if foreign {
            return;
        }
        match self.find_series(family, &record.labels) {
            Some(series) if series.own_cell().is_none() && family.record.repr == Repr::Gauge => {
                series.set_place(at, record.cell);
            }
            Some(_) => {}
            None => {
                let series = Arc::new(SeriesCore::new(&self.segment, family.record.repr, at, &record));
                let reserved = family.reserved();
                if record.labels.iter().all(|(_, value)| **value == *OVERFLOW)
                    && family.is_in_segment()
                    && family.overflow.set(series.clone()).is_ok()
                {
                    self.reserve.remove(reserved);
                }
                family.series.insert(slow, hash, series, ());
            }
        }
    }
}
