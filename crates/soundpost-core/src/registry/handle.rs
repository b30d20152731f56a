//! Handles that record values. An update never fails, never blocks and does not allocate.
//!
//! The handle of a series that could not be made (a full segment, rejected labels) drops its updates; the failure was
//! counted when the handle was requested.

use std::sync::Arc;

use metrics::CounterFn;

use super::core::{FamilyCore, SeriesCore};
use super::forward::ForwardedSeries;
use super::unit::Scale;
use super::{LabelPairs, Registry};
use crate::clock;
use crate::segment::{IdWords, Segment};
use crate::sync::Ordering;

/// Positions in a gauge's cells.
pub(crate) mod gauge_cell {
    pub(crate) const OWNER: u32 = 0;
    pub(crate) const VALUE: u32 = 1;
    /// Monotonic time of the last `set`; 0 before the first update.
    pub(crate) const SET: u32 = 2;
    pub(crate) const COUNT: usize = 3;
}

impl Registry {
    /// Returns the counter of these labels, sorted by name.
    #[cold]
    pub(crate) fn counter(&self, family: &Arc<FamilyCore>, labels: LabelPairs) -> Counter {
        Counter::new(self, family, self.series(family, labels))
    }

    /// Returns the gauge of these labels, sorted by name.
    #[cold]
    pub(crate) fn gauge(self: &Arc<Self>, family: &Arc<FamilyCore>, labels: LabelPairs) -> Gauge {
        Gauge::new(self, family, self.series(family, labels))
    }

    /// Returns the histogram of these labels, sorted by name.
    #[cold]
    pub(crate) fn histogram(&self, family: &Arc<FamilyCore>, labels: LabelPairs) -> Histogram {
        Histogram::new(self, family, self.series(family, labels))
    }
}

/// A counter.
#[derive(Clone)]
#[must_use = "a counter counts nothing until it is incremented"]
pub struct Counter {
    series: Option<Arc<SeriesCore>>,
    forwarded: Option<Arc<ForwardedSeries>>,
}

impl Counter {
    pub(crate) fn new(registry: &Registry, family: &FamilyCore, series: Option<Arc<SeriesCore>>) -> Self {
        let forwarded = series.as_ref().and_then(|series| registry.forwarded(family, series)).map(Arc::from);
        Self { series, forwarded }
    }

