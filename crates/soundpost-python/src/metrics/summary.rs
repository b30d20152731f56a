//! `Summary`.

use pyo3::prelude::*;

use super::around::{Around, What};
use super::family::{About, Kind};
use super::histogram::observe;
use super::metric::Metric;

/// Count and sum of observations.
#[pyclass(frozen, extends = Metric, module = "soundpost")]
pub(crate) struct Summary;

#[pymethods]
impl Summary {
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
        Ok(PyClassInitializer::from(Metric::define(py, about, registry, Kind::Summary)?).add_subclass(Self))
    }

    /// Counts one observation.
    #[pyo3(name = "observe")]
    fn observe_value(slf: &Bound<'_, Self>, amount: f64) -> PyResult<()> {
        observe(slf.as_super(), amount)
    }

    /// Observes the seconds a block or function took.
    fn time(slf: &Bound<'_, Self>) -> Around {
        Around::new(slf.as_super().clone().unbind(), What::Time)
    }
}
