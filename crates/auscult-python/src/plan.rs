//! How one decorated function is recorded, compiled when it is decorated.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::asyncsteps::AsyncSteps;
use crate::audio::Measure;
use crate::block::seconds;
use crate::call::Call;
use crate::context;
use crate::fault::{self, Part};
use crate::scope::Scope;
use crate::stage;
use crate::state;
use crate::steps::{Kind, Steps};
use crate::value;

/// Where a value comes from.
enum Source {
    /// A parameter: its place in the tuple of values the wrapper hands over.
    Value(usize),
    /// A function of the bound arguments.
    Function(Py<PyAny>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Source {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<usize>() {
            Ok(index) => Ok(Self::Value(index)),
            Err(_) => Ok(Self::Function(object.to_owned().unbind())),
        }
    }
}

/// The values one invocation brings: those of parameters, and the bound arguments where a function wants them.
struct Given<'a, 'py> {
    values: &'a Bound<'py, PyTuple>,
    bound: Option<&'a Bound<'py, PyDict>>,
}

impl<'py> Given<'_, 'py> {
    #[inline]
    fn get(&self, source: &Source) -> PyResult<Bound<'py, PyAny>> {
        match source {
            Source::Value(index) => self.values.get_item(*index),
            Source::Function(function) => function.bind(self.values.py()).call1((self.bound,)),
        }
    }
}

/// How one decorated function is recorded.
#[pyclass(frozen, module = "auscult._native")]
pub struct Plan {
    operation: String,
    /// Only ever a stage, never a call.
    stage: bool,
    labels: Vec<(String, Source)>,
    fields: Vec<(String, Source)>,
    request_id: Option<Source>,
    traceparent: Option<Source>,
    queued_at: Option<Source>,
    streaming: Option<Source>,
    audio: Option<Py<Measure>>,
    /// The operation, and the `init` it belongs to.
    resolved: RwLock<Option<(u64, auscult::Operation)>>,
}

#[pymethods]
impl Plan {
    #[new]
    #[pyo3(signature = (
        operation, *, stage=false, labels=Vec::new(), fields=Vec::new(), request_id=None, traceparent=None,
        queued_at=None, streaming=None, audio=None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        operation: String,
        stage: bool,
        labels: Vec<(String, Source)>,
        fields: Vec<(String, Source)>,
        request_id: Option<Source>,
        traceparent: Option<Source>,
        queued_at: Option<Source>,
        streaming: Option<Source>,
        audio: Option<Py<Measure>>,
    ) -> Self {
        let resolved = RwLock::new(None);
        Self { operation, stage, labels, fields, request_id, traceparent, queued_at, streaming, audio, resolved }
    }

    /// Calls a plain function. What it returns is recorded, unless it is a generator, coroutine or asynchronous
    /// generator: that is recorded while it runs.
    fn call<'py>(
        slf: &Bound<'py, Self>,
        function: &Bound<'py, PyAny>,
        arguments: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
        values: &Bound<'py, PyTuple>,
        bound: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, plan) = (slf.py(), slf.get());
        let scope = plan.begin(&Given { values, bound }, false)?;
        let entered = scope.enter(py);
        let result = function.call(arguments, keywords);
        scope.leave(py, &entered);
        match result {
            Ok(result) => match later(&result)? {
                None => {
                    scope.gave(&result, plan.audio.as_ref())?;
                    Ok(result)
                }
                Some(later) => plan.returned(py, scope, &result, later),
            },
            Err(error) => {
                scope.failed(py, &error);
                Err(error)
            }
        }
    }

    /// Begins to record what a generator does; call it at the first resumption.
    #[pyo3(signature = (generator, values, bound=None))]
    fn generator<'py>(
        &self,
        generator: Bound<'py, PyAny>,
        values: &Bound<'py, PyTuple>,
        bound: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Steps> {
        let scope = self.begin(&Given { values, bound }, true)?;
        Ok(Steps::new(generator, Kind::Generator, scope, self.measure(values.py())))
    }

    /// Begins to record what a coroutine does; call it when it is first awaited.
    #[pyo3(signature = (coroutine, values, bound=None))]
    fn coroutine<'py>(
        &self,
        coroutine: Bound<'py, PyAny>,
        values: &Bound<'py, PyTuple>,
        bound: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Steps> {
        let scope = self.begin(&Given { values, bound }, false)?;
        Ok(Steps::new(coroutine, Kind::Coroutine, scope, self.measure(values.py())))
    }

    /// Begins to record what an asynchronous generator does; call it at the first resumption.
    #[pyo3(signature = (generator, values, bound=None))]
    fn async_generator<'py>(
        &self,
        generator: Bound<'py, PyAny>,
        values: &Bound<'py, PyTuple>,
        bound: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<AsyncSteps> {
        let scope = self.begin(&Given { values, bound }, true)?;
        Ok(AsyncSteps::new(generator, scope, self.measure(values.py())))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let named = self.labels.iter().chain(&self.fields).map(|(_, source)| source);
        let single = [&self.request_id, &self.traceparent, &self.queued_at, &self.streaming];
        for source in named.chain(single.into_iter().flatten()) {
            if let Source::Function(function) = source {
                visit.call(function)?;
            }
        }
        visit.call(&self.audio)
    }
}

