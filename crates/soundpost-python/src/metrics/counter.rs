//! `Counter`.

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;

use super::context::{Measurement, MetricContext};
use super::family::{Definition, Handle, Kind};
use super::metric::{Metric, Name};
use crate::fault;
use crate::value::{Number, Text, Texts};

/// A count that only grows, exposed with the suffix `_total`.
#[pyclass(frozen, subclass, extends = Metric, module = "soundpost")]
#[derive(Default)]
pub(crate) struct Counter;

#[pymethods]
impl Counter {
    #[new]
    #[pyo3(signature = (
        name, documentation, labelnames=Texts::default(), namespace="", subsystem="", unit="", registry=None
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
    ) -> PyResult<PyClassInitializer<Self>> {
        let definition = Definition { documentation, labelnames, namespace, subsystem, unit, registry };
        Metric::define(py, name, definition, Kind::Counter)
    }

    /// Adds `amount`, which has to be finite and not negative; any other is rejected and counted.
    #[pyo3(
        signature = (amount=Number(Ok(1.0)), exemplar=None),
        text_signature = "($self, amount=1.0, exemplar=None)"
    )]
    fn inc(slf: &Bound<'_, Self>, amount: Number, exemplar: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let metric = slf.as_super().get();
        if exemplar.is_some() {
            metric.fault(slf.py(), "exemplar: only histograms keep exemplars")?;
        }
        if fault::is_strict() && matches!(amount, Number(Ok(amount)) if amount < 0.0) {
            return Err(PyValueError::new_err("a counter can only grow"));
        }
        metric.record_number(slf.py(), amount, Handle::add)
    }

    /// Counts exceptions of a block or function: `with c.count_exceptions():`, `@c.count_exceptions()`.
    #[pyo3(signature = (exception=None))]
    fn count_exceptions(slf: &Bound<'_, Self>, exception: Option<Py<PyAny>>) -> MetricContext {
        let types = exception.unwrap_or_else(|| slf.py().get_type::<PyException>().into_any().unbind());
        MetricContext::new(slf.as_super(), Measurement::Exceptions(types))
    }
}
