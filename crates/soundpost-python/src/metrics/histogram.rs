//! `Histogram`.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::context::{Measurement, MetricContext};
use super::family::{Definition, Handle, Kind};
use super::metric::Metric;
use crate::value;

/// Default buckets in seconds, those of prometheus_client.
const DEFAULT_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Counts observations by size. `buckets` are inclusive upper bounds; a missing `+Inf` is added.
///
/// With `exemplars=True` each bucket keeps its last `exemplar`.
#[pyclass(frozen, extends = Metric, module = "soundpost")]
#[derive(Default)]
pub(crate) struct Histogram;

#[pymethods]
impl Histogram {
    #[new]
    #[pyo3(signature = (
        name, documentation, labelnames=Vec::new(), namespace="", subsystem="", unit="", registry=None,
        buckets=None, *, exemplars=false
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        name: &str,
        documentation: &str,
        labelnames: Vec<String>,
        namespace: &str,
        subsystem: &str,
        unit: &str,
        registry: Option<&Bound<'_, PyAny>>,
        buckets: Option<Vec<f64>>,
        exemplars: bool,
    ) -> PyResult<PyClassInitializer<Self>> {
        let definition = Definition { name, documentation, labelnames, namespace, subsystem, unit, registry };
        let kind = Kind::Histogram { bounds: buckets.unwrap_or_else(|| DEFAULT_BUCKETS.to_vec()), exemplars };
        Metric::define(py, definition, kind)
    }

    /// Adds one observation; a non-finite one is rejected and counted.
    ///
    /// `exemplar` is a dict of labels such as `{"trace_id": "..."}`, of which one value is kept: that of
    /// `request_id`, `trace_id`, or else the first.
    #[pyo3(signature = (amount, exemplar=None))]
    fn observe(slf: &Bound<'_, Self>, amount: f64, exemplar: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        match exemplar {
            None => slf.as_super().get().record(slf.py(), |handle| handle.observe_or_set(amount)),
            Some(exemplar) => observe_with(slf.as_super(), amount, exemplar),
        }
    }

    /// Observes the seconds that a block or function took.
    fn time(slf: &Bound<'_, Self>) -> MetricContext {
        MetricContext::new(slf.as_super(), Measurement::Time)
    }
}

#[cold]
fn observe_with(metric: &Bound<'_, Metric>, amount: f64, exemplar: &Bound<'_, PyDict>) -> PyResult<()> {
    let (py, metric) = (metric.py(), metric.get());
    let observe = |handle: &Handle| handle.observe_or_set(amount);
    if !matches!(metric.family.kind, Kind::Histogram { exemplars: true, .. }) {
        metric.fault(py, "exemplar: make the histogram with exemplars=True")?;
        return metric.record(py, observe);
    }
    let mut id = None;
    for name in ["request_id", "trace_id"] {
        id = id.or(exemplar.get_item(name)?);
    }
    let Some(id) = id.or_else(|| exemplar.values().get_item(0).ok()) else {
        return metric.record(py, observe);
    };
    let id = value::text(id)?;
    let id = id.to_string_lossy();
    metric.record(py, |handle| {
        if let Handle::Histogram(histogram) = handle {
            histogram.observe_with_exemplar(amount, &id);
        }
    })
}
