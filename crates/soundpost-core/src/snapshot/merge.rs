//! The merged index: families over all segments, and the cells of each series.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::attached::{Attached, News};
use super::model::{Distribution, Exemplar, Labels, MetricFamily, MetricSeries, MetricValue};
use crate::registry::{FamilyRecord, Merge, MetricKind, Repr, SeriesRecord, exposed};
use crate::segment::Owner;

#[derive(Default)]
pub(super) struct Merged {
    pub(super) families: BTreeMap<Arc<str>, MergedFamily>,
    /// Exposed names and their families.
    exposed: HashMap<String, String>,
    /// Families that another process registered differently, and that are left out or counted in other buckets.
    pub(super) conflicts: Vec<String>,
}

pub(super) struct MergedFamily {
    pub(super) record: Arc<FamilyRecord>,
    name: Arc<str>,
    help: Arc<str>,
    bounds: Arc<[f64]>,
    pub(super) series: BTreeMap<Labels, Vec<Part>>,
}

pub(super) struct Part {
    source: usize,
    at: u32,
    cell: u32,
    exemplars: Option<u32>,
    repr: Repr,
    /// The merged family's bucket of each own bucket, where the bounds differ.
    places: Option<Arc<[usize]>>,
}

/// Sums of a series before scaling.
pub(super) enum RawTotal {
    Whole(u64),
    Float(f64),
    Distribution { counts: Vec<u64>, sum: f64, exemplars: Vec<Option<Exemplar>> },
}

impl Merged {
    /// Adds the new entries of the segment at `index`.
    pub(super) fn absorb(&mut self, index: usize, attached: &mut Attached) {
        for news in attached.news() {
            match news {
                News::Family { family } => {
                    let conflict = match self.family(&family) {
                        Ok(merged) if merged.has_other_bounds(&family) => Some(format!(
                            "metric {:?}: processes of the service have it with different buckets; all observations are counted in those of the first",
                            family.given
                        )),
                        Ok(_) => None,
                        Err(conflict) => Some(conflict),
                    };
                    self.conflicts.extend(conflict);
                }
                News::Help { family, help } => {
                    if let Some(merged) = self.family(&family).ok().filter(|merged| merged.help.is_empty()) {
                        merged.help = help.into();
                    }
                }
                News::Series { family, labels, record, at } => {
                    let repr = family.repr;
                    if let Ok(merged) = self.family(&family) {
                        let SeriesRecord { cell, exemplars, .. } = record;
                        let places = merged.has_other_bounds(&family).then(|| merged.places(&family.bounds));
                        let part = Part { source: index, at, cell, exemplars, repr, places };
                        merged.series.entry(labels).or_default().push(part);
                    }
                }
            }
        }
    }

    /// Returns the merged family of a record, unless it contradicts an existing one.
    fn family(&mut self, record: &Arc<FamilyRecord>) -> Result<&mut MergedFamily, String> {
        if !self.families.contains_key(record.name.as_str()) {
            let wire = exposed(&record.name, record.kind);
            if let Some(other) = wire.iter().find_map(|name| self.exposed.get(name)) {
                return Err(format!(
                    "metric {:?}: another process of the service exposes a sample of its name as {other:?}; the first is shown",
                    record.given
                ));
            }
            self.exposed.extend(wire.into_iter().map(|name| (name, record.name.clone())));
        }
        let merged = self.families.entry(record.name.as_str().into()).or_insert_with(|| MergedFamily {
            record: record.clone(),
            name: record.name.as_str().into(),
            help: record.help.as_str().into(),
            bounds: record.bounds.as_slice().into(),
            series: BTreeMap::new(),
        });
        let first = &merged.record;
        if (first.kind, first.scale) != (record.kind, record.scale) {
            return Err(format!(
                "metric {:?}: processes of the service have it with different kinds or scales; the first is shown",
                record.given
            ));
        }
        if merged.help.is_empty() && !record.help.is_empty() {
            merged.help = record.help.as_str().into();
        }
        Ok(merged)
    }
}

