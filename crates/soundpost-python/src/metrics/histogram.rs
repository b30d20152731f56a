//! `Histogram`.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::around::{Around, What};
use super::family::{About, Handle, Kind};
use super::metric::Metric;
use crate::value;

/// prometheus_client's default buckets, seconds.
const BUCKETS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Counts observations by size. `buckets` are inclusive upper bounds; `+Inf` is added where it is missing.
///
/// With `exemplars=True` each bucket keeps the last `exemplar` it was given.
#[pyclass(frozen, extends = Metric, module = "soundpost")]
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
        let about = About { name, help: documentation, labels: labelnames, namespace, subsystem, unit };
        let kind = Kind::Histogram { bounds: buckets.unwrap_or_else(|| BUCKETS.to_vec()), exemplars };
        Ok(PyClassInitializer::from(Metric::define(py, about, registry, kind)?).add_subclass(Self))
    }

    /// Counts one observation; a non-finite one is counted as rejected and dropped.
    ///
    /// `exemplar` is a dict of one or more labels, such as `{"trace_id": "..."}`; the value of `request_id`,
    /// `trace_id` or else the first is kept.
    #[pyo3(signature = (amount, exemplar=None))]
    fn observe(slf: &Bound<'_, Self>, amount: f64, exemplar: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let metric = slf.as_super();
        match exemplar {
            None => observe(metric, amount),
            Some(exemplar) => observe_with(metric, amount, exemplar),
        }
    }

    /// Observes the seconds a block or function took.
    fn time(slf: &Bound<'_, Self>) -> Around {
        Around::new(slf.as_super().clone().unbind(), What::Time)
    }
}

/// Observes a value in a histogram or summary.
pub(crate) fn observe(metric: &Bound<'_, Metric>, value: f64) -> PyResult<()> {
    metric.get().record(metric.py(), |handle| {
        if let Handle::Histogram(histogram) = handle {
            histogram.observe(value);
        }
    })
}

#[cold]
fn observe_with(metric: &Bound<'_, Metric>, amount: f64, exemplar: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = metric.py();
    if !matches!(metric.get().family.kind, Kind::Histogram { exemplars: true, .. }) {
        metric.get().fault(py, "exemplar: make the histogram with exemplars=True")?;
        return observe(metric, amount);
    }
    let mut id = None;
    for name in ["request_id", "trace_id"] {
        id = id.or(exemplar.get_item(name)?);
    }
    let Some(id) = id.or_else(|| exemplar.values().get_item(0).ok()) else { return observe(metric, amount) };
    let id = value::text(id)?;
    let id = id.to_string_lossy();
    metric.get().record(py, |handle| {
        if let Handle::Histogram(histogram) = handle {
            histogram.observe_with_exemplar(amount, &id);
        }
    })
}
