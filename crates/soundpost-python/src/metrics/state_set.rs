//! `Enum`.

use pyo3::prelude::*;

use super::family::{Definition, Handle, Kind};
use super::metric::{Metric, Name};
use crate::value::{self, Text, Texts};

/// One of several states: one series per state, 1 for the current one. The first is the initial state.
#[pyclass(frozen, subclass, extends = Metric, module = "soundpost")]
#[derive(Default)]
pub(crate) struct Enum;

#[pymethods]
impl Enum {
    #[new]
    #[pyo3(signature = (
        name, documentation, labelnames=Texts::default(), namespace="", subsystem="", unit="", registry=None,
        states=Texts::default()
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
        states: Texts,
    ) -> PyResult<PyClassInitializer<Self>> {
        let definition = Definition { documentation, labelnames, namespace, subsystem, unit, registry };
        Metric::define(py, name, definition, Kind::StateSet(states.0))
    }

    /// Sets the state.
    fn state(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, metric) = (slf.py(), slf.as_super().get());
        let Kind::StateSet(states) = &metric.family.kind else { return Ok(()) };
        let state = match value::name(state) {
            Ok(state) => state,
            Err(cause) => return metric.fault_of(py, "state", cause),
        };
        let Some(at) = states.iter().position(|known| *known == state) else {
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
