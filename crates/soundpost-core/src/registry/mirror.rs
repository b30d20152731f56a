//! Writing through the facade to a recorder that the service already had.
//!
//! Off unless asked for. The facade has no counter of f64, so such a counter is a gauge over there.

use metrics::{Key, Label, Level, Metadata};

use super::Registry;
use super::family::{FamilyCore, SeriesCore};
use super::kind::Kind;
use super::spec::Repr;

/// The same series in the recorder that is installed globally.
pub(crate) enum Mirror {
    Counter(metrics::Counter),
    Gauge(metrics::Gauge),
    Histogram(metrics::Histogram),
}

impl Mirror {
    pub(crate) fn add(&self, amount: f64) {
        match self {
            Self::Counter(counter) => counter.increment(amount as u64),
            Self::Gauge(gauge) => gauge.increment(amount),
            Self::Histogram(_) => {}
        }
    }

    pub(crate) fn absolute(&self, value: u64) {
        match self {
            Self::Counter(counter) => counter.absolute(value),
            Self::Gauge(gauge) => gauge.set(value as f64),
            Self::Histogram(_) => {}
        }
    }

    pub(crate) fn set(&self, value: f64) {
        if let Self::Gauge(gauge) = self {
            gauge.set(value);
        }
    }

    pub(crate) fn record(&self, value: f64, times: usize) {
        if let Self::Histogram(histogram) = self {
            histogram.record_many(value, times);
        }
    }
}

const METADATA: Metadata<'static> = Metadata::new("soundpost", Level::INFO, None);

impl Registry {
    /// A gauge in the global recorder alone, if this registry writes there too.
    pub(crate) fn mirror_gauge<'a>(
        &self,
        name: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Option<metrics::Gauge> {
        self.options().mirror.then(|| {
            let labels: Vec<Label> =
                labels.map(|(name, value)| Label::new(name.to_owned(), value.to_owned())).collect();
            let key = Key::from_parts(name.to_owned(), labels);
            metrics::with_recorder(|recorder| recorder.register_gauge(&key, &METADATA))
        })
    }

    /// The series in the global recorder, if this registry writes there too.
    pub(crate) fn mirror(&self, family: &FamilyCore, series: &SeriesCore) -> Option<Box<Mirror>> {
        if !self.options().mirror {
            return None;
        }
        let record = &family.record;
        let suffix = if record.kind == Kind::Counter { "_total" } else { "" };
        let labels = series
            .labels
            .unpack()
            .into_iter()
            .map(|(name, value)| Label::new(String::from(name), String::from(value)));
        let key = Key::from_parts(format!("{}{suffix}", record.name), labels.collect::<Vec<_>>());
        Some(Box::new(metrics::with_recorder(|recorder| {
            let (name, help) = (key.name().to_owned(), record.help.clone());
            match record.repr {
                Repr::Whole => {
                    recorder.describe_counter(name.into(), None, help.into());
                    Mirror::Counter(recorder.register_counter(&key, &METADATA))
                }
                Repr::Float | Repr::Gauge => {
                    recorder.describe_gauge(name.into(), None, help.into());
                    Mirror::Gauge(recorder.register_gauge(&key, &METADATA))
                }
                Repr::Distribution => {
                    recorder.describe_histogram(name.into(), None, help.into());
                    Mirror::Histogram(recorder.register_histogram(&key, &METADATA))
                }
            }
        })))
    }
}
