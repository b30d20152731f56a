//! The retired totals: counters and histograms of ended processes, in a segment of their own.
//!
//! They are rewritten whenever a process ends, and replaced by a rename. Gauges end with their process. Calls
//! that were in flight count as died.

use std::io;
use std::sync::Arc;

use super::attached::Attached;
use super::live::{self, LiveCalls};
use super::merge::{Living, Merged, MergedFamily, RawTotal};
use super::model::{Exemplar, Labels};
use crate::clock;
use crate::registry::{FamilyRecord, Meta, Repr, SeriesRecord};
use crate::segment::{IdWords, Payload, RecordKind, Segment, ServiceDir};
use crate::step;
use crate::sync::Ordering;

/// Minimum and maximum size of the totals, bytes; doubled until they fit.
const SIZES: (usize, usize) = (1 << 20, crate::MAX_SEGMENT_BYTES);

/// Replaces the retired totals by those of `sources` (all dead, the older totals last). `folded` are the ids of
/// contained segments whose files still exist. Returns the families that were left out because they contradict.
pub(super) fn write(
    dir: &ServiceDir,
    prefix: &str,
    mut sources: Vec<Attached>,
    folded: Vec<u64>,
) -> io::Result<Vec<String>> {
    let mut merged = Merged::default();
    for (index, attached) in sources.iter_mut().enumerate() {
        merged.absorb(index, attached);
    }
    let named = live::namespace(&sources);
    let prefix = named.as_deref().unwrap_or(prefix);
    let running = LiveCalls::read(&sources, &mut Living::default(), clock::monotonic_nanos());
    let mut bytes = SIZES.0;
    loop {
        let (segment, file) = Segment::for_retired(dir, bytes)?;
        let writer = Writer { segment: &segment, hint: std::cell::Cell::new(0) };
        if writer.write_all(prefix, &merged, &sources, &running, &folded).is_some() {
            step::reach("fold");
            file.replace(&dir.retired_file())?;
            step::reach("fold");
            return Ok(merged.conflicts);
        }
        bytes *= 2;
        if bytes > SIZES.1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
    }
}

struct Writer<'a> {
    segment: &'a Arc<Segment>,
    hint: std::cell::Cell<u32>,
}

/// Every step returns `None` when the segment is too small.
impl Writer<'_> {
    fn write_all(
        &self,
        prefix: &str,
        merged: &Merged,
        sources: &[Attached],
        running: &LiveCalls,
        folded: &[u64],
    ) -> Option<()> {
        for id in folded {
            self.append(RecordKind::Meta, &Meta::Folded { id: *id }.encode())?;
        }
        for family in merged.families.values().filter(|family| family.record.repr != Repr::Gauge) {
            let total = family.record.name.strip_prefix(prefix) == Some("_request");
            self.write_family(family, sources, total.then_some(running))?;
        }
        Some(())
    }

    fn write_family(
        &self,
        family: &MergedFamily,
        sources: &[Attached],
        running: Option<&LiveCalls>,
    ) -> Option<()> {
        let mut record = FamilyRecord::clone(&family.record);
        let sums: Vec<(&Labels, RawTotal)> = family
            .series
            .iter()
            .filter_map(|(labels, parts)| Some((labels, family.sum(sources, parts)?)))
            .collect();
        if sums.iter().any(|(_, raw)| matches!(raw, RawTotal::Float(_))) {
            record.repr = Repr::Float;
        }
        let at = self.append(RecordKind::Family, &record.encode())?;
        let mut died = running.map(|running| running.died.clone()).unwrap_or_default();
        for (labels, raw) in sums {
            let died = died.remove(labels).unwrap_or(0);
            self.write_series(at, &record, labels, raw, died)?;
        }
        died.iter().try_for_each(|(labels, count)| {
            self.write_series(at, &record, labels, RawTotal::Whole(0), *count)
        })
    }

    fn write_series(
        &self,
        family: u32,
        record: &FamilyRecord,
        labels: &Labels,
        raw: RawTotal,
        died: u64,
    ) -> Option<()> {
        let cell = self.segment.allocate_cells(record.cells(), 0)?;
        let set = |cell: u32, value: u64| self.segment.shared_cell(cell).store(value, Ordering::Relaxed);
        let mut places = None;
        match raw {
            RawTotal::Whole(value) if record.repr == Repr::Float => {
                set(cell, (value.wrapping_add(died) as f64).to_bits())
            }
            RawTotal::Whole(value) => set(cell, value.wrapping_add(died)),
            RawTotal::Float(value) => set(cell, (value + died as f64).to_bits()),
            RawTotal::Distribution { counts, sum, exemplars } => {
                for (bucket, count) in counts.iter().enumerate() {
                    set(cell + bucket as u32, *count);
                }
                set(cell + counts.len() as u32, sum.to_bits());
                places = self.write_exemplars(&exemplars);
            }
        }
        let labels = labels.iter().map(|(name, value)| ((&**name).into(), (&**value).into())).collect();
        let series = SeriesRecord { family, cell, exemplars: places, labels };
        self.append(RecordKind::Series, &series.encode()).map(drop)
    }

    /// Writes exemplars as far as there is room.
    fn write_exemplars(&self, exemplars: &[Option<Exemplar>]) -> Option<u32> {
        let first = (!exemplars.is_empty()).then(|| self.segment.allocate_exemplars(exemplars.len()))??;
        let offset = clock::unix_nanos().wrapping_sub(clock::monotonic_nanos());
        for (bucket, exemplar) in exemplars.iter().enumerate() {
            if let Some(Exemplar { request_id, value, unix_nanos }) = exemplar {
                let written = unix_nanos.wrapping_sub(offset).max(1);
                self.segment.exemplars().offer(
                    first + bucket as u32,
                    *value,
                    &IdWords::new(request_id),
                    written,
                );
            }
        }
        Some(first)
    }

    fn append(&self, kind: RecordKind, payload: &Payload) -> Option<u32> {
        let at = self.segment.directory().append(self.hint.get(), kind, payload)?;
        self.hint.set(at);
        Some(at)
    }
}
