//! `Counter`.

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::context::{Measurement, MetricContext};
use super::family::{Definition, Kind};
use super::metric::Metric;
use crate::fault;

/// A count that only grows, exposed with the suffix `_total`.
#[pyclass(frozen, extends = Metric, module = "soundpost")]
#[derive(Default)]
pub(crate) struct Counter;

#[pymethods]
impl Counter {
    #[new]
    #[pyo3(signature = (
        name, documentation, labelnames=Vec::new(), namespace="", subsystem="", unit="", registry=None
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
    ) -> PyResult<PyClassInitializer<Self>> {
        let definition = Definition { name, documentation, labelnames, namespace, subsystem, unit, registry };
        Metric::define(py, definition, Kind::Counter)
    }

    /// Adds `amount`, which has to be finite and not negative; any other is rejected and counted.
    #[pyo3(signature = (amount=1.0, exemplar=None))]
    fn inc(slf: &Bound<'_, Self>, amount: f64, exemplar: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let metric = slf.as_super().get();
        if exemplar.is_some() {
            metric.fault(slf.py(), "exemplar: only histograms keep exemplars")?;
        }
        if amount < 0.0 && fault::is_strict() {
            return Err(PyValueError::new_err("a counter can only grow"));
        }
        metric.record(slf.py(), |handle| handle.add(amount))
    }

    /// Counts exceptions of a block or function: `with c.count_exceptions():`, `@c.count_exceptions()`.
    #[pyo3(signature = (exception=None))]
    fn count_exceptions(slf: &Bound<'_, Self>, exception: Option<Py<PyAny>>) -> MetricContext {
        let types = exception.unwrap_or_else(|| slf.py().get_type::<PyException>().into_any().unbind());
        MetricContext::new(slf.as_super(), Measurement::Exceptions(types))
    }
}
