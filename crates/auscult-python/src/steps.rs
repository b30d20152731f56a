//! A generator or coroutine that is recorded while it runs. The wrapper is a Python generator or coroutine
//! whose body is `return (yield from steps)` or `return await steps`: the language forwards `send`, `throw` and
//! `close`, and one call of [`Steps`] does all the rest of a resumption.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyStopAsyncIteration, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit, ffi, intern};

use crate::asyncsteps::AsyncSteps;
use crate::audio::Measure;
use crate::scope::Scope;
use crate::state::{lock, take};

/// What runs.
pub(crate) enum Kind {
    /// Its items are the output.
    Generator,
    /// Its return value is the output; what it yields is between it and the event loop.
    Coroutine,
    /// One resumption of an asynchronous generator: its return value is an item of the output.
    Item(Py<AsyncSteps>),
}

/// What a resumption came to.
enum Stepped<'py> {
    Yielded(Bound<'py, PyAny>),
    Returned(Bound<'py, PyAny>),
}

/// A generator, coroutine or awaitable, recorded while it runs.
#[pyclass(frozen, module = "auscult._native")]
pub struct Steps {
    kind: Kind,
    /// `None` once it has ended, so that nothing of it stays alive.
    inner: Mutex<Option<Py<PyAny>>>,
    scope: Scope,
    audio: Option<Py<Measure>>,
    started: AtomicBool,
}

impl Steps {
    pub(crate) fn new(inner: Bound<'_, PyAny>, kind: Kind, scope: Scope, audio: Option<Py<Measure>>) -> Self {
        Self { kind, inner: Mutex::new(Some(inner.unbind())), scope, audio, started: AtomicBool::new(false) }
    }

    #[inline]
    fn step<'py>(
        &self,
        py: Python<'py>,
        resume: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<Stepped<'py>>,
    ) -> PyResult<Stepped<'py>> {
        let inner = lock(&self.inner).as_ref().map(|inner| inner.clone_ref(py));
        let Some(inner) = inner else {
            return Ok(Stepped::Returned(py.None().into_bound(py)));
        };
        let first = !self.started.swap(true, Ordering::Relaxed);
        match self.kind {
            Kind::Generator => self.scope.resume(),
            Kind::Coroutine if first => self.scope.resume(),
            Kind::Coroutine | Kind::Item(_) => {}
        }
        let entered = self.scope.enter(py);
        let stepped = resume(inner.bind(py));
        self.scope.leave(py, &entered);
        match &stepped {
            Ok(Stepped::Yielded(item)) => {
                if let Kind::Generator = self.kind {
                    self.scope.took(item, self.audio.as_ref())?;
                    self.scope.suspend();
                }
            }
            Ok(Stepped::Returned(result)) => self.returned(result)?,
            Err(error) => self.failed(py, error),
        }
        stepped
    }

    #[cold]
    fn returned(&self, result: &Bound<'_, PyAny>) -> PyResult<()> {
        drop(take(&self.inner));
        match &self.kind {
            Kind::Generator => {
                self.scope.finish();
                Ok(())
            }
            Kind::Coroutine => self.scope.gave(result, self.audio.as_ref()),
            Kind::Item(owner) => owner.get().took(result),
        }
    }

    #[cold]
    fn failed(&self, py: Python<'_>, error: &PyErr) {
        drop(take(&self.inner));
        match &self.kind {
            Kind::Generator | Kind::Coroutine => self.scope.failed(py, error),
            Kind::Item(owner) if error.is_instance_of::<PyStopAsyncIteration>(py) => owner.get().ended(),
            Kind::Item(owner) => owner.get().failed(py, error),
        }
    }
}

#[pymethods]
impl Steps {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.send(&py.None().into_bound(py))
    }

    fn send<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        given(self.step(value.py(), |inner| send(inner, value))?)
    }

    #[pyo3(signature = (*error))]
    fn throw<'py>(&self, py: Python<'py>, error: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        given(self.step(py, |inner| stopped(py, inner.call_method1(intern!(py, "throw"), error)))?)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let inner = take(&self.inner);
        let Some(inner) = inner else { return Ok(()) };
        self.scope.resume();
        let entered = self.scope.enter(py);
        let closed = inner.bind(py).call_method0(intern!(py, "close"));
        self.scope.leave(py, &entered);
        match closed {
            Err(error) => {
                self.failed(py, &error);
                Err(error)
            }
            Ok(_) => {
                match &self.kind {
                    Kind::Generator => self.scope.closed(),
                    Kind::Coroutine => self.scope.cancelled(),
                    Kind::Item(owner) => owner.get().cancelled(),
                }
                Ok(())
            }
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Ok(inner) = self.inner.try_lock() {
            visit.call(&*inner)?;
        }
        match &self.kind {
            Kind::Item(owner) => visit.call(owner),
            Kind::Generator | Kind::Coroutine => Ok(()),
        }
    }

    fn __clear__(&self) {
        drop(take(&self.inner));
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if matches!(self.kind, Kind::Item(_)) || lock(&self.inner).is_none() {
            return;
        }
        // Dropped without a `close`. What was returned by a function and never started is no call.
        if self.started.load(Ordering::Relaxed) { self.scope.closed() } else { self.scope.discard() }
    }
}

/// Resumes a generator, coroutine or any other iterator.
#[inline]
fn send<'py>(inner: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> PyResult<Stepped<'py>> {
    let py = inner.py();
    let mut result = std::ptr::null_mut();
    // SAFETY: both objects are live; `result` gets a new reference unless there was an error.
    match unsafe { ffi::PyIter_Send(inner.as_ptr(), value.as_ptr(), &mut result) } {
        ffi::PySendResult::PYGEN_ERROR => Err(PyErr::fetch(py)),
        // SAFETY: a new reference, see above.
        ffi::PySendResult::PYGEN_NEXT => Ok(Stepped::Yielded(unsafe { Bound::from_owned_ptr(py, result) })),
        // SAFETY: a new reference, see above.
        ffi::PySendResult::PYGEN_RETURN => Ok(Stepped::Returned(unsafe { Bound::from_owned_ptr(py, result) })),
    }
}

/// The outcome of a method that raises `StopIteration` where it returns.
fn stopped<'py>(py: Python<'py>, result: PyResult<Bound<'py, PyAny>>) -> PyResult<Stepped<'py>> {
    match result {
        Ok(item) => Ok(Stepped::Yielded(item)),
        Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
            Ok(Stepped::Returned(error.value(py).getattr(intern!(py, "value"))?))
        }
        Err(error) => Err(error),
    }
}

#[inline]
fn given(stepped: Stepped<'_>) -> PyResult<Bound<'_, PyAny>> {
    match stepped {
        Stepped::Yielded(item) => Ok(item),
        Stepped::Returned(result) => Err(PyStopIteration::new_err((result.unbind(),))),
    }
}
