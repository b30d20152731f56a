//! A generator or asynchronous generator that is recorded while it runs.
//!
//! Its wrapper resumes it between [`GeneratorRecorder::resume`] and [`GeneratorRecorder::record`], and asks for
//! each exception where it came from: see `_ITERATES` in `python/soundpost/_functions.py`.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyException, PyGeneratorExit, PyRuntimeError, PyStopAsyncIteration, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyTuple};
use pyo3::{PyTraverseError, PyVisit, ffi};
use soundpost::Outcome;

use super::active::{Active, Rules};
use super::call::Call;
use super::known_texts::OpenEntry;
use super::output::Recording;
use crate::cell::GilCell;
use crate::exception::Failure;
use crate::measure::Measure;

/// A generator or asynchronous generator that is recorded while it runs.
#[pyclass(frozen, module = "soundpost._native")]
pub(crate) struct GeneratorRecorder {
    active: Active,
    audio: Option<Py<Measure>>,
    /// True if the user's functions judge the items and the end.
    is_judged: bool,
    is_async: bool,
    /// The generator until it ends, so that nothing of it stays alive.
    generator: GilCell<Py<PyAny>>,
    /// The iterator that the wrapper resumes, or the bound `__anext__` of an asynchronous generator.
    next: GilCell<Py<PyAny>>,
    /// The exception that the consumer threw in, for the next resumption.
    thrown: GilCell<Py<PyAny>>,
    /// An item while the user's function measures it, and at the end the returned value.
    held: GilCell<Py<PyAny>>,
    is_started: AtomicBool,
    /// True while the generator runs: an exception is its own then, and the consumer's otherwise.
    is_running: AtomicBool,
    /// True while the consumer closes the generator.
    is_closing: AtomicBool,
    entry: OpenEntry,
}

impl GeneratorRecorder {
    pub(super) fn new(
        generator: Bound<'_, PyAny>,
        active: Active,
        audio: Option<Py<Measure>>,
        is_judged: bool,
    ) -> PyResult<Self> {
        let py = generator.py();
        let next = generator.getattr_opt(intern!(py, "__next__"))?;
        let is_async = next.is_none();
        // SAFETY: a live object.
        let is_iterator = unsafe { ffi::PyIter_Check(generator.as_ptr()) } != 0;
        let next = match next {
            Some(_) if is_iterator => generator.clone(),
            // A proxy, whose class is no iterator.
            Some(next) => {
                let Functions { starmap, repeat, .. } = functions(py)?;
                starmap.bind(py).call1((next, repeat.bind(py).call1((PyTuple::empty(py),))?))?
            }
            None => generator.getattr(intern!(py, "__anext__"))?,
        };
        Ok(Self {
            active,
            audio,
            is_judged,
            is_async,
            generator: GilCell::new(Some(generator.unbind())),
            next: GilCell::new(Some(next.unbind())),
            thrown: GilCell::default(),
            held: GilCell::default(),
            is_started: AtomicBool::new(false),
            is_running: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            entry: OpenEntry::default(),
        })
    }

