//! Phases of loading, which `python/soundpost/_loading.py` begins and ends.

use std::sync::Mutex;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use soundpost::LoadPhase;

use crate::recording;
use crate::state;

/// A phase of loading, until `end`.
#[pyclass(frozen, module = "soundpost._native")]
pub(crate) struct Loading(Mutex<Option<soundpost::Loading>>);

#[pymethods]
impl Loading {
    /// Begins a phase: `download`, `load` or `warmup`. Before `init` it does nothing.
    ///
    /// Raises `ValueError` for another phase.
    #[new]
    fn new(py: Python<'_>, phase: &str) -> PyResult<Self> {
        let Some(phase) = LoadPhase::from_name(phase) else {
            return Err(PyValueError::new_err(format!(
                "loading: there is no phase {phase:?}; give download, load or warmup"
            )));
        };
        let in_call = recording::current(py).is_some();
        let telemetry = state::telemetry();
        Ok(Self(Mutex::new(
            telemetry.map(|telemetry| soundpost::binding::loading(&telemetry, phase, in_call)),
        )))
    }

    /// Ends the phase.
    fn end(&self) {
        drop(state::take(&self.0));
    }
}
