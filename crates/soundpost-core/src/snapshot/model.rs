//! The snapshot: plain owned data, sorted, without a clock, lock or socket.

use std::sync::Arc;

use crate::registry::{MetricKind, Unit};

/// All families of one service at one moment, merged over its processes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Sorted by [`MetricFamily::name`]; names are unique.
    pub families: Vec<MetricFamily>,
}

/// One metric family.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricFamily {
    /// Base name: without `_total` of counters and `_info` of infos, with the unit's suffix.
    pub name: Arc<str>,
    /// Kind; decides the `# TYPE` line and the suffixes.
    pub kind: MetricKind,
    /// Unescaped help text; may be empty.
    pub help: Arc<str>,
    /// Base unit of the values.
    pub unit: Unit,
    /// Sorted by labels; label sets are unique.
    pub series: Vec<MetricSeries>,
}

impl MetricFamily {
    pub(super) fn clear_exemplars(&mut self) {
        for series in &mut self.series {
            if let MetricValue::Distribution(distribution) = &mut series.value {
                distribution.exemplars.clear();
            }
        }
    }
}

/// Labels of one series: pairs sorted by name, values unescaped.
pub type Labels = Arc<[(Arc<str>, Arc<str>)]>;

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSeries {
    /// Sorted by label name; names are valid and unique.
    pub labels: Labels,
    /// Current value.
    pub value: MetricValue,
}

/// Value of a series.
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
    /// Latest exemplar of each bucket; empty, or as long as `counts`.
    pub exemplars: Vec<Option<Exemplar>>,
}

impl Distribution {
    /// Returns the number of observations, the sum of the buckets, so that `+Inf` always equals it.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, n| sum.wrapping_add(*n))
    }
}

/// One observation with its request id.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Request id, at most 64 bytes; the encoder's label `request_id`.
    pub request_id: Arc<str>,
    /// Observed value, in the family's unit.
    pub value: f64,
    /// Time, nanoseconds since the Unix epoch.
    pub unix_nanos: u64,
}
