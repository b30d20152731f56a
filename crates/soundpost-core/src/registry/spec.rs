//! The description of a family: name, kind, help, unit, labels, buckets.

use super::kind::MetricKind;
use super::name;
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
    const ALL: [Self; 5] = [Self::Sum, Self::Min, Self::Max, Self::Last, Self::PerProcess];

    pub(crate) fn code(self) -> u64 {
        Self::ALL.iter().position(|merge| *merge == self).unwrap_or(0) as u64
    }

    pub(crate) fn from_code(code: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }
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
    const ALL: [Self; 4] = [Self::Whole, Self::Float, Self::Gauge, Self::Distribution];

    pub(crate) fn code(self) -> u64 {
        Self::ALL.iter().position(|repr| *repr == self).unwrap_or(0) as u64
    }

    pub(crate) fn from_code(code: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }
}

/// Description of a family for its registration.
#[derive(Clone, Debug)]
pub struct Spec {
    pub(crate) name: String,
    pub(crate) kind: MetricKind,
    pub(crate) repr: Repr,
    pub(crate) help: String,
    pub(crate) unit: Unit,
    pub(crate) scale: Scale,
    pub(crate) merge: Merge,
    pub(crate) labels: Vec<String>,
    pub(crate) bounds: Vec<f64>,
    pub(crate) exemplars: bool,
    /// Name as the caller wrote it.
    pub(crate) given: String,
}

impl Spec {
    fn new(name: &str, kind: MetricKind, repr: Repr) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            repr,
            help: String::new(),
            unit: Unit::None,
            scale: Scale::ONE,
            merge: Merge::Sum,
            labels: Vec::new(),
            bounds: Vec::new(),
            exemplars: false,
            given: name.to_owned(),
        }
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
        Self { merge: Merge::Last, ..Self::new(name, MetricKind::Counter, Repr::Gauge) }
    }

    /// Describes a histogram with these upper bounds (inclusive, ascending); a final `+Inf` is optional.
    pub fn histogram(name: &str, bounds: &[f64]) -> Self {
        let finite = bounds.strip_suffix(&[f64::INFINITY]).unwrap_or(bounds);
        Self { bounds: finite.to_vec(), ..Self::new(name, MetricKind::Histogram, Repr::Distribution) }
    }

    /// Describes a summary: count and sum, without buckets.
    pub fn summary(name: &str) -> Self {
        Self::new(name, MetricKind::Summary, Repr::Distribution)
    }

    /// Describes an info: facts as labels of a constant 1, exposed as `name_info`.
    pub fn info(name: &str) -> Self {
        Self { merge: Merge::Max, ..Self::new(name, MetricKind::Info, Repr::Gauge) }
    }

    /// Describes a state set: one 0/1 series for each state. The label of the family's name holds the state
    /// and must be among the labels.
    pub fn state_set(name: &str) -> Self {
        Self { merge: Merge::Last, ..Self::new(name, MetricKind::StateSet, Repr::Gauge) }
    }

    /// Sets the help text.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Sets the base unit; the exposed name gets its suffix if missing.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
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
        self.merge = merge;
        self
    }

    /// Keeps the latest exemplar of each bucket of a histogram.
    #[must_use]
    pub fn exemplars(mut self) -> Self {
        self.exemplars = true;
        self
    }

    /// Checks the description without registering it.
    ///
    /// # Errors
    ///
    /// When a name cannot be exposed, a label is reserved, or bounds are not ascending.
    pub fn check(self) -> Result<(), Error> {
        self.checked().map(drop)
    }

    /// Checks the description and sets the base name.
    pub(crate) fn checked(mut self) -> Result<Self, Error> {
        let suffix = match self.kind {
            MetricKind::Counter => "_total",
            MetricKind::Info => "_info",
            _ => "",
        };
        if let Some(base) = self.name.strip_suffix(suffix).filter(|base| !base.is_empty()) {
            self.name = base.to_owned();
        }
        if self.unit != Unit::None {
            let unit = format!("_{}", self.unit.suffix());
            if matches!(self.kind, MetricKind::Info | MetricKind::StateSet) {
                return Err(Error::config(format!(
                    "metric {:?}: an info or state set has no unit",
                    self.given
                )));
            }
            if !self.name.ends_with(&unit) {
                self.name.push_str(&unit);
            }
        }
        name::check_metric(&self.name)?;
        if self.kind == MetricKind::StateSet {
            // The name is also the name of the state's label.
            name::check_label(&self.given, &self.name)?;
        }
        for (index, label) in self.labels.iter().enumerate() {
            name::check_label(&self.given, label)?;
            if self.labels[..index].contains(label) {
                return Err(Error::config(format!(
                    "metric {:?}: label {label:?} is given twice",
                    self.given
                )));
            }
        }
        if self.merge == Merge::PerProcess && self.labels.iter().any(|label| label == "pid") {
            return Err(Error::config(format!(
                "metric {:?}: label \"pid\" is added to a gauge of each process by itself; leave it out",
                self.given
            )));
        }
        if self.bounds.len() > MAX_BUCKETS {
            return Err(Error::config(format!(
                "metric {:?}: {} buckets; at most {MAX_BUCKETS} are allowed",
                self.given,
                self.bounds.len()
            )));
        }
        let ascending = self.bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || self.bounds.iter().any(|bound| !bound.is_finite()) {
            return Err(Error::config(format!(
                "metric {:?}: bucket bounds must be finite and strictly ascending: {:?}",
                self.given, self.bounds
            )));
        }
        if self.kind == MetricKind::Histogram && self.bounds.is_empty() {
            return Err(Error::config(format!(
                "metric {:?}: a histogram needs at least one bound",
                self.given
            )));
        }
        Ok(self)
    }

    /// Returns the number of words of a series in a lane.
    pub(crate) fn cells(repr: Repr, bounds: usize) -> usize {
        match repr {
            Repr::Whole | Repr::Float => 1,
            Repr::Gauge => 3,
            Repr::Distribution => bounds + 2,
        }
    }
}
