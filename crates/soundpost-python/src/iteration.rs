//! A generator, of either kind, that is recorded while it runs.
//!
//! Its wrapper resumes it between [`Iteration::enter`] and [`Iteration::yielded`], and asks about each exception
//! whose it is: see `_ITERATES` in `python/soundpost/_functions.py`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyGeneratorExit, PyRuntimeError, PyStopAsyncIteration, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::{PyTraverseError, PyVisit};

use crate::plan::Plan;
use crate::scope::Scope;
use crate::stage::Running;
use crate::state::{lock, take};

/// A generator or asynchronous generator, recorded while it runs.
#[pyclass(frozen, module = "soundpost._native")]
pub(crate) struct Iteration {
    plan: Py<Plan>,
    scope: Scope,
    is_async: bool,
    /// `None` once it has ended, so that nothing of it stays alive.
    inner: Mutex<Option<Inner>>,
    /// What the consumer threw in, for the next resumption.
    thrown: Mutex<Option<Py<PyAny>>>,
    /// An item while the user's function says what it is, and the return value for the wrapper to return.
    kept: Mutex<Option<Py<PyAny>>>,
    started: AtomicBool,
    /// Whether the generator runs now: an exception is its own then, and the consumer's otherwise.
    running: AtomicBool,
    /// Whether the consumer closes it.
    closing: AtomicBool,
}

struct Inner {
    generator: Py<PyAny>,
    /// Its `__next__` or `__anext__`.
    next: Py<PyAny>,
}

impl Iteration {
    pub(crate) fn new(generator: Bound<'_, PyAny>, plan: Py<Plan>, scope: Scope) -> PyResult<Self> {
        let py = generator.py();
        let next = generator.getattr_opt(intern!(py, "__next__"))?;
        let is_async = next.is_none();
        let next = next.map_or_else(|| generator.getattr(intern!(py, "__anext__")), Ok)?.unbind();
        let flag = || AtomicBool::new(false);
        Ok(Self {
            plan,
            scope,
            is_async,
            inner: Mutex::new(Some(Inner { generator: generator.unbind(), next })),
            thrown: Mutex::new(None),
            kept: Mutex::new(None),
            started: flag(),
            running: flag(),
            closing: flag(),
        })
    }

    /// The resumption that forwards what the consumer sent, threw, or asked for.
    #[cold]
    fn forward<'py>(&self, py: Python<'py>, given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let generator = lock(&self.inner).as_ref().map(|inner| inner.generator.clone_ref(py));
        let Some(generator) = generator.map(|generator| generator.into_bound(py)) else {
            return Err(PyRuntimeError::new_err("the generator has ended"));
        };
        let thrown = take(&self.thrown).map(|thrown| thrown.into_bound(py));
        let (method, argument) = match (thrown, self.is_async) {
            (Some(error), is_async) if error.is_instance_of::<PyGeneratorExit>() => {
                self.closing.store(true, Ordering::Relaxed);
                *lock(&self.thrown) = Some(error.unbind());
                return generator.getattr(if is_async {
                    intern!(py, "aclose")
                } else {
                    intern!(py, "close")
                });
            }
            (Some(error), false) => (intern!(py, "throw"), error),
            (Some(error), true) => (intern!(py, "athrow"), error),
            (None, false) => (intern!(py, "send"), given.clone()),
            (None, true) => (intern!(py, "asend"), given.clone()),
        };
        partial(py)?.call1((generator.getattr(method)?, argument))
    }

    /// Ends the recording after an item that made a fault under `SOUNDPOST_STRICT`.
    #[cold]
    fn broken(&self, py: Python<'_>, error: PyErr) -> PyErr {
        drop(take(&self.inner));
        self.scope.failed(py, &error);
        error
    }

    /// The generator gave the floor back.
    #[inline]
    fn left(&self, py: Python<'_>) {
        self.running.store(false, Ordering::Relaxed);
        self.scope.leave(py);
    }

    /// The generator obeyed a `close`: what the consumer threw in is raised.
    #[cold]
    fn closed(&self, py: Python<'_>) -> PyResult<()> {
        drop(take(&self.inner));
        let read = self.scope.ending(py);
        self.scope.closed();
        read?;
        take(&self.thrown).map_or(Ok(()), |thrown| Err(PyErr::from_value(thrown.into_bound(py))))
    }
}