impl Plan {
    fn measure(&self, py: Python<'_>) -> Option<Py<Measure>> {
        self.audio.as_ref().map(|audio| audio.clone_ref(py))
    }

    /// Starts a call, or a stage where there is a call already.
    #[inline]
    fn begin(&self, given: &Given<'_, '_>, generator: bool) -> PyResult<Scope> {
        let py = given.values.py();
        let Some(generation) = state::generation() else { return Ok(Scope::Off) };
        if let Some(current) = context::current(py) {
            let stage = current.get().recording().map(|own| own.core().stage(&self.operation));
            return Ok(stage.map_or(Scope::Off, Scope::stage));
        }
        if self.stage {
            return Ok(stage::begin(py, &self.operation).map_or(Scope::Off, Scope::stage));
        }
        let Some(operation) = self.operation(py, generation)? else { return Ok(Scope::Off) };
        let streaming = self.streams(given, generator)?;
        let label = |index: usize| self.label(given, index);
        let expects = generator || self.audio.is_some();
        let begin = |values: &[&str]| operation.begin(values).streaming(streaming).expects_output(expects);
        let core = if self.request_id.is_none() && self.traceparent.is_none() && self.queued_at.is_none() {
            value::with_texts(self.labels.len(), label, |values| begin(values).start())?
        } else {
            self.begin_with_origin(given, begin)?
        };
        let call = Call::own(core);
        for (name, source) in &self.fields {
            match given.get(source) {
                Ok(value) => call.set_field(name, &value)?,
                Err(error) => self.fault(py, Part::Field, name, error)?,
            }
        }
        Ok(Scope::Call(Py::new(py, call)?))
    }

    /// The same where the call's id, or the time it waited, comes from the arguments.
    fn begin_with_origin(
        &self,
        given: &Given<'_, '_>,
        begin: impl FnOnce(&[&str]) -> auscult::CallBuilder,
    ) -> PyResult<auscult::Call> {
        let request_id = self.text(given, self.request_id.as_ref())?;
        let traceparent = self.text(given, self.traceparent.as_ref())?;
        let queued = self.queued(given)?;
        value::with_texts(self.labels.len(), |index| self.label(given, index), |values| {
            let mut builder = begin(values);
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
        })
    }

    #[inline]
    fn label<'py>(&self, given: &Given<'_, 'py>, index: usize) -> PyResult<Option<Bound<'py, PyString>>> {
        let (name, source) = &self.labels[index];
        match given.get(source).and_then(value::text) {
            Ok(text) => Ok(Some(text)),
            Err(error) => self.fault(given.values.py(), Part::Label, name, error).map(|()| None),
        }
    }

    fn text(&self, given: &Given<'_, '_>, source: Option<&Source>) -> PyResult<Option<String>> {
        let Some(source) = source else { return Ok(None) };
        let text = given.get(source).and_then(|value| if value.is_none() { Ok(None) } else { value::text(value).map(Some) });
        match text {
            Ok(text) => Ok(text.map(|text| text.to_string_lossy().into_owned())),
            Err(error) => self.fault(given.values.py(), Part::RequestId, "request_id", error).map(|()| None),
        }
    }

    fn queued(&self, given: &Given<'_, '_>) -> PyResult<Option<Duration>> {
        let Some(source) = &self.queued_at else { return Ok(None) };
        match given.get(source).and_then(|value| if value.is_none() { Ok(None) } else { value.extract().map(Some) }) {
            Ok(at) => Ok(at.and_then(queued_since)),
            Err(error) => self.fault(given.values.py(), Part::RequestId, "queued_at", error).map(|()| None),
        }
    }

