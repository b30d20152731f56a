//! Kinds of families.

/// MetricKind of a family, in OpenMetrics' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MetricKind {
    /// Only grows; the sample is `name_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets, `_sum`, `_count`.
    Histogram,
    /// `_sum` and `_count` without buckets.
    Summary,
    /// Constant 1 with facts as labels; the sample is `name_info`.
    Info,
    /// One 0/1 series a state, the state in a label of the family's own name.
    StateSet,
}