#[pymethods]
impl Iteration {
    /// Goes on: gives what to call, without arguments, for the next item; of an asynchronous generator for an
    /// awaitable of it.
    fn enter<'py>(&self, py: Python<'py>, given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let resumption = if given.is_none() && lock(&self.thrown).is_none() {
            lock(&self.inner).as_ref().map(|inner| inner.next.clone_ref(py).into_bound(py))
        } else {
            None
        };
        let resumption = resumption.map_or_else(|| self.forward(py, given), Ok)?;
        self.scope.resume();
        self.scope.enter(py);
        self.started.store(true, Ordering::Relaxed);
        self.running.store(true, Ordering::Relaxed);
        Ok(resumption)
    }

    /// Records an item, and gives it back to be yielded.
    fn yielded<'py>(&self, item: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = item.py();
        self.left(py);
        if self.closing.load(Ordering::Relaxed) {
            self.closed(py)?;
        }
        match self.scope.took(&item, self.plan.get().audio()) {
            Ok(()) => Ok(item),
            Err(error) => Err(self.broken(py, error)),
        }
    }

    /// Keeps an item while the user's `audio=` function is asked about it.
    fn keep<'py>(&self, item: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = item.py();
        self.left(py);
        if self.closing.load(Ordering::Relaxed) {
            self.closed(py)?;
        }
        let before = lock(&self.kept).replace(item.clone().unbind());
        drop(before);
        Ok(item)
    }

    /// Records the item that was kept by what the function said, and gives it back to be yielded.
    fn told<'py>(&self, said: &Bound<'py, PyAny>) -> PyResult<Option<Py<PyAny>>> {
        let (heard, fault) = self.plan.get().heard(said);
        self.scope.handed_over(&heard);
        fault.map_err(|error| self.broken(said.py(), error))?;
        Ok(take(&self.kept))
    }

    /// Whether an exception is one that the consumer threw in: it is kept for the next resumption.
    fn throws(&self, error: &Bound<'_, PyAny>) -> bool {
        if self.running.load(Ordering::Relaxed) || lock(&self.inner).is_none() {
            return false;
        }
        let before = lock(&self.thrown).replace(error.clone().unbind());
        drop(before);
        true
    }

    /// Whether an exception says that the generator has returned; any other is what it failed with.
    fn returns<'py>(&self, error: &Bound<'py, PyAny>) -> PyResult<bool> {
        let py = error.py();
        if !self.running.load(Ordering::Relaxed) {
            return Ok(false);
        }
        self.left(py);
        drop(take(&self.inner));
        let read = self.scope.ending(py);
        if self.is_async && error.is_instance_of::<PyStopAsyncIteration>() {
            self.scope.finish();
            return read.map(|()| true);
        }
        if !self.is_async && error.is_instance_of::<PyStopIteration>() {
            let value = error.getattr(intern!(py, "value"))?.unbind();
            let before = lock(&self.kept).replace(value);
            drop(before);
            self.scope.finish();
            return read.map(|()| true);
        }
        self.scope.failed(py, &PyErr::from_value(error.clone()));
        read.map(|()| false)
    }

    /// What the generator returned; once.
    fn result(&self) -> Option<Py<PyAny>> {
        take(&self.kept)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Ok(inner) = self.inner.try_lock()
            && let Some(inner) = &*inner
        {
            visit.call(&inner.generator)?;
            visit.call(&inner.next)?;
        }
        for object in [&self.thrown, &self.kept] {
            if let Ok(object) = object.try_lock() {
                visit.call(&*object)?;
            }
        }
        visit.call(&self.plan)
    }

    fn __clear__(&self) {
        drop(take(&self.inner));
        drop(take(&self.thrown));
        drop(take(&self.kept));
    }
}

impl Drop for Iteration {
    fn drop(&mut self) {
        if lock(&self.inner).is_none() {
            return;
        }
        // What was returned by a function and never started is no call.
        if self.started.load(Ordering::Relaxed) { self.scope.closed() } else { self.scope.discard() }
    }
}

/// A coroutine that a function returned, before it is awaited.
#[pyclass(frozen, module = "soundpost._native")]
pub(crate) struct Pending {
    plan: Py<Plan>,
    scope: Mutex<Option<Scope>>,
}

impl Pending {
    pub(crate) fn new(plan: Py<Plan>, scope: Scope) -> Self {
        Self { plan, scope: Mutex::new(Some(scope)) }
    }
}

#[pymethods]
impl Pending {
    /// Goes on with what the function began.
    fn begin<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(match take(&self.scope) {
            None | Some(Scope::Off) => None,
            Some(Scope::Call(call)) => {
                call.get().enter(py, &call);
                call.get().recording().into_iter().for_each(|own| own.core().resume());
                Some(call.into_bound(py).into_any())
            }
            Some(Scope::Stage(stage)) => Some(Bound::new(py, Running::new(stage))?.into_any()),
        })
    }

    /// The plan it belongs to.
    #[getter]
    fn plan(&self, py: Python<'_>) -> Py<Plan> {
        self.plan.clone_ref(py)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(scope) = take(&self.scope) {
            scope.discard();
        }
    }
}

/// `functools.partial`; made at import, see [`crate::context::prepare`].
pub(crate) fn partial(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static PARTIAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let partial =
        PARTIAL.get_or_try_init(py, || py.import("functools")?.getattr("partial").map(Bound::unbind))?;
    Ok(partial.bind(py))
}
