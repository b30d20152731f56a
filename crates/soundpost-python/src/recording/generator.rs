//! A generator or asynchronous generator that is recorded while it runs.
//!
//! Its wrapper resumes it between [`GeneratorRecorder::resume`] and [`GeneratorRecorder::record`], and asks for
//! each exception where it came from: see `_ITERATES` in `python/soundpost/_functions.py`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyGeneratorExit, PyRuntimeError, PyStopAsyncIteration, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::{PyTraverseError, PyVisit};

use super::active::Active;
use super::output::Recording;
use crate::measure::Measure;
use crate::state::{lock, take};

/// A generator or asynchronous generator that is recorded while it runs.
#[pyclass(frozen, module = "soundpost._native")]
pub(crate) struct GeneratorRecorder {
    active: Active,
    audio: Option<Py<Measure>>,
    is_async: bool,
    /// `None` once the generator has ended, so that nothing of it stays alive.
    inner: Mutex<Option<Inner>>,
    /// The exception that the consumer threw in, for the next resumption.
    thrown: Mutex<Option<Py<PyAny>>>,
    /// An item while the user's function measures it, and at the end the returned value.
    held: Mutex<Option<Py<PyAny>>>,
    is_started: AtomicBool,
    /// True while the generator runs: an exception is its own then, and the consumer's otherwise.
    is_running: AtomicBool,
    /// True while the consumer closes the generator.
    is_closing: AtomicBool,
}

struct Inner {
    generator: Py<PyAny>,
    /// The bound `__next__` or `__anext__`.
    next: Py<PyAny>,
}

impl GeneratorRecorder {
    pub(super) fn new(
        generator: Bound<'_, PyAny>,
        active: Active,
        audio: Option<Py<Measure>>,
    ) -> PyResult<Self> {
        let py = generator.py();
        let next = generator.getattr_opt(intern!(py, "__next__"))?;
        let is_async = next.is_none();
        let next = next.map_or_else(|| generator.getattr(intern!(py, "__anext__")), Ok)?.unbind();
        Ok(Self {
            active,
            audio,
            is_async,
            inner: Mutex::new(Some(Inner { generator: generator.unbind(), next })),
            thrown: Mutex::new(None),
            held: Mutex::new(None),
            is_started: AtomicBool::new(false),
            is_running: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
        })
    }

    /// Returns the resumption that forwards what the consumer sent, threw in or closed.
    #[cold]
    fn forward<'py>(&self, py: Python<'py>, given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let generator = lock(&self.inner).as_ref().map(|inner| inner.generator.clone_ref(py));
        let Some(generator) = generator.map(|generator| generator.into_bound(py)) else {
            return Err(PyRuntimeError::new_err("the generator has ended"));
        };
        let thrown = take(&self.thrown).map(|thrown| thrown.into_bound(py));
        let (method, argument) = match (thrown, self.is_async) {
            (Some(error), is_async) if error.is_instance_of::<PyGeneratorExit>() => {
                self.is_closing.store(true, Ordering::Relaxed);
                *lock(&self.thrown) = Some(error.unbind());
                let close = if is_async { intern!(py, "aclose") } else { intern!(py, "close") };
                return generator.getattr(close);
            }
            (Some(error), false) => (intern!(py, "throw"), error),
            (Some(error), true) => (intern!(py, "athrow"), error),
            (None, false) => (intern!(py, "send"), given.clone()),
            (None, true) => (intern!(py, "asend"), given.clone()),
        };
        partial(py)?.call1((generator.getattr(method)?, argument))
    }

    /// Ends the recording if an item was a fault under `SOUNDPOST_STRICT`.
    fn end_if_err(&self, py: Python<'_>, recorded: PyResult<()>) -> PyResult<()> {
        recorded.inspect_err(|error| {
            drop(take(&self.inner));
            drop(self.active.fail(py, error));
        })
    }

    #[inline]
    fn pause(&self, py: Python<'_>) -> PyResult<()> {
        self.is_running.store(false, Ordering::Relaxed);
        self.active.leave(py);
        if self.is_closing.load(Ordering::Relaxed) { self.end_closed(py) } else { Ok(()) }
    }

    /// Ends the recording after a `close`, and raises what the consumer threw in.
    #[cold]
    fn end_closed(&self, py: Python<'_>) -> PyResult<()> {
        drop(take(&self.inner));
        self.active.end(py, Recording::abandon)?;
        take(&self.thrown).map_or(Ok(()), |thrown| Err(PyErr::from_value(thrown.into_bound(py))))
    }
}

