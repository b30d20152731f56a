//! `Counter`.

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::around::{Around, What};
use super::family::{About, Handle, Kind};
use super::metric::Metric;

/// A count that only grows. Exposed with `_total` at its end, whether or not its name has it.
#[pyclass(frozen, extends = Metric, module = "soundpost")]
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
        let about = About { name, help: documentation, labels: labelnames, namespace, subsystem, unit };
        Ok(PyClassInitializer::from(Metric::define(py, about, registry, Kind::Counter)?).add_subclass(Self))
    }

    /// Adds `amount`, which is finite and not negative; anything else is counted and dropped.
    #[pyo3(signature = (amount=1.0, exemplar=None))]
    fn inc(slf: &Bound<'_, Self>, amount: f64, exemplar: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let metric = slf.as_super().get();
        if exemplar.is_some() {
            metric.fault(slf.py(), "exemplar: only histograms keep exemplars")?;
        }
        if amount < 0.0 && crate::fault::strict() {
            return Err(PyValueError::new_err("a counter can only grow"));
        }
        metric.record(slf.py(), |handle| {
            if let Handle::Counter(counter) = handle {
                counter.increment_by(amount);
            }
        })
    }

    /// Counts what is raised in a block or function: `with c.count_exceptions():`, `@c.count_exceptions()`.
    #[pyo3(signature = (exception=None))]
    fn count_exceptions(slf: &Bound<'_, Self>, exception: Option<Py<PyAny>>) -> Around {
        let exception = exception.unwrap_or_else(|| slf.py().get_type::<PyException>().into_any().unbind());
        Around::new(slf.as_super().clone().unbind(), What::Exceptions(exception))
    }
}
