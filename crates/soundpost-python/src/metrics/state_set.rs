//! `Enum`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::family::{Definition, Handle, Kind};
use super::metric::Metric;

/// One of several states: one series per state, 1 for the current one. The first is the initial state.
#[pyclass(frozen, extends = Metric, module = "soundpost")]
#[derive(Default)]
pub(crate) struct Enum;

#[pymethods]
impl Enum {
    #[new]
    #[pyo3(signature = (
        name, documentation, labelnames=Vec::new(), namespace="", subsystem="", unit="", registry=None,
        states=Vec::new()
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
        states: Vec<String>,
    ) -> PyResult<PyClassInitializer<Self>> {
        if states.is_empty() {
            return Err(PyValueError::new_err(format!("metric {name:?}: states: give at least one")));
        }
        if !unit.is_empty() {
            return Err(PyValueError::new_err(format!("metric {name:?}: unit: an enum has none")));
        }
        let definition = Definition { name, documentation, labelnames, namespace, subsystem, unit, registry };
        Metric::define(py, definition, Kind::StateSet(states))
    }

    /// Sets the state.
    fn state(slf: &Bound<'_, Self>, state: &str) -> PyResult<()> {
        let (py, metric) = (slf.py(), slf.as_super().get());
        let Kind::StateSet(states) = &metric.family.kind else { return Ok(()) };
        let Some(at) = states.iter().position(|known| known == state) else {
            return metric.fault(py, &format!("state {state:?} is none of {states:?}"));
        };
        metric.record(py, |handle| {
            if let Handle::States(gauges) = handle {
                gauges
                    .iter()
                    .enumerate()
                    .for_each(|(index, gauge)| gauge.set(f64::from(u8::from(index == at))));
            }
        })
    }
}
