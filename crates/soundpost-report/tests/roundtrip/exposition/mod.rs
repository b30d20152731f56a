//! Content of an exposition, read in three ways: from the snapshot, by a strict reader of this
//! crate, and by an independent parser.

pub(crate) mod arbitrary;
pub(crate) mod canonical;
pub(crate) mod peer;
pub(crate) mod reader;

use std::collections::BTreeMap;

/// The two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    OpenMetrics,
}

/// Families by the name their `TYPE` line gives.
pub(crate) type Exposed = BTreeMap<String, ExposedFamily>;

#[derive(Clone, Debug, Default)]
pub(crate) struct ExposedFamily {
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) unit: String,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: Number,
    pub(crate) exemplar: Option<Exemplar>,
}

#[derive(Clone, Debug)]
pub(crate) struct Exemplar {
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: Number,
    pub(crate) timestamp: Option<Number>,
}

#[derive(Clone, Debug)]
pub(crate) enum Number {
    Int(u64),
    Float(f64),
    /// As it stands in an exposition.
    Written(String),
}

impl Number {
    fn as_f64(&self) -> f64 {
        match self {
            Self::Int(value) => *value as f64,
            Self::Float(value) => *value,
            Self::Written(text) => text.parse().expect("a number"),
        }
    }

    /// Whether both are the same number, `-0` and every bit of a `u64` included.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(value), Self::Written(text)) => *text == value.to_string(),
            _ => {
                let (a, b) = (self.as_f64(), other.as_f64());
                a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
            }
        }
    }

    /// The same for a reader that keeps integers in an `i64` (no `-0`) and the rest in an `f64`.
    fn is_about(&self, other: &Self) -> bool {
        let (a, b) = (self.as_f64(), other.as_f64());
        a == b || (a.is_nan() && b.is_nan())
    }
}

/// Says where `got` differs from `expected`; `exact` compares numbers to the bit.
pub(crate) fn difference(expected: &Exposed, got: &Exposed, exact: bool) -> Option<String> {
    if !expected.keys().eq(got.keys()) {
        let (expected, got): (Vec<_>, Vec<_>) = (expected.keys().collect(), got.keys().collect());
        return Some(format!("families {expected:?} became {got:?}"));
    }
    expected.iter().find_map(|(name, family)| {
        let other = &got[name];
        if (&family.kind, &family.help, &family.unit) != (&other.kind, &other.help, &other.unit) {
            return Some(format!("{name}: {family:?} became {other:?}"));
        }
        if family.samples.len() != other.samples.len() {
            return Some(format!("{name}: {:?} became {:?}", family.samples, other.samples));
        }
        family
            .samples
            .iter()
            .zip(&other.samples)
            .find(|(a, b)| !same_sample(a, b, exact))
            .map(|(a, b)| format!("{name}: {a:?} became {b:?}"))
    })
}

fn same_sample(a: &Sample, b: &Sample, exact: bool) -> bool {
    let same = if exact { Number::is } else { Number::is_about };
    a.name == b.name
        && a.labels == b.labels
        && same(&a.value, &b.value)
        && match (&a.exemplar, &b.exemplar) {
            (None, None) => true,
            (Some(a), Some(b)) => {
                a.labels == b.labels
                    && same(&a.value, &b.value)
                    && match (&a.timestamp, &b.timestamp) {
                        (None, None) => true,
                        (Some(a), Some(b)) => a.is_about(b),
                        _ => false,
                    }
            }
            _ => false,
        }
}
