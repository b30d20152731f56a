//! An asynchronous generator that is recorded while it runs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyGeneratorExit, PyStopAsyncIteration};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use crate::audio::Measure;
use crate::scope::Scope;
use crate::state::{lock, take};
use crate::steps::{Kind, Steps};

/// An asynchronous generator, recorded while it runs; resumed by the wrapper around it.
#[pyclass(frozen, module = "auscult._native")]
pub struct AsyncSteps {
    inner: Mutex<Option<Py<PyAny>>>,
    /// What the consumer threw in, to be raised by the next resumption.
    thrown: Mutex<Option<Py<PyAny>>>,
    scope: Scope,
    audio: Option<Py<Measure>>,
    started: AtomicBool,
    /// The consumer threw `GeneratorExit` in, which is what `aclose` does.
    closing: AtomicBool,
}

impl AsyncSteps {
    pub(crate) fn new(inner: Bound<'_, PyAny>, scope: Scope, audio: Option<Py<Measure>>) -> Self {
        let inner = Mutex::new(Some(inner.unbind()));
        let flag = || AtomicBool::new(false);
        Self { inner, thrown: Mutex::new(None), scope, audio, started: flag(), closing: flag() }
    }

    /// A resumption gave an item.
    pub(crate) fn took(&self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        if lock(&self.inner).is_none() {
            return Ok(());
        }
        self.scope.took(item, self.audio.as_ref())?;
        self.scope.suspend();
        Ok(())
    }

    /// It came to its end.
    pub(crate) fn ended(&self) {
        drop(take(&self.inner));
        if self.closing.load(Ordering::Relaxed) { self.scope.closed() } else { self.scope.finish() }
    }

    pub(crate) fn failed(&self, py: Python<'_>, error: &PyErr) {
        drop(take(&self.inner));
        if error.is_instance_of::<PyGeneratorExit>(py) { self.scope.closed() } else { self.scope.failed(py, error) }
    }

    /// The task that awaited the next item was dropped.
    pub(crate) fn cancelled(&self) {
        drop(take(&self.inner));
        self.scope.cancelled();
    }
}

#[pymethods]
impl AsyncSteps {
    /// An awaitable of the next item; raises `StopAsyncIteration` at the end.
    fn resume<'py>(slf: &Bound<'py, Self>, value: &Bound<'py, PyAny>) -> PyResult<Steps> {
        let (py, steps) = (slf.py(), slf.get());
        let inner = lock(&steps.inner).as_ref().map(|inner| inner.clone_ref(py));
        let Some(inner) = inner else { return Err(PyStopAsyncIteration::new_err(())) };
        let thrown = take(&steps.thrown);
        let awaitable = match thrown {
            None => inner.bind(py).call_method1(intern!(py, "asend"), (value,))?,
            Some(error) => inner.bind(py).call_method1(intern!(py, "athrow"), (error,))?,
        };
        steps.started.store(true, Ordering::Relaxed);
        steps.scope.resume();
        let iterator = awaitable.call_method0(intern!(py, "__await__"))?;
        Ok(Steps::new(iterator, Kind::Item(slf.clone().unbind()), steps.scope.clone_ref(py), None))
    }

    /// Takes what the last resumption, or the consumer, raised: whether it is the end. An exception of the
    /// consumer's is kept for the next resumption; one that came out of the generator is raised.
    fn ends_with(&self, error: &Bound<'_, PyAny>) -> PyResult<bool> {
        if lock(&self.inner).is_none() {
            if error.is_instance_of::<PyStopAsyncIteration>() {
                return Ok(true);
            }
            return Err(PyErr::from_value(error.clone()));
        }
        if error.is_instance_of::<PyGeneratorExit>() {
            self.closing.store(true, Ordering::Relaxed);
        }
        let before = lock(&self.thrown).replace(error.clone().unbind());
        drop(before);
        Ok(false)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for object in [&self.inner, &self.thrown] {
            if let Ok(object) = object.try_lock() {
                visit.call(&*object)?;
            }
        }
        Ok(())
    }

    fn __clear__(&self) {
        drop(take(&self.inner));
    }
}

impl Drop for AsyncSteps {
    fn drop(&mut self) {
        if lock(&self.inner).is_some() {
            if self.started.load(Ordering::Relaxed) { self.scope.closed() } else { self.scope.discard() }
        }
    }
}
