//! `Summary`.

use pyo3::prelude::*;

use super::context::{Measurement, MetricContext};
use super::family::{Definition, Kind};
use super::metric::Metric;

/// Count and sum of observations.
#[pyclass(frozen, extends = Metric, module = "soundpost")]
#[derive(Default)]
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
        let definition = Definition { name, documentation, labelnames, namespace, subsystem, unit, registry };
        Metric::define(py, definition, Kind::Summary)
    }

    /// Adds one observation.
    fn observe(slf: &Bound<'_, Self>, amount: f64) -> PyResult<()> {
        slf.as_super().get().record(slf.py(), |handle| handle.observe_or_set(amount))
    }

    /// Observes the seconds that a block or function took.
    fn time(slf: &Bound<'_, Self>) -> MetricContext {
        MetricContext::new(slf.as_super(), Measurement::Time)
    }
}
