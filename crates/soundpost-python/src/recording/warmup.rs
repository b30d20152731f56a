//! `with soundpost.warmup():`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::state::{lock, take};

/// Number of blocks that run; without any, calls look for none.
static RUNNING: AtomicUsize = AtomicUsize::new(0);
static VARIABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Marks the calls that start in a block as warm-up: they are stored, and counted by no metric.
#[pyclass(frozen, module = "soundpost", name = "warmup")]
pub(crate) struct Warmup {
    entered: Mutex<Option<Py<PyAny>>>,
}

#[pymethods]
impl Warmup {
    #[new]
    fn new() -> Self {
        Self { entered: Mutex::new(None) }
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        let token = variable(py)?.call_method1(intern!(py, "set"), (true,))?.unbind();
        let before = lock(&self.entered).replace(token);
        if before.is_none() {
            RUNNING.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    #[pyo3(signature = (_kind=None, _error=None, _traceback=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<&Bound<'_, PyAny>>,
        _error: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        if let Some(token) = take(&self.entered) {
            RUNNING.fetch_sub(1, Ordering::Relaxed);
            // In another context than the one of `__enter__` there is nothing to restore.
            drop(variable(py)?.call_method1(intern!(py, "reset"), (token,)));
        }
        Ok(())
    }
}

/// Returns whether calls that start now are warm-up.
#[inline]
pub(super) fn is_warmup(py: Python<'_>) -> bool {
    RUNNING.load(Ordering::Relaxed) > 0 && is_inside(py).unwrap_or(false)
}

#[cold]
fn is_inside(py: Python<'_>) -> PyResult<bool> {
    variable(py)?.call_method1(intern!(py, "get"), (false,))?.is_truthy()
}

/// Creates the context variable, see [`super::prepare`].
pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
    variable(py).map(drop)
}

fn variable(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    let create =
        || py.import("contextvars")?.getattr("ContextVar")?.call1(("soundpost_warmup",)).map(Bound::unbind);
    VARIABLE.get_or_try_init(py, create).map(|variable| variable.bind(py))
}
