//! How one decorated function is recorded, compiled when it is decorated.
//!
//! The wrapper, a Python function, calls what it wraps itself: a daemon thread that asks for the GIL while the
//! interpreter ends is unwound by force (before Python 3.14), and that must meet no frame of Rust. So code of the
//! host runs between the calls into here and not inside of them.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use pyo3::exceptions::PyGeneratorExit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};
use soundpost::Outcome;
use soundpost::private::monotonic_nanos;

use crate::audio::{Heard, Measure, told};
use crate::block::seconds;
use crate::call::Call;
use crate::context;
use crate::fault::{self, Part};
use crate::iteration::{Iteration, Pending};
use crate::later::{Later, later};
use crate::scope::Scope;
use crate::stage::{self, Running};
use crate::state;
use crate::torch;
use crate::value;

/// How one decorated function is recorded.
///
/// The wrapper hands over a tuple of values: those of the labels, then of the fields; the other numbers are places in
/// it.
#[pyclass(frozen, module = "soundpost._native")]
pub(crate) struct Plan {
    operation: String,
    /// Only ever a stage, never a call.
    stage: bool,
    labels: Vec<String>,
    fields: Vec<String>,
    request_id: Option<usize>,
    traceparent: Option<usize>,
    queued_at: Option<usize>,
    streaming: Option<usize>,
    audio: Option<Py<Measure>>,
    /// A function of Python's that says what an item is; see [`crate::audio::told`].
    tells: Option<Py<PyAny>>,
    /// The operation, and the `init` it belongs to.
    resolved: RwLock<Option<(u64, Arc<soundpost::Operation>)>>,
}

#[pymethods]
impl Plan {
    #[new]
    #[pyo3(signature = (
        operation, *, stage=false, labels=Vec::new(), fields=Vec::new(), request_id=None, traceparent=None,
        queued_at=None, streaming=None, audio=None, tells=None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        operation: String,
        stage: bool,
        labels: Vec<String>,
        fields: Vec<String>,
        request_id: Option<usize>,
        traceparent: Option<usize>,
        queued_at: Option<usize>,
        streaming: Option<usize>,
        audio: Option<Py<Measure>>,
        tells: Option<Py<PyAny>>,
    ) -> Self {
        let resolved = RwLock::new(None);
        Self {
            operation,
            stage,
            labels,
            fields,
            request_id,
            traceparent,
            queued_at,
            streaming,
            audio,
            tells,
            resolved,
        }
    }

    /// A function that says what an item or result is.
    #[getter]
    fn tells(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.tells.as_ref().map(|tells| tells.clone_ref(py))
    }

    /// Begins a call, or a stage where there is a call already; what it gives is for `returned` or `failed`.
    fn begin<'py>(
        slf: &Bound<'py, Self>,
        values: &Bound<'py, PyTuple>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (py, plan) = (slf.py(), slf.get());
        Ok(match plan.scope(values, false)? {
            Scope::Off => None,
            Scope::Call(call) => {
                call.get().enter(py, &call);
                Some(call.into_bound(py).into_any())
            }
            Scope::Stage(stage) => Some(Bound::new(py, Running::new(stage))?.into_any()),
        })
    }

    /// Ends what `begin` began, with a result; gives the result. Of a generator, coroutine or asynchronous generator
    /// it gives one that is recorded while it runs.
    fn returned<'py>(
        slf: &Bound<'py, Self>,
        run: Option<&Bound<'py, PyAny>>,
        result: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Some(run) = run else { return Ok(result) };
        let scope = Scope::left(run);
        if let Some(later) = later(&result)? {
            return slf.get().goes_on(slf, scope, result, later);
        }
        scope.gave(&result, slf.get().audio.as_ref())?;
        Ok(result)
    }

    /// The same, with what the user's `audio=` function said about the result.
    fn told<'py>(
        &self,
        run: Option<&Bound<'py, PyAny>>,
        result: Bound<'py, PyAny>,
        said: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(run) = run {
            let (heard, fault) = self.heard(said);
            let scope = Scope::left(run);
            let read = scope.ending(said.py());
            scope.heard(&heard);
            fault.and(read)?;
        }
        Ok(result)
    }

    /// Whether a result runs later: a generator, coroutine or asynchronous generator.
    #[staticmethod]
    fn is_later(result: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(later(result)?.is_some())
    }

    /// Ends what `begin` began, with an exception.
    fn failed<'py>(&self, run: Option<&Bound<'py, PyAny>>, error: &Bound<'py, PyAny>) -> PyResult<()> {
        let Some(run) = run else { return Ok(()) };
        let scope = Scope::left(run);
        let read = scope.ending(run.py());
        if error.is_instance_of::<PyGeneratorExit>() {
            scope.end(Outcome::Cancelled);
        } else {
            scope.failed(run.py(), &PyErr::from_value(error.clone()));
        }
        read
    }

    /// Records what a generator does; call it at the first resumption.
    fn iterate<'py>(
        slf: &Bound<'py, Self>,
        generator: Bound<'py, PyAny>,
        values: &Bound<'py, PyTuple>,
    ) -> PyResult<Iteration> {
        Iteration::new(generator, slf.clone().unbind(), slf.get().scope(values, true)?)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.tells)?;
        visit.call(&self.audio)
    }
}

