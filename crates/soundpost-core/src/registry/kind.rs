//! Kinds of metric families.

/// Kind of a metric family, in the terms of OpenMetrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MetricKind {
    /// Monotonic; the sample is `name_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets, `_sum`, `_count`.
    Histogram,
    /// `_sum` and `_count` without buckets.
    Summary,
    /// Constant 1 with facts as labels; the sample is `name_info`.
    Info,
    /// One 0/1 series for each state; the label of the family's name holds the state.
    StateSet,
}
