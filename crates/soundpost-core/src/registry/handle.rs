//! Handles: what recording goes through. An update never fails, never blocks and allocates nothing.
//!
//! A handle of a series that could not be made (no space, refused labels) takes updates and drops them;
//! that it could not be made was counted when it was asked for.

use std::sync::Arc;

use metrics::CounterFn;

use super::Registry;
use super::family::{FamilyCore, SeriesCore};
use super::mirror::Mirror;
use super::unit::Scale;
use crate::clock;
use crate::segment::{IdWords, Segment};
use crate::sync::Ordering;

/// Position in a gauge's cells.
pub(crate) mod gauge_cell {
    pub(crate) const OWNER: u32 = 0;
    pub(crate) const VALUE: u32 = 1;
    /// Monotonic time of the last `set`; 0 before the first update.
    pub(crate) const SET: u32 = 2;
}

/// A counter.
#[derive(Clone)]
#[must_use = "a counter counts nothing until it is incremented"]
pub struct Counter {
    series: Option<Arc<SeriesCore>>,
    mirror: Option<Arc<Mirror>>,
}

impl Counter {
    pub(crate) fn new(registry: &Registry, family: &FamilyCore, series: Option<Arc<SeriesCore>>) -> Self {
        let mirror = series.as_ref().and_then(|series| registry.mirror(family, series)).map(Arc::from);
        Self { series, mirror }
    }

    /// Adds `amount`, which must be finite and not negative; anything else is counted and dropped.
    #[inline]
    pub fn inc(&self, amount: f64) {
        let Some(series) = &self.series else { return };
        if !(0.0..f64::INFINITY).contains(&amount) {
            series.segment.reject(1);
        } else if series.is_whole() {
            self.increment(amount as u64);
        } else {
            series.segment.add_f64(series.cell(), amount);
            if let Some(mirror) = &self.mirror {
                mirror.add(amount);
            }
        }
    }

    /// Adds a whole number.
    #[inline]
    pub fn increment(&self, amount: u64) {
        let Some(series) = &self.series else { return };
        series.increment(amount);
        if let Some(mirror) = &self.mirror {
            mirror.add(amount as f64);
        }
    }

    /// For the facade, which shares its handles: the series itself, unless there is a mirror as well.
    pub(crate) fn into_facade(self) -> metrics::Counter {
        match (self.series, self.mirror) {
            (Some(series), None) => metrics::Counter::from_arc(series),
            (Some(series), Some(mirror)) => metrics::Counter::from_arc(Arc::new(Mirrored { series, mirror })),
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

/// A counter that is written to another recorder as well.
struct Mirrored {
    series: Arc<SeriesCore>,
    mirror: Arc<Mirror>,
}

impl CounterFn for Mirrored {
    fn increment(&self, value: u64) {
        self.series.increment(value);
        self.mirror.add(value as f64);
    }

    fn absolute(&self, value: u64) {
        self.series.absolute(value);
        self.mirror.absolute(value);
    }
}

/// A gauge. Each process has its own value; [`super::Merge`] says how they become one.
#[derive(Clone)]
#[must_use = "a gauge shows nothing until it is set"]
pub struct Gauge {
    cell: Option<Arc<GaugeCell>>,
}

pub(crate) struct GaugeCell {
    registry: Arc<Registry>,
    family: Arc<FamilyCore>,
    series: Arc<SeriesCore>,
    mirror: Option<Box<Mirror>>,
}

impl Gauge {
    pub(crate) fn new(
        registry: &Arc<Registry>,
        family: &Arc<FamilyCore>,
        series: Option<Arc<SeriesCore>>,
    ) -> Self {
        let cell = series.map(|series| {
            let mirror = registry.mirror(family, &series);
            Arc::new(GaugeCell { registry: registry.clone(), family: family.clone(), series, mirror })
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

    /// Adds `amount`; non-finite amounts are counted and dropped.
    #[inline]
    pub fn inc(&self, amount: f64) {
        if let Some(gauge) = &self.cell {
            gauge.add(amount);
        }
    }

    /// Subtracts `amount`; non-finite amounts are counted and dropped.
    #[inline]
    pub fn dec(&self, amount: f64) {
        self.inc(-amount);
    }

    pub(crate) fn into_shared(self) -> Option<Arc<GaugeCell>> {
        self.cell
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
        if let Some(mirror) = &self.mirror {
            mirror.set(value);
        }
        let set = if self.family.record.merge == super::Merge::Last { clock::monotonic_nanos() } else { 1 };
        segment.shared_cell(cell + gauge_cell::SET).store(set, Ordering::Release);
    }

    /// In a forked child the first update finds the child's own cells.
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
    mirror: Option<Box<Mirror>>,
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
                mirror: registry.mirror(family, &series),
            })
        });
        Self { cell }
    }

    /// Counts one observation; non-finite ones are counted as rejected and dropped.
    #[inline]
    pub fn observe(&self, value: f64) {
        if let Some(histogram) = &self.cell {
            histogram.observe(value, 1);
        }
    }

    /// As [`Histogram::observe`], and keeps the request id as the bucket's exemplar if the family has any.
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

    pub(crate) fn into_shared(self) -> Option<Arc<HistogramCell>> {
        self.cell
    }
}

impl HistogramCell {
    /// The bucket it went to.
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
        if let Some(mirror) = &self.mirror {
            mirror.record(value, times);
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