    /// Returns the resumption that forwards what the consumer sent, threw in or closed.
    #[cold]
    fn forward<'py>(&self, py: Python<'py>, given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let Some(generator) = self.generator.get(py) else {
            return Err(PyRuntimeError::new_err("the generator has ended"));
        };
        let thrown = self.thrown.take(py).map(|thrown| thrown.into_bound(py));
        let (method, arguments) = match (thrown, self.is_async) {
            (Some(error), is_async) if error.is_instance_of::<PyGeneratorExit>() => {
                self.is_closing.store(true, Ordering::Relaxed);
                drop(self.thrown.set(py, Some(error.unbind())));
                let throw = generator.getattr_opt(intern!(py, "throw"))?;
                // A new exception comes back with the one that the generator was handling.
                match throw.filter(|_| !is_async && self.is_started.load(Ordering::Relaxed)) {
                    // While the interpreter ends, PyO3 cannot make the exception.
                    Some(throw) => (throw, (py.get_type::<PyGeneratorExit>().call0()?,).into_pyobject(py)?),
                    None if is_async => return close(&generator, is_async),
                    None => {
                        self.release(py);
                        (close(&generator, is_async)?, PyTuple::empty(py))
                    }
                }
            }
            (Some(error), false) => (generator.getattr(intern!(py, "throw"))?, (error,).into_pyobject(py)?),
            (Some(error), true) => (generator.getattr(intern!(py, "athrow"))?, (error,).into_pyobject(py)?),
            (None, false) => (generator.getattr(intern!(py, "send"))?, (given,).into_pyobject(py)?),
            (None, true) => (generator.getattr(intern!(py, "asend"))?, (given,).into_pyobject(py)?),
        };
        if self.is_async {
            return functions(py)?.partial.bind(py).call1((method, arguments.get_item(0)?));
        }
        functions(py)?.starmap.bind(py).call1((method, (arguments,)))
    }

    /// Drops the generator.
    fn release(&self, py: Python<'_>) {
        drop(self.next.take(py));
        drop(self.generator.take(py));
    }

    /// Ends the recording if an item was a fault under `SOUNDPOST_STRICT`.
    fn end_if_err(&self, py: Python<'_>, recorded: PyResult<()>) -> PyResult<()> {
        recorded.inspect_err(|error| {
            self.release(py);
            drop(self.active.fail(py, error));
        })
    }

    /// Hides the texts of the call in log events of the consumer.
    #[inline]
    fn wait(&self, py: Python<'_>) {
        if let Active::Call(call) = &self.active
            && call.get().recording().is_some_and(Recording::has_texts)
        {
            self.entry.add(py, call);
        }
    }

    #[inline]
    fn pause(&self, py: Python<'_>) -> PyResult<()> {
        self.is_running.store(false, Ordering::Relaxed);
        self.active.leave(py);
        if !self.is_closing.load(Ordering::Relaxed) {
            self.wait(py);
            return Ok(());
        }
        // `close` returned, or a generator that was thrown its end yields.
        let is_ignored = !self.is_async && self.generator.is_some(py);
        self.end_closed(py, None)?;
        match self.thrown.take(py).filter(|_| !is_ignored) {
            Some(thrown) => Err(PyErr::from_value(thrown.into_bound(py))),
            None => Err(PyRuntimeError::new_err("generator ignored GeneratorExit")),
        }
    }

    /// Ends the recording of a closed generator, by the exception that it was handling when its consumer left.
    #[cold]
    fn end_closed<'py>(&self, py: Python<'py>, end: Option<&Bound<'py, PyAny>>) -> PyResult<()> {
        self.release(py);
        let context = |error: &Bound<'py, PyAny>| error.getattr(intern!(py, "__context__")).ok();
        let thrown = self.thrown.get(py);
        // The consumer's own exception is the context of both ends.
        let consumers = thrown.as_ref().and_then(context);
        let is_own = |handled: &Bound<'py, PyAny>| {
            handled.is_instance_of::<PyException>()
                && consumers.as_ref().is_none_or(|other| !handled.is(other))
        };
        let handled = end.and_then(context).filter(is_own).map(PyErr::from_value);
        self.active.end(py, |recording| {
            if let Some(failure) = handled.map(|error| recording.failure(py, &error)).filter(is_fatal) {
                recording.mark(&failure);
            }
            recording.abandon();
        })
    }
}

#[pymethods]
impl GeneratorRecorder {
    /// Returns an iterator whose next item resumes the generator, or for an asynchronous generator a function that returns
    /// an awaitable of the next item.
    fn resume<'py>(&self, py: Python<'py>, given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let is_plain = given.is_none() && !self.thrown.is_some(py);
        let resumption = if is_plain { self.next.get(py) } else { None };
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

