//! The awaitable that `async with` gets from a context manager that waits for nothing.

use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;

/// An awaitable that has its value already.
#[pyclass(frozen)]
pub(crate) struct ReadyAwaitable {
    value: Option<Py<PyAny>>,
}

impl ReadyAwaitable {
    pub(super) fn new(value: Option<Py<PyAny>>) -> Self {
        Self { value }
    }
}

#[pymethods]
impl ReadyAwaitable {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<()> {
        let value = self.value.as_ref().map(|value| value.clone_ref(py));
        Err(PyStopIteration::new_err((value,)))
    }
}