impl Plan {
    pub(crate) fn audio(&self) -> Option<&Py<Measure>> {
        self.audio.as_ref()
    }

    /// What the user's function said about an item; output of unknown length where that makes no sense.
    pub(crate) fn heard(&self, said: &Bound<'_, PyAny>) -> (Heard, PyResult<()>) {
        match told(said) {
            Ok(heard) => (heard, Ok(())),
            Err(error) => (Heard::Output, self.fault(said.py(), Part::Audio, "audio", error)),
        }
    }

    /// Starts a call, or a stage where there is a call already.
    #[inline]
    fn scope(&self, values: &Bound<'_, PyTuple>, generator: bool) -> PyResult<Scope> {
        let py = values.py();
        let Some(generation) = state::generation() else { return Ok(Scope::Off) };
        if let Some(current) = context::current(py) {
            let stage = current.get().recording().map(|own| own.core().stage(&self.operation));
            return Ok(stage.map_or(Scope::Off, Scope::stage));
        }
        if self.stage {
            return Ok(stage::begin(py, &self.operation).map_or(Scope::Off, Scope::stage));
        }
        let Some(operation) = self.operation(py, generation)? else { return Ok(Scope::Off) };
        let streaming = match self.streaming {
            None => generator,
            Some(at) => self.streams(&*values.get_borrowed_item(at)?)?.unwrap_or(generator),
        };
        let expects = generator || self.audio.is_some() || self.tells.is_some();
        // None where its label names were refused.
        let labels = operation.label_names().len();
        let begin = |texts: &[&str]| operation.begin_with(texts).streaming(streaming).expects_output(expects);
        let core = if self.request_id.is_none() && self.traceparent.is_none() && self.queued_at.is_none() {
            value::with_texts(labels, |at| self.label(values, at), |texts| begin(texts).start())?
        } else {
            self.begin_with_origin(values, labels, begin)?
        };
        let call = Call::own(core);
        if let Some(own) = call.recording() {
            torch::started(py, own)?;
        }
        for (at, name) in self.fields.iter().enumerate() {
            call.set_field(name, &values.get_item(self.labels.len() + at)?)?;
        }
        Ok(Scope::Call(Py::new(py, call)?))
    }

    /// The same where the call's id, or the time it waited, comes from the arguments.
    fn begin_with_origin(
        &self,
        values: &Bound<'_, PyTuple>,
        labels: usize,
        begin: impl FnOnce(&[&str]) -> soundpost::CallBuilder,
    ) -> PyResult<soundpost::Call> {
        let request_id = self.text(values, self.request_id)?;
        let traceparent = self.text(values, self.traceparent)?;
        let queued = self.queued(values)?;
        value::with_texts(
            labels,
            |at| self.label(values, at),
            |texts| {
                let mut builder = begin(texts);
                if let Some(request_id) = &request_id {
                    builder = builder.request_id(request_id);
                }
                if let Some(traceparent) = &traceparent {
                    builder = builder.traceparent(traceparent);
                }
                if let Some(queued) = queued {
                    builder = builder.queued(queued);
                }
                builder.start()
            },
        )
    }

    fn streams(&self, value: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
        if value.is_none() {
            return Ok(None);
        }
        match value.is_truthy() {
            Ok(streams) => Ok(Some(streams)),
            Err(error) => self.fault(value.py(), Part::Streaming, "streaming", error).map(|()| None),
        }
    }

