//! The description of a family: name, kind, help, unit, labels, buckets.

use super::kind::{Merge, MetricKind, Repr};
use super::name;
use super::record::FamilyRecord;
use super::unit::{Scale, Unit};
use crate::error::Error;

/// Upper bounds for latencies of speech services, seconds.
pub const LATENCY_BUCKETS: [f64; 20] = [
    0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0, 60.0, 120.0,
    300.0,
];
/// Upper bounds for real-time factors and other ratios around 1.
pub const RATIO_BUCKETS: [f64; 11] = [0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.25, 1.5, 2.0, 5.0, 10.0];
/// Upper bounds for shares of a whole.
pub const SHARE_BUCKETS: [f64; 12] = [0.0001, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0];
/// Upper bounds for seconds of speech per character.
pub const PACE_BUCKETS: [f64; 14] =
    [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0];
/// Upper bounds for sizes, bytes: powers of four from 1 KiB to 64 GiB.
pub const BYTES_BUCKETS: [f64; 14] = [
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
    4_294_967_296.0,
    17_179_869_184.0,
    68_719_476_736.0,
];
/// Maximum number of bounds.
const MAX_BUCKETS: usize = 256;

/// Description of a family for its registration.
#[derive(Clone, Debug)]
pub struct Spec {
    pub(crate) record: FamilyRecord,
    pub(crate) labels: Vec<String>,
}

impl Spec {
    fn new(name: &str, kind: MetricKind, repr: Repr) -> Self {
        let record = FamilyRecord {
            name: name.to_owned(),
            given: name.to_owned(),
            help: String::new(),
            kind,
            repr,
            merge: Merge::Sum,
            unit: Unit::None,
            scale: Scale::ONE,
            exemplars: false,
            bounds: Vec::new(),
        };
        Self { record, labels: Vec::new() }
    }

    /// Describes an f64 counter, exposed as `name_total` whether or not `name` has that suffix.
    pub fn counter(name: &str) -> Self {
        Self::new(name, MetricKind::Counter, Repr::Float)
    }

    /// Describes a counter of whole numbers.
    pub(crate) fn whole_counter(name: &str) -> Self {
        Self::new(name, MetricKind::Counter, Repr::Whole)
    }

    /// Describes a gauge; [`Merge`] defines how several processes are merged.
    pub fn gauge(name: &str) -> Self {
        Self::new(name, MetricKind::Gauge, Repr::Gauge)
    }

    /// Describes a counter whose value comes from the kernel or a driver. Unlike other counters it ends with
    /// the process that reads it, and processes are not summed.
    pub fn sampled_counter(name: &str) -> Self {
        Self::new(name, MetricKind::Counter, Repr::Gauge).merge(Merge::Last)
    }

    /// Describes a histogram with these upper bounds (inclusive, ascending); a final `+Inf` is optional.
    pub fn histogram(name: &str, bounds: &[f64]) -> Self {
        let finite = bounds.strip_suffix(&[f64::INFINITY]).unwrap_or(bounds);
        let mut spec = Self::new(name, MetricKind::Histogram, Repr::Distribution);
        spec.record.bounds = finite.to_vec();
        spec
    }

    /// Describes a summary: count and sum, without buckets.
    pub fn summary(name: &str) -> Self {
        Self::new(name, MetricKind::Summary, Repr::Distribution)
    }

    /// Describes an info: facts as labels of a constant 1, exposed as `name_info`.
    pub fn info(name: &str) -> Self {
        Self::new(name, MetricKind::Info, Repr::Gauge).merge(Merge::Max)
    }

    /// Describes a state set: one 0/1 series for each state. The label of the family's name holds the state
    /// and must be among the labels.
    pub fn state_set(name: &str) -> Self {
        Self::new(name, MetricKind::StateSet, Repr::Gauge).merge(Merge::Last)
    }

    /// Sets the help text.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.record.help = help.into();
        self
    }

    /// Sets the base unit; the exposed name gets its suffix if missing.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.record.unit = unit;
        self
    }

    /// Sets the label names, in the order in which their values will be given.
    #[must_use]
    pub fn labels(mut self, labels: &[&str]) -> Self {
        self.labels = labels.iter().map(|&label| label.to_owned()).collect();
        self
    }

    /// Sets the rule that merges the gauges of several processes.
    #[must_use]
    pub fn merge(mut self, merge: Merge) -> Self {
        self.record.merge = merge;
        self
    }

    /// Keeps the latest exemplar of each bucket of a histogram.
    #[must_use]
    pub fn exemplars(mut self) -> Self {
        self.record.exemplars = true;
        self
    }

    /// Checks the description without registering it.
    ///
    /// # Errors
    /// When a name cannot be exposed, a label is reserved, or bounds are not ascending.
    pub fn check(self) -> Result<(), Error> {
        self.checked().map(drop)
    }

    /// Checks the description and sets the base name.
    pub(crate) fn checked(mut self) -> Result<Self, Error> {
        let Self { record, labels } = &mut self;
        let invalid = |problem: String| Err(Error::config(format!("metric {:?}: {problem}", record.given)));
        let suffix = match record.kind {
            MetricKind::Counter => "_total",
            MetricKind::Info => "_info",
            _ => "",
        };
        if let Some(base) = record.name.strip_suffix(suffix).filter(|base| !base.is_empty()) {
            record.name = base.to_owned();
        }
        if record.unit != Unit::None {
            let unit = format!("_{}", record.unit.suffix());
            if matches!(record.kind, MetricKind::Info | MetricKind::StateSet) {
                return invalid("an info or state set has no unit".to_owned());
            }
            if !record.name.ends_with(&unit) {
                record.name.push_str(&unit);
            }
        }
        name::check_metric(&record.name)?;
        if record.kind == MetricKind::StateSet {
            // The name is also the name of the state's label.
            name::check_label(&record.given, &record.name)?;
        }
        for (index, label) in labels.iter().enumerate() {
            name::check_label(&record.given, label)?;
            if labels[..index].contains(label) {
                return invalid(format!("label {label:?} is given twice"));
            }
        }
        if record.merge == Merge::PerProcess && labels.iter().any(|label| label == "pid") {
            return invalid(
                "label \"pid\" is added to a gauge of each process by itself; leave it out".to_owned(),
            );
        }
        let bounds = &record.bounds;
        if bounds.len() > MAX_BUCKETS {
            return invalid(format!("{} buckets; at most {MAX_BUCKETS} are allowed", bounds.len()));
        }
        let ascending = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || bounds.iter().any(|bound| !bound.is_finite()) {
            return invalid(format!("bucket bounds must be finite and strictly ascending: {bounds:?}"));
        }
        if record.kind == MetricKind::Histogram && bounds.is_empty() {
            return invalid("a histogram needs at least one bound".to_owned());
        }
        Ok(self)
    }
}
