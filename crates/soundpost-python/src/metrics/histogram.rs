//! `Histogram`.

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::context::{Measurement, MetricContext};
use super::family::{Definition, Handle, Kind};
use super::metric::{Metric, Name};
use crate::value::{self, Number, Text, Texts};

/// Default buckets in seconds, those of prometheus_client.
const DEFAULT_BUCKETS: [f64; 15] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, f64::INFINITY];

/// Counts observations by size. `buckets` are inclusive upper bounds; a missing `+Inf` is added.
///
/// With `exemplars=True` each bucket keeps its last `exemplar`.
#[pyclass(frozen, subclass, extends = Metric, module = "soundpost")]
#[derive(Default)]
pub(crate) struct Histogram;

#[pymethods]
impl Histogram {
    /// The buckets without `buckets=`, upper bounds in seconds.
    #[classattr]
    #[pyo3(name = "DEFAULT_BUCKETS")]
    fn default_buckets(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
        PyTuple::new(py, DEFAULT_BUCKETS)
    }

    #[new]
    #[pyo3(signature = (
        name, documentation, labelnames=Texts::default(), namespace="", subsystem="", unit="", registry=None,
        buckets=None, *, exemplars=false
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        name: Name,
        documentation: Text,
        labelnames: Texts,
        namespace: &str,
        subsystem: &str,
        unit: &str,
        registry: Option<&Bound<'_, PyAny>>,
        buckets: Option<&Bound<'_, PyAny>>,
        exemplars: bool,
    ) -> PyResult<PyClassInitializer<Self>> {
        let definition = Definition { documentation, labelnames, namespace, subsystem, unit, registry };
        let bounds = match buckets {
            Some(buckets) => {
                buckets.try_iter()?.map(|bound| value::number(&bound?)).collect::<PyResult<_>>()?
            }
            None => DEFAULT_BUCKETS.to_vec(),
        };
        let kind = Kind::Histogram { bounds, exemplars };
        Metric::define(py, name, definition, kind)
    }

    /// Adds one observation; a non-finite one is rejected and counted.
    ///
    /// `exemplar` is a dict of labels such as `{"trace_id": "..."}`, of which one value is kept: that of
    /// `request_id`, `trace_id`, or else the first.
    #[pyo3(signature = (amount, exemplar=None))]
    fn observe(slf: &Bound<'_, Self>, amount: Number, exemplar: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let (py, metric) = (slf.py(), slf.as_super().get());
        match exemplar.map_or(Ok(None), |exemplar| exemplar_id(metric, exemplar))? {
            None => metric.record_number(py, amount, Handle::observe_or_set),
            Some(id) => metric.record_number(py, amount, |handle, amount| {
                if let Handle::Histogram(histogram) = handle {
                    histogram.observe_with_exemplar(amount, &id.to_string_lossy());
                }
            }),
        }
    }

    /// Observes the seconds that a block or function took.
    fn time(slf: &Bound<'_, Self>) -> MetricContext {
        MetricContext::new(slf.as_super(), Measurement::Time)
    }
}

/// Returns the id that an exemplar keeps; `None` without one, or for an object that is no exemplar, which is a fault.
#[cold]
fn exemplar_id<'py>(metric: &Metric, exemplar: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyString>>> {
    let py = exemplar.py();
    if !matches!(metric.family.kind, Kind::Histogram { exemplars: true, .. }) {
        return metric.fault(py, "exemplar: make the histogram with exemplars=True").map(|()| None);
    }
    let id = value::pairs(exemplar).and_then(|pairs| {
        let is = |key: &Bound<'_, PyAny>, name| key.extract::<&str>().is_ok_and(|key| key == name);
        let named = |name| pairs.iter().find(|(key, _)| is(key, name));
        let kept = named("request_id").or_else(|| named("trace_id")).or_else(|| pairs.first());
        kept.map(|(_, id)| value::text(id.clone())).transpose()
    });
    id.or_else(|cause| metric.fault_of(py, "exemplar: give a dict of texts", cause).map(|()| None))
}