/// Liveness of owners, tested once per snapshot.
#[derive(Default)]
pub(super) struct Living {
    known: HashMap<(usize, Owner), bool>,
}

impl Living {
    pub(super) fn is_alive(&mut self, sources: &[Attached], source: usize, owner: Owner) -> bool {
        *self.known.entry((source, owner)).or_insert_with(|| sources[source].source.is_alive(owner))
    }
}

impl MergedFamily {
    fn has_other_bounds(&self, record: &FamilyRecord) -> bool {
        self.record.bounds != record.bounds
    }

    /// Returns for each bucket of other bounds the first bucket that holds all of its observations.
    fn places(&self, bounds: &[f64]) -> Arc<[usize]> {
        let place = |upper: &f64| self.bounds.partition_point(|bound| bound < upper);
        bounds.iter().map(place).chain([self.bounds.len()]).collect()
    }

    /// Returns the family for a scrape; a family without series is included.
    pub(super) fn read(&self, sources: &[Attached], living: &mut Living) -> MetricFamily {
        let scale = self.record.scale;
        let mut series = Vec::with_capacity(self.series.len());
        for (labels, parts) in &self.series {
            if self.record.repr == Repr::Gauge {
                self.read_gauge(sources, living, labels, parts, &mut series);
                continue;
            }
            let Some(raw) = self.sum(sources, parts) else { continue };
            let value = match raw {
                RawTotal::Whole(value) if scale.is_one() => MetricValue::Int(value),
                RawTotal::Whole(value) => MetricValue::Float(scale.apply(value as f64)),
                RawTotal::Float(value) => MetricValue::Float(scale.apply(value)),
                RawTotal::Distribution { counts, sum, exemplars } => {
                    MetricValue::Distribution(Distribution {
                        bounds: self.bounds.clone(),
                        counts,
                        sum,
                        exemplars,
                    })
                }
            };
            series.push(MetricSeries { labels: labels.clone(), value });
        }
        if self.record.merge == Merge::PerProcess {
            series.sort_by(|one, other| one.labels.cmp(&other.labels));
        }
        MetricFamily {
            name: self.name.clone(),
            kind: self.record.kind,
            help: self.help.clone(),
            unit: self.record.unit,
            series,
        }
    }

    /// Sums over segments and lanes; `None` when no part is exposed and valid.
    pub(super) fn sum(&self, sources: &[Attached], parts: &[Part]) -> Option<RawTotal> {
        let exposed = |part: &&Part| sources[part.source].source.directory().is_exposed(part.at);
        let mut parts = parts.iter().filter(exposed).peekable();
        parts.peek()?;
        if self.record.repr == Repr::Distribution {
            return self.sum_distribution(sources, parts);
        }
        let mut total = RawTotal::Whole(0);
        for part in parts {
            let source = &sources[part.source].source;
            total = match (total, part.repr) {
                (RawTotal::Whole(total), Repr::Whole) => {
                    RawTotal::Whole(total.wrapping_add(source.sum(part.cell)?))
                }
                (RawTotal::Float(total), Repr::Whole) => {
                    RawTotal::Float(total + source.sum(part.cell)? as f64)
                }
                (RawTotal::Whole(total), Repr::Float) => {
                    RawTotal::Float(total as f64 + source.sum_f64(part.cell)?)
                }
                (RawTotal::Float(total), Repr::Float) => RawTotal::Float(total + source.sum_f64(part.cell)?),
                (other, _) => other,
            };
        }
        // A damaged cell may hold any value; one that a counter cannot have is left out.
        match total {
            RawTotal::Float(value) if !value.is_finite() => None,
            total => Some(total),
        }
    }

