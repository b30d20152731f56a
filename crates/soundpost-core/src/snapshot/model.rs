//! What a scrape sees: plain owned data, sorted, with no clock, lock or socket behind it.

use std::sync::Arc;

use crate::registry::{MetricKind, Unit};

/// All families of one service at one moment, merged over its processes, sorted by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Sorted by [`MetricFamily::name`]; a name occurs once.
    pub families: Vec<MetricFamily>,
}

/// One metric family: a name, what it means, and its series.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricFamily {
    /// The family's base name: no `_total` on counters, no `_info` on infos, unit suffix included.
    pub name: Arc<str>,
    /// What the values are; decides the `# TYPE` line and the suffixes.
    pub kind: MetricKind,
    /// Unescaped help text; empty where none was given.
    pub help: Arc<str>,
    /// Base unit of the values.
    pub unit: Unit,
    /// Sorted by labels; a label set occurs once.
    pub series: Vec<MetricSeries>,
}

/// Labels of one series: pairs sorted by name, values unescaped.
pub type Labels = Arc<[(Arc<str>, Arc<str>)]>;

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSeries {
    /// Sorted by label name; names are valid and unique.
    pub labels: Labels,
    /// Its value now.
    pub value: MetricValue,
}

/// MetricValue of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricValue {
    /// A whole count (counters).
    Int(u64),
    /// Any float (counters, gauges, infos, state sets).
    Float(f64),
    /// Histograms, and summaries with no bounds.
    Distribution(Distribution),
}

/// Observations of a histogram or summary.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// Upper bounds (inclusive), ascending, finite; the `+Inf` bucket is implied. Empty for a summary.
    pub bounds: Arc<[f64]>,
    /// Observations per bucket, *not* cumulative; one longer than `bounds`, the last is `+Inf`.
    pub counts: Vec<u64>,
    /// Sum of all observations.
    pub sum: f64,
    /// Per bucket the latest exemplar; empty, or as long as `counts`.
    pub exemplars: Vec<Option<Exemplar>>,
}

impl Distribution {
    /// Number of observations, derived from the buckets so that `+Inf` always equals it.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, n| sum.wrapping_add(*n))
    }
}

/// One observation that can be looked up by its request.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Request id, at most 64 bytes; the encoder's label `request_id`.
    pub request_id: Arc<str>,
    /// The observed value, in the family's unit.
    pub value: f64,
    /// When, in nanoseconds since the Unix epoch.
    pub unix_nanos: u64,
}