    /// Records an item by the answer of the user's function, and returns the item to be yielded.
    ///
    /// The wrapper drops its own reference while it makes the last argument.
    fn record_measured<'py>(
        &self,
        item: Bound<'py, PyAny>,
        answer: &Bound<'py, PyAny>,
        _dropped: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = item.py();
        self.pause(py)?;
        self.end_if_err(py, self.active.hand_over_answer(answer))?;
        Ok(item)
    }

    /// Holds an item while the user's functions measure and judge it; the call stays the current one.
    fn hold<'py>(&self, item: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if self.is_closing.load(Ordering::Relaxed) {
            self.pause(item.py())?;
        }
        self.is_running.store(false, Ordering::Relaxed);
        drop(self.held.set(item.py(), Some(item.clone().unbind())));
        Ok(item)
    }

    /// The call, for the user's functions; None for a stage.
    #[getter]
    fn call(&self, py: Python<'_>) -> Option<Py<Call>> {
        if let Active::Call(call) = &self.active { Some(call.clone_ref(py)) } else { None }
    }

    /// Records the held item by what the user's functions returned, and returns the item to be yielded.
    fn record_as<'py>(&self, answers: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = answers.py();
        self.active.leave(py);
        self.wait(py);
        let item = self.held.take(py).unwrap_or_else(|| py.None()).into_bound(py);
        let rules = Rules { answers, measure: self.audio.as_ref() };
        self.end_if_err(py, self.active.hand_over_as(&item, rules))?;
        Ok(item)
    }

    /// Ends the recording of a generator that returned, by what the user's functions returned for the end.
    fn return_as(&self, value: &Bound<'_, PyAny>, answers: &Bound<'_, PyAny>) -> PyResult<()> {
        self.active.leave(answers.py());
        self.active.finish_by(value, Rules { answers, measure: None })
    }

    /// Ends the recording with an exception of the user's functions.
    fn fail(&self, error: &Bound<'_, PyAny>) -> PyResult<()> {
        self.active.leave(error.py());
        self.active.fail(error.py(), &PyErr::from_value(error.clone()))
    }

    /// Returns whether the consumer threw in this exception, which the next resumption forwards.
    ///
    /// Otherwise ends the recording with it, and returns `None` if it is the generator's normal return.
    fn caught<'py>(&self, error: &Bound<'py, PyAny>) -> PyResult<Option<bool>> {
        let py = error.py();
        if !self.is_running.swap(false, Ordering::Relaxed) {
            if !self.generator.is_some(py) {
                return Ok(Some(false));
            }
            // An interrupt of the user's functions finds the call entered.
            self.active.leave(py);
            drop(self.thrown.set(py, Some(error.clone().unbind())));
            return Ok(Some(true));
        }
        if self.is_closing.load(Ordering::Relaxed) && !self.is_async {
            let is_ended =
                error.is_instance_of::<PyGeneratorExit>() || error.is_instance_of::<PyStopIteration>();
            if is_ended {
                self.active.leave(py);
                self.end_closed(py, Some(error))?;
                return self
                    .thrown
                    .take(py)
                    .map_or(Ok(None), |thrown| Err(PyErr::from_value(thrown.into_bound(py))));
            }
        }
        let value = if self.is_async && error.is_instance_of::<PyStopAsyncIteration>() {
            Some(py.None())
        } else if !self.is_async && error.is_instance_of::<PyStopIteration>() {
            Some(error.getattr(intern!(py, "value"))?.unbind())
        } else {
            None
        };
        self.release(py);
        self.active.leave(py);
        if let Some(value) = value {
            drop(self.held.set(py, Some(value)));
            if !self.is_judged {
                self.active.finish(py)?;
            }
            return Ok(None);
        }
        self.active.fail(py, &PyErr::from_value(error.clone())).map(|()| Some(false))
    }

    /// Returns the value that the generator returned; only once. The call is current while the user's functions judge it.
    fn returned_value(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        if self.is_judged {
            self.active.enter(py);
        }
        self.held.take(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for object in [&self.generator, &self.next, &self.thrown, &self.held] {
            object.traverse(&visit)?;
        }
        visit.call(&self.audio)
    }

    fn __clear__(&self) {
        for object in [&self.generator, &self.next, &self.thrown, &self.held] {
            object.clear();
        }
    }
}

impl Drop for GeneratorRecorder {
    fn drop(&mut self) {
        // Without effect on a call that ended.
        if self.is_started.load(Ordering::Relaxed) {
            self.active.end_finalized(Recording::abandon);
        } else {
            // A generator that was returned and never started is no call.
            self.active.end_finalized(|recording| recording.core().discard());
        }
    }
}

/// Returns the bound method that closes a generator, or for an iterator without one a function that does nothing.
fn close<'py>(generator: &Bound<'py, PyAny>, is_async: bool) -> PyResult<Bound<'py, PyAny>> {
    let py = generator.py();
    match generator.getattr_opt(if is_async { intern!(py, "aclose") } else { intern!(py, "close") })? {
        Some(close) => Ok(close),
        None if is_async => Err(PyRuntimeError::new_err("the iterator has no aclose()")),
        None => Ok(py.get_type::<PyBool>().into_any()),
    }
}

/// Reports whether an exception that a generator handles is more than its way to wait or to search.
fn is_fatal(failure: &Failure) -> bool {
    const ORDINARY: [&str; 6] =
        ["Empty", "Full", "KeyError", "IndexError", "StopIteration", "StopAsyncIteration"];
    failure.outcome != Outcome::Timeout && !ORDINARY.contains(&failure.kind.as_str())
}

/// Functions of the standard library that make a resumption of a function.
struct Functions {
    partial: Py<PyAny>,
    starmap: Py<PyAny>,
    repeat: Py<PyAny>,
}

/// Imports the functions, see [`super::prepare`].
pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
    functions(py).map(drop)
}

fn functions(py: Python<'_>) -> PyResult<&'static Functions> {
    static FUNCTIONS: PyOnceLock<Functions> = PyOnceLock::new();
    FUNCTIONS.get_or_try_init(py, || {
        let get = |module: &str, name: &str| py.import(module)?.getattr(name).map(Bound::unbind);
        let (partial, starmap) = (get("functools", "partial")?, get("itertools", "starmap")?);
        PyResult::Ok(Functions { partial, starmap, repeat: get("itertools", "repeat")? })
    })
}