    #[inline]
    fn label<'py>(
        &self,
        values: &Bound<'py, PyTuple>,
        at: usize,
    ) -> PyResult<Option<Bound<'py, pyo3::types::PyString>>> {
        match values.get_item(at).and_then(value::text) {
            Ok(text) => Ok(Some(text)),
            Err(error) => self.fault(values.py(), Part::Label, &self.labels[at], error).map(|()| None),
        }
    }

    fn text(&self, values: &Bound<'_, PyTuple>, at: Option<usize>) -> PyResult<Option<String>> {
        let Some(value) = at.map(|at| values.get_item(at)).transpose()?.filter(|value| !value.is_none())
        else {
            return Ok(None);
        };
        match value::text(value) {
            Ok(text) => Ok(Some(text.to_string_lossy().into_owned())),
            Err(error) => self.fault(values.py(), Part::RequestId, "request_id", error).map(|()| None),
        }
    }

    fn queued(&self, values: &Bound<'_, PyTuple>) -> PyResult<Option<Duration>> {
        let Some(value) =
            self.queued_at.map(|at| values.get_item(at)).transpose()?.filter(|value| !value.is_none())
        else {
            return Ok(None);
        };
        match value.extract() {
            Ok(at) => Ok(queued_since(at)),
            Err(error) => self.fault(values.py(), Part::RequestId, "queued_at", error).map(|()| None),
        }
    }

    #[cold]
    fn fault(&self, py: Python<'_>, part: Part, name: &str, error: PyErr) -> PyResult<()> {
        fault::of_operation(py, part, &self.operation, name, error)
    }

    #[inline]
    fn operation(&self, py: Python<'_>, generation: u64) -> PyResult<Option<Arc<soundpost::Operation>>> {
        if let Some((resolved, operation)) = &*self.resolved.read().unwrap_or_else(PoisonError::into_inner)
            && *resolved == generation
        {
            return Ok(Some(operation.clone()));
        }
        self.resolve(py, generation)
    }

    #[cold]
    fn resolve(&self, py: Python<'_>, generation: u64) -> PyResult<Option<Arc<soundpost::Operation>>> {
        let Some(telemetry) = state::telemetry() else { return Ok(None) };
        let labels: Vec<&str> = self.labels.iter().map(String::as_str).collect();
        let Some(operation) = operation(py, &telemetry, &self.operation, &labels)? else { return Ok(None) };
        let operation = Arc::new(operation);
        let resolved = Some((generation, operation.clone()));
        *self.resolved.write().unwrap_or_else(PoisonError::into_inner) = resolved;
        Ok(Some(operation))
    }

    /// A plain function gave something that runs later: the recording goes on with it.
    #[cold]
    fn goes_on<'py>(
        &self,
        slf: &Bound<'py, Self>,
        scope: Scope,
        result: Bound<'py, PyAny>,
        later: Later,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        scope.suspend();
        let functions = py.import(intern!(py, "soundpost._functions"))?;
        if let Later::Coroutine = later {
            let pending = Bound::new(py, Pending::new(slf.clone().unbind(), scope))?;
            return functions.call_method1(intern!(py, "drive_coroutine"), (result, pending));
        }
        if let Some(own) = scope.call() {
            own.core().expects_output();
            if self.streaming.is_none() {
                own.core().streaming(true);
            }
        }
        let tells = self.tells.as_ref().map(|tells| tells.clone_ref(py));
        let iteration = Bound::new(py, Iteration::new(result, slf.clone().unbind(), scope)?)?;
        match later {
            Later::AsyncGenerator => functions.call_method1(intern!(py, "drive_async"), (iteration, tells)),
            Later::Generator | Later::Coroutine => {
                functions.call_method1(intern!(py, "drive"), (iteration, tells))
            }
        }
    }
}

/// The operation with these label names; where one of them cannot be, that is a fault, and it has none.
pub(crate) fn operation(
    py: Python<'_>,
    telemetry: &soundpost::Telemetry,
    name: &str,
    labels: &[&str],
) -> PyResult<Option<soundpost::Operation>> {
    match telemetry.operation(name).labels(labels) {
        Ok(operation) => Ok(Some(operation)),
        Err(error) => {
            let text = format!("{name:?}: {error}; it is recorded without labels");
            fault::report(py, Part::Operation, name, None, &text)?;
            Ok(Some(telemetry.operation(name)))
        }
    }
}

/// How long ago a time of `time.monotonic()` was, which is the clock of calls.
pub(crate) fn queued_since(at: f64) -> Option<Duration> {
    let now = monotonic_nanos() as f64 / 1e9;
    seconds((now - at).max(0.0))
}