    fn sum_distribution<'a>(
        &self,
        sources: &[Attached],
        parts: impl Iterator<Item = &'a Part>,
    ) -> Option<RawTotal> {
        let buckets = self.bounds.len() + 1;
        let mut counts = vec![0_u64; buckets];
        let mut sum = 0.0;
        let mut exemplars: Vec<Option<Exemplar>> = Vec::new();
        for part in parts.filter(|part| part.repr == Repr::Distribution) {
            let attached = &sources[part.source];
            let own_buckets = part.places.as_ref().map_or(buckets, |places| places.len());
            let place = |bucket: usize| part.places.as_ref().map_or(bucket, |places| places[bucket]);
            for bucket in 0..own_buckets {
                let count = &mut counts[place(bucket)];
                *count = count.wrapping_add(attached.source.sum(part.cell.checked_add(bucket as u32)?)?);
            }
            sum += attached.source.sum_f64(part.cell.checked_add(own_buckets as u32)?)?;
            // An exemplar lies in its own bucket, which another one may not contain.
            if let Some(first) = part.exemplars.filter(|_| part.places.is_none()) {
                exemplars.resize(buckets, None);
                let places = attached.source.exemplars();
                let offset = attached.source.wall_offset();
                for (bucket, latest) in exemplars.iter_mut().enumerate() {
                    let place = first.checked_add(bucket as u32);
                    let Some(raw) = place.and_then(|place| places.read(place)) else { continue };
                    let unix_nanos = raw.written.wrapping_add(offset);
                    if latest.as_ref().is_none_or(|latest| latest.unix_nanos < unix_nanos) {
                        *latest = Some(Exemplar { request_id: raw.id.into(), value: raw.value, unix_nanos });
                    }
                }
            }
        }
        if exemplars.iter().all(Option::is_none) {
            exemplars.clear();
        }
        sum.is_finite().then_some(RawTotal::Distribution { counts, sum, exemplars })
    }

    /// Merges the gauges of living processes by the family's rule.
    fn read_gauge(
        &self,
        sources: &[Attached],
        living: &mut Living,
        labels: &Labels,
        parts: &[Part],
        series: &mut Vec<MetricSeries>,
    ) {
        let mut values: Vec<(usize, Owner, f64, u64)> = Vec::with_capacity(parts.len());
        for part in parts.iter().filter(|part| part.repr == Repr::Gauge) {
            let attached = &sources[part.source];
            let Some((owner, value, set)) = attached.gauge(part.cell) else { continue };
            let exposed = attached.source.directory().is_exposed(part.at);
            if exposed && living.is_alive(sources, part.source, owner) {
                values.push((part.source, owner, self.record.scale.apply(value), set));
            }
        }
        // A gauge that was never set is 0, and must not hide one that was set.
        if values.iter().any(|(.., set)| *set > 0) {
            values.retain(|(.., set)| *set > 0);
        }
        if values.is_empty() {
            return;
        }
        let numbers = values.iter().map(|(_, _, value, _)| *value);
        let merged = match self.record.merge {
            Merge::Sum => numbers.sum(),
            Merge::Min => numbers.fold(f64::INFINITY, f64::min),
            Merge::Max => numbers.fold(f64::NEG_INFINITY, f64::max),
            Merge::Last => values.iter().max_by_key(|(.., set)| *set).map_or(0.0, |(_, _, value, _)| *value),
            Merge::PerProcess if values.len() > 1 => {
                for (source, owner, value, _) in &values {
                    let pid = sources[*source].source.pid(*owner).to_string();
                    series.push(MetricSeries {
                        labels: with_label(labels, "pid", &pid),
                        value: MetricValue::Float(*value),
                    });
                }
                return;
            }
            Merge::PerProcess => numbers.sum(),
        };
        // A changed info leaves its old labels at 0, which are not exposed.
        if self.record.kind != MetricKind::Info || merged > 0.0 {
            series.push(MetricSeries { labels: labels.clone(), value: MetricValue::Float(merged) });
        }
    }
}

fn with_label(labels: &Labels, name: &str, value: &str) -> Labels {
    let mut all: Vec<(Arc<str>, Arc<str>)> = labels.to_vec();
    if !all.iter().any(|(label, _)| **label == *name) {
        all.push((name.into(), value.into()));
        all.sort();
    }
    all.into()
}
