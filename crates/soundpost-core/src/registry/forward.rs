//! Series in the recorder that the service had installed before.
//!
//! Forwarding is off by default. The `metrics` facade has no f64 counter, so such a counter is a gauge there.

use metrics::{Key, Label, Level, Metadata};

use super::Registry;
use super::core::{FamilyCore, SeriesCore};
use super::kind::{MetricKind, Repr};

/// One series in the global recorder.
pub(crate) enum ForwardedSeries {
    Counter(metrics::Counter),
    Gauge(metrics::Gauge),
    Histogram(metrics::Histogram),
}

impl ForwardedSeries {
    pub(crate) fn add(&self, amount: f64) {
        match self {
            Self::Counter(counter) => counter.increment(amount as u64),
            Self::Gauge(gauge) => gauge.increment(amount),
            Self::Histogram(_) => {}
        }
    }

    pub(crate) fn set_absolute(&self, value: u64) {
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
    /// Returns a gauge of the global recorder alone, if forwarding is on.
    pub(crate) fn forwarded_gauge<'a>(
        &self,
        name: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Option<metrics::Gauge> {
        self.options().forward.then(|| {
            let labels: Vec<Label> =
                labels.map(|(name, value)| Label::new(name.to_owned(), value.to_owned())).collect();
            let key = Key::from_parts(name.to_owned(), labels);
            metrics::with_recorder(|recorder| recorder.register_gauge(&key, &METADATA))
        })
    }

    /// Returns the series in the global recorder, if forwarding is on.
    pub(crate) fn forwarded(&self, family: &FamilyCore, series: &SeriesCore) -> Option<Box<ForwardedSeries>> {
        if !self.options().forward {
            return None;
        }
        let record = &family.record;
        let suffix = if record.kind == MetricKind::Counter { "_total" } else { "" };
        let labels = series.labels.unpack().into_iter();
        let labels = labels.map(|(name, value)| Label::new(String::from(name), String::from(value)));
        let key = Key::from_parts(format!("{}{suffix}", record.name), labels.collect::<Vec<_>>());
        Some(Box::new(metrics::with_recorder(|recorder| {
            let (name, help) = (key.name().to_owned(), record.help.clone());
            match record.repr {
                Repr::Whole => {
                    recorder.describe_counter(name.into(), None, help.into());
                    ForwardedSeries::Counter(recorder.register_counter(&key, &METADATA))
                }
                Repr::Float | Repr::Gauge => {
                    recorder.describe_gauge(name.into(), None, help.into());
                    ForwardedSeries::Gauge(recorder.register_gauge(&key, &METADATA))
                }
                Repr::Distribution => {
                    recorder.describe_histogram(name.into(), None, help.into());
                    ForwardedSeries::Histogram(recorder.register_histogram(&key, &METADATA))
                }
            }
        })))
    }
}