    /// Adds 1.
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`, which must be finite and not negative; any other amount is counted as rejected and dropped.
    #[inline]
    pub fn increment_by(&self, amount: f64) {
        let Some(series) = &self.series else { return };
        if !(0.0..f64::INFINITY).contains(&amount) {
            series.segment.reject(1);
        } else if series.is_whole() {
            self.add(amount as u64);
        } else {
            series.segment.add_f64(series.cell(), amount);
            if let Some(forwarded) = &self.forwarded {
                forwarded.add(amount);
            }
        }
    }

    #[inline]
    pub(crate) fn add(&self, amount: u64) {
        let Some(series) = &self.series else { return };
        series.increment(amount);
        if let Some(forwarded) = &self.forwarded {
            forwarded.add(amount as f64);
        }
    }

    /// Returns the handle for the facade: the series itself where nothing is forwarded.
    pub(crate) fn into_shared(self) -> metrics::Counter {
        match (self.series, self.forwarded) {
            (Some(series), None) => metrics::Counter::from_arc(series),
            (Some(series), Some(forwarded)) => {
                metrics::Counter::from_arc(Arc::new(ForwardingCounter { series, forwarded }))
            }
            (None, _) => metrics::Counter::noop(),
        }
    }
}

impl CounterFn for SeriesCore {
    #[inline]
    fn increment(&self, value: u64) {
        if self.is_whole() {
            self.segment.add(self.cell(), value);
        } else {
            self.segment.add_f64(self.cell(), value as f64);
        }
    }

    fn absolute(&self, value: u64) {
        if self.is_whole() {
            self.segment.raise(self.cell(), value);
        } else {
            self.segment.raise_f64(self.cell(), value as f64);
        }
    }
}

/// A counter that also writes to the global recorder.
struct ForwardingCounter {
    series: Arc<SeriesCore>,
    forwarded: Arc<ForwardedSeries>,
}

impl CounterFn for ForwardingCounter {
    fn increment(&self, value: u64) {
        self.series.increment(value);
        self.forwarded.add(value as f64);
    }

    fn absolute(&self, value: u64) {
        self.series.absolute(value);
        self.forwarded.set_absolute(value);
    }
}

/// A gauge. Each process has its own value; [`super::Merge`] defines how the values are merged.
#[derive(Clone)]
#[must_use = "a gauge shows nothing until it is set"]
pub struct Gauge {
    cell: Option<Arc<GaugeCell>>,
}

pub(crate) struct GaugeCell {
    registry: Arc<Registry>,
    family: Arc<FamilyCore>,
    series: Arc<SeriesCore>,
    forwarded: Option<Box<ForwardedSeries>>,
}

impl Gauge {
    pub(crate) fn new(
        registry: &Arc<Registry>,
        family: &Arc<FamilyCore>,
        series: Option<Arc<SeriesCore>>,
    ) -> Self {
        let cell = series.map(|series| {
            let forwarded = registry.forwarded(family, &series);
            Arc::new(GaugeCell { registry: registry.clone(), family: family.clone(), series, forwarded })
        });
        Self { cell }
    }

    /// Sets the value; any f64.
    #[inline]
    pub fn set(&self, value: f64) {
        if let Some(gauge) = &self.cell {
            gauge.update(|_| value);
        }
    }

    /// Adds 1.
    #[inline]
    pub fn increment(&self) {
        self.increment_by(1.0);
    }

    /// Subtracts 1.
    #[inline]
    pub fn decrement(&self) {
        self.increment_by(-1.0);
    }

    /// Adds `amount`; an amount that is not finite is counted as rejected and dropped.
    #[inline]
    pub fn increment_by(&self, amount: f64) {
        if let Some(gauge) = &self.cell {
            gauge.add(amount);
        }
    }

    /// Subtracts `amount`; an amount that is not finite is counted as rejected and dropped.
    #[inline]
    pub fn decrement_by(&self, amount: f64) {
        self.increment_by(-amount);
    }

    /// Returns the handle for the facade.
    pub(crate) fn into_shared(self) -> metrics::Gauge {
        self.cell.map_or_else(metrics::Gauge::noop, metrics::Gauge::from_arc)
    }
}

impl GaugeCell {
    #[inline]
    fn add(&self, amount: f64) {
        if amount.is_finite() {
            self.update(|value| value + amount);
        } else {
            self.registry.reject();
        }
    }

    #[inline]
    fn update(&self, change: impl Fn(f64) -> f64) {
        let Some(cell) = self.series.own_cell().or_else(|| self.resolve()) else { return };
        let segment = self.registry.segment();
        let word = segment.shared_cell(cell + gauge_cell::VALUE);
        let mut now = word.load(Ordering::Relaxed);
        let value = loop {
            let value = change(f64::from_bits(now));
            match word.compare_exchange_weak(now, value.to_bits(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => break value,
                Err(other) => now = other,
            }
        };
        if let Some(forwarded) = &self.forwarded {
            forwarded.set(value);
        }
        let set = if self.family.record.merge == super::Merge::Last { clock::monotonic_nanos() } else { 1 };
        segment.shared_cell(cell + gauge_cell::SET).store(set, Ordering::Release);
    }

    /// Finds the cells of a forked child on its first update.
    #[cold]
    fn resolve(&self) -> Option<u32> {
        self.registry.own_gauge(&self.family, &self.series)
    }
}

impl metrics::GaugeFn for GaugeCell {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, value: f64) {
        self.update(|_| value);
    }
}

/// A histogram, or a summary when its family has no bounds.
#[derive(Clone)]
#[must_use = "a histogram shows nothing until something is observed"]
pub struct Histogram {
    cell: Option<Arc<HistogramCell>>,
}

pub(crate) struct HistogramCell {
    segment: Arc<Segment>,
    cell: u32,
    exemplars: Option<u32>,
    bounds: Arc<[f64]>,
    scale: Scale,
    forwarded: Option<Box<ForwardedSeries>>,
}

impl Histogram {
    pub(crate) fn new(registry: &Registry, family: &FamilyCore, series: Option<Arc<SeriesCore>>) -> Self {
        let cell = series.map(|series| {
            Arc::new(HistogramCell {
                segment: registry.segment().clone(),
                cell: series.cell(),
                exemplars: series.exemplars(),
                bounds: family.bounds.clone(),
                scale: family.record.scale,
                forwarded: registry.forwarded(family, &series),
            })
        });
        Self { cell }
    }

    /// Counts one observation; a value that is not finite is counted as rejected and dropped.
    #[inline]
    pub fn observe(&self, value: f64) {
        if let Some(histogram) = &self.cell {
            histogram.observe(value, 1);
        }
    }

    /// Counts one observation, and keeps the request id as the bucket's exemplar if the family has exemplars.
    pub fn observe_with_exemplar(&self, value: f64, request_id: &str) {
        self.observe_exemplar(value, &IdWords::new(request_id), clock::monotonic_nanos());
    }

    #[inline]
    pub(crate) fn observe_exemplar(&self, value: f64, id: &IdWords, now: u64) {
        let Some(histogram) = &self.cell else { return };
        let Some(bucket) = histogram.observe(value, 1) else { return };
        if let Some(places) = histogram.exemplars {
            let value = histogram.scale.apply(value);
            histogram.segment.exemplars().offer(places + bucket, value, id, now);
        }
    }

    /// Returns the handle for the facade.
    pub(crate) fn into_shared(self) -> metrics::Histogram {
        self.cell.map_or_else(metrics::Histogram::noop, metrics::Histogram::from_arc)
    }
}

impl HistogramCell {
    /// Counts an observation. Returns its bucket.
    #[inline]
    fn observe(&self, value: f64, times: usize) -> Option<u32> {
        let value = if self.scale.is_one() { value } else { self.scale.apply(value) };
        if !value.is_finite() {
            self.segment.reject(times as u64);
            return None;
        }
        let bucket = self.bounds.partition_point(|bound| *bound < value) as u32;
        let sum = self.cell + self.bounds.len() as u32 + 1;
        self.segment.observe(self.cell + bucket, sum, value, times as u64);
        if let Some(forwarded) = &self.forwarded {
            forwarded.record(value, times);
        }
        Some(bucket)
    }
}

impl metrics::HistogramFn for HistogramCell {
    #[inline]
    fn record(&self, value: f64) {
        self.observe(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        self.observe(value, count);
    }
}
