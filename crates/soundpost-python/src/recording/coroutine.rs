//! A coroutine that a plain function returned, before it is awaited.

use std::sync::Mutex;

use pyo3::prelude::*;

use super::active::Active;
use super::output::Recording;
use crate::state::take;

/// The recording of a coroutine that a plain function returned, before it is awaited.
#[pyclass(frozen, module = "soundpost._native")]
pub(crate) struct CoroutineRecorder {
    active: Mutex<Option<Active>>,
    /// The recorder that began, see [`Active::into_entered`].
    recorder: usize,
}

impl CoroutineRecorder {
    pub(super) fn new(active: Active, recorder: usize) -> Self {
        Self { active: Mutex::new(Some(active)), recorder }
    }
}

#[pymethods]
impl CoroutineRecorder {
    /// Continues the recording that the function began. Returns the argument for the `end` methods.
    fn begin<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(active) = take(&self.active) else { return Ok(None) };
        active.resume();
        active.into_entered(py, self.recorder)
    }
}

impl Drop for CoroutineRecorder {
    fn drop(&mut self) {
        if let Some(active) = take(&self.active) {
            active.end_finalized(|recording: &Recording| recording.core().discard());
        }
    }
}
