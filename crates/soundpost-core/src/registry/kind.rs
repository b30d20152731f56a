//! Kinds of metric families, and how their series are stored and merged.

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

impl MetricKind {
    pub(super) const ALL: [Self; 6] =
        [Self::Counter, Self::Gauge, Self::Histogram, Self::Summary, Self::Info, Self::StateSet];
}

/// Rule that merges the gauges of several processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Merge {
    /// Sum over living processes.
    #[default]
    Sum,
    /// Minimum.
    Min,
    /// Maximum.
    Max,
    /// Value set last.
    Last,
    /// One series for each process, with a label `pid` when there is more than one.
    PerProcess,
}

impl Merge {
    pub(super) const ALL: [Self; 5] = [Self::Sum, Self::Min, Self::Max, Self::Last, Self::PerProcess];
}

/// Representation of a series in its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repr {
    /// One word, a whole number.
    Whole,
    /// One word, an f64.
    Float,
    /// Owner, f64, time of the last set; in the shared lane.
    Gauge,
    /// One word for each bucket, including `+Inf`, and an f64 sum.
    Distribution,
}

impl Repr {
    pub(super) const ALL: [Self; 4] = [Self::Whole, Self::Float, Self::Gauge, Self::Distribution];
}
