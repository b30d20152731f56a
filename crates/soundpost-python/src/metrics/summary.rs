//! `Summary`.

use pyo3::prelude::*;

use super::context::{Measurement, MetricContext};
use super::family::{Definition, Handle, Kind};
use super::metric::{Metric, Name};
use crate::value::{Number, Text, Texts};

/// Count and sum of observations.
#[pyclass(frozen, subclass, extends = Metric, module = "soundpost")]
#[derive(Default)]
pub(crate) struct Summary;

#[pymethods]
impl Summary {
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
        Metric::define(py, name, definition, Kind::Summary)
    }

    /// Adds one observation.
    fn observe(slf: &Bound<'_, Self>, amount: Number) -> PyResult<()> {
        slf.as_super().get().record_number(slf.py(), amount, Handle::observe_or_set)
    }

    /// Observes the seconds that a block or function took.
    fn time(slf: &Bound<'_, Self>) -> MetricContext {
        MetricContext::new(slf.as_super(), Measurement::Time)
    }
}