#[pymethods]
impl GeneratorRecorder {
    /// Returns the function that resumes the generator, to be called without arguments.
    ///
    /// That of an asynchronous generator returns an awaitable of the next item.
    fn resume<'py>(&self, py: Python<'py>, given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let resumption = if given.is_none() && lock(&self.thrown).is_none() {
            lock(&self.inner).as_ref().map(|inner| inner.next.clone_ref(py).into_bound(py))
        } else {
            None
        };
        let resumption = resumption.map_or_else(|| self.forward(py, given), Ok)?;
        self.active.resume();
        self.active.enter(py);
        self.is_started.store(true, Ordering::Relaxed);
        self.is_running.store(true, Ordering::Relaxed);
        Ok(resumption)
    }

    /// Records an item, and returns it to be yielded.
    fn record<'py>(&self, item: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = item.py();
        self.pause(py)?;
        self.end_if_err(py, self.active.hand_over(&item, self.audio.as_ref()))?;
        Ok(item)
    }

    /// Holds an item while the user's `audio=` function measures it.
    fn hold<'py>(&self, item: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.pause(item.py())?;
        let before = lock(&self.held).replace(item.clone().unbind());
        drop(before);
        Ok(item)
    }

    /// Records the held item by what the user's function returned, and returns the item to be yielded.
    fn record_as<'py>(&self, answer: &Bound<'py, PyAny>) -> PyResult<Option<Py<PyAny>>> {
        self.end_if_err(answer.py(), self.active.hand_over_as(answer))?;
        Ok(take(&self.held))
    }

    /// Returns whether the consumer threw in this exception, which the next resumption forwards.
    ///
    /// Otherwise ends the recording with it, and returns `None` if it is the generator's normal return.
    fn caught(&self, error: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
        let py = error.py();
        if !self.is_running.swap(false, Ordering::Relaxed) {
            if lock(&self.inner).is_none() {
                return Ok(Some(false));
            }
            let before = lock(&self.thrown).replace(error.clone().unbind());
            drop(before);
            return Ok(Some(true));
        }
        self.active.leave(py);
        drop(take(&self.inner));
        if self.is_async && error.is_instance_of::<PyStopAsyncIteration>() {
            return self.active.finish(py).map(|()| None);
        }
        if !self.is_async && error.is_instance_of::<PyStopIteration>() {
            let value = error.getattr(intern!(py, "value"))?.unbind();
            let before = lock(&self.held).replace(value);
            drop(before);
            return self.active.finish(py).map(|()| None);
        }
        self.active.fail(py, &PyErr::from_value(error.clone())).map(|()| Some(false))
    }

    /// Returns the value that the generator returned; only once.
    fn returned_value(&self) -> Option<Py<PyAny>> {
        take(&self.held)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Ok(inner) = self.inner.try_lock()
            && let Some(inner) = &*inner
        {
            visit.call(&inner.generator)?;
            visit.call(&inner.next)?;
        }
        for object in [&self.thrown, &self.held] {
            if let Ok(object) = object.try_lock() {
                visit.call(&*object)?;
            }
        }
        visit.call(&self.audio)
    }

    fn __clear__(&self) {
        drop(take(&self.inner));
        drop(take(&self.thrown));
        drop(take(&self.held));
    }
}

impl Drop for GeneratorRecorder {
    fn drop(&mut self) {
        if lock(&self.inner).is_none() {
            return;
        }
        if self.is_started.load(Ordering::Relaxed) {
            self.active.end_finalized(Recording::abandon);
        } else {
            // A generator that was returned and never started is no call.
            self.active.end_finalized(|recording| recording.core().discard());
        }
    }
}

/// Imports `functools.partial`, see [`super::prepare`].
pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
    partial(py).map(drop)
}

fn partial(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static PARTIAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let partial =
        PARTIAL.get_or_try_init(py, || py.import("functools")?.getattr("partial").map(Bound::unbind))?;
    Ok(partial.bind(py))
}