    #[inline]
    fn streams(&self, given: &Given<'_, '_>, generator: bool) -> PyResult<bool> {
        let Some(source) = &self.streaming else { return Ok(generator) };
        match given.get(source).and_then(|value| value.is_truthy()) {
            Ok(streaming) => Ok(streaming),
            Err(error) => self.fault(given.values.py(), Part::Streaming, "streaming", error).map(|()| generator),
        }
    }

    #[cold]
    fn fault(&self, py: Python<'_>, part: Part, name: &str, error: PyErr) -> PyResult<()> {
        let subject = format!("{} {name}", self.operation);
        fault::report(py, part, &subject, Some(error), &format!("{:?}: {} {name:?}", self.operation, part.name()))
    }

    #[inline]
    fn operation(&self, py: Python<'_>, generation: u64) -> PyResult<Option<auscult::Operation>> {
        if let Some((resolved, operation)) = &*self.resolved.read().unwrap_or_else(PoisonError::into_inner)
            && *resolved == generation
        {
            return Ok(Some(operation.clone()));
        }
        self.resolve(py, generation)
    }

    #[cold]
    fn resolve(&self, py: Python<'_>, generation: u64) -> PyResult<Option<auscult::Operation>> {
        let Some(telemetry) = state::telemetry() else { return Ok(None) };
        let labels: Vec<&str> = self.labels.iter().map(|(name, _)| name.as_str()).collect();
        match telemetry.try_operation(self.operation.as_str(), &labels) {
            Ok(operation) => {
                let resolved = Some((generation, operation.clone()));
                *self.resolved.write().unwrap_or_else(PoisonError::into_inner) = resolved;
                Ok(Some(operation))
            }
            Err(error) => {
                fault::report(py, Part::Operation, &self.operation, None, &error.to_string())?;
                Ok(None)
            }
        }
    }

    /// A plain function gave something that runs later: the recording goes on with it.
    #[cold]
    fn returned<'py>(
        &self,
        py: Python<'py>,
        scope: Scope,
        result: &Bound<'py, PyAny>,
        later: Later,
    ) -> PyResult<Bound<'py, PyAny>> {
        scope.suspend();
        if let (Some(own), Later::Generator | Later::AsyncGenerator) = (scope.call(), later) {
            own.core().expects_output();
            if self.streaming.is_none() {
                own.core().streaming(true);
            }
        }
        let (result, audio) = (result.clone(), self.measure(py));
        let functions = py.import(intern!(py, "auscult._functions"))?;
        match later {
            Later::Generator => {
                let steps = Steps::new(result, Kind::Generator, scope, audio);
                functions.call_method1(intern!(py, "drive"), (steps,))
            }
            Later::Coroutine => {
                let steps = Steps::new(result, Kind::Coroutine, scope, audio);
                functions.call_method1(intern!(py, "drive_coroutine"), (steps,))
            }
            Later::AsyncGenerator => {
                let steps = AsyncSteps::new(result, scope, audio);
                functions.call_method1(intern!(py, "drive_async_generator"), (steps,))
            }
        }
    }
}

/// How long ago a time of `time.monotonic()` was.
pub(crate) fn queued_since(at: f64) -> Option<Duration> {
    let now = now()?;
    seconds((now - at).max(0.0))
}

/// `time.monotonic()`, seconds.
fn now() -> Option<f64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec, which is all that `clock_gettime` writes to.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    (status == 0).then_some(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

/// What a plain function may return that runs later.
#[derive(Clone, Copy)]
enum Later {
    Generator,
    Coroutine,
    AsyncGenerator,
}

/// Which of these `result` is, if any.
#[inline]
fn later(result: &Bound<'_, PyAny>) -> PyResult<Option<Later>> {
    static TYPES: PyOnceLock<[Py<PyAny>; 3]> = PyOnceLock::new();
    let py = result.py();
    let types = TYPES.get_or_try_init(py, || {
        let types = py.import("types")?;
        let get = |name: &str| types.getattr(name).map(Bound::unbind);
        PyResult::Ok([get("GeneratorType")?, get("CoroutineType")?, get("AsyncGeneratorType")?])
    })?;
    let class = result.get_type_ptr().cast::<pyo3::ffi::PyObject>();
    let kinds = [Later::Generator, Later::Coroutine, Later::AsyncGenerator];
    Ok(types.iter().zip(kinds).find(|(known, _)| known.as_ptr() == class).map(|(_, kind)| kind))
}
