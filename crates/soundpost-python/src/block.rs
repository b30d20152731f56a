//! `with soundpost.call(...) as call:`.

use std::sync::Mutex;
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use pyo3::exceptions::{PyGeneratorExit, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::call::Call;
use crate::context;
use crate::fault::{self, Part};
use crate::plan::{self, queued_since};
use crate::scope::Scope;
use crate::state::{self, lock, take};
use crate::torch;
use crate::value;

/// A call around a block of code; also with `async with`. Inside of another call the block is one of its stages.
#[pyclass(frozen, module = "soundpost", name = "call")]
pub(crate) struct CallBlock {
    operation: String,
    labels: Vec<(String, Py<PyAny>)>,
    request_id: Option<Py<PyAny>>,
    traceparent: Option<Py<PyAny>>,
    queued_at: Option<f64>,
    streaming: bool,
    fields: Mutex<Option<Py<PyDict>>>,
    entered: Mutex<Option<Scope>>,
    call: OnceLock<Py<Call>>,
}

#[pymethods]
impl CallBlock {
    #[new]
    #[pyo3(signature = (
        operation, *, labels=None, request_id=None, traceparent=None, queued_at=None, streaming=true, **fields
    ))]
    fn new(
        operation: String,
        labels: Option<&Bound<'_, PyDict>>,
        request_id: Option<Py<PyAny>>,
        traceparent: Option<Py<PyAny>>,
        queued_at: Option<f64>,
        streaming: bool,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let labels = labels.into_iter().flatten();
        let labels = labels
            .map(|(name, value)| Ok((value::text(name)?.to_string_lossy().into_owned(), value.unbind())));
        Ok(Self {
            operation,
            labels: labels.collect::<PyResult<_>>()?,
            request_id,
            traceparent,
            queued_at,
            streaming,
            fields: Mutex::new(fields.map(|fields| fields.clone().unbind())),
            entered: Mutex::new(None),
            call: OnceLock::new(),
        })
    }

    fn __enter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Call>> {
        if let Some(call) = self.call.get() {
            return Ok(call.bind(py).clone());
        }
        let (scope, call) = self.begin(py)?;
        scope.enter(py);
        *lock(&self.entered) = Some(scope);
        let call = self.call.get_or_init(|| call).bind(py).clone();
        let fields = take(&self.fields).map(|fields| fields.into_bound(py));
        for (name, value) in fields.iter().flatten() {
            call.get().set_field(&value::text(name)?.to_string_lossy(), &value)?;
        }
        Ok(call)
    }

    #[pyo3(signature = (_kind=None, error=None, _traceback=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<&Bound<'_, PyAny>>,
        error: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let Some(scope) = take(&self.entered) else { return Ok(()) };
        scope.leave(py);
        let read = scope.ending(py);
        match error {
            None => scope.finish(),
            // The generator around the block was closed.
            Some(error) if error.is_instance_of::<PyGeneratorExit>() => scope.closed(),
            Some(error) => scope.failed(py, &PyErr::from_value(error.clone())),
        }
        read
    }

    fn __aenter__(&self, py: Python<'_>) -> PyResult<Ready> {
        Ok(Ready::with(self.__enter__(py)?.into_any().unbind()))
    }

    #[pyo3(signature = (kind=None, error=None, traceback=None))]
    fn __aexit__(
        &self,
        py: Python<'_>,
        kind: Option<&Bound<'_, PyAny>>,
        error: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Ready> {
        self.__exit__(py, kind, error, traceback)?;
        Ok(Ready::none())
    }
}

impl CallBlock {
    fn begin(&self, py: Python<'_>) -> PyResult<(Scope, Py<Call>)> {
        let request_id = self.text(py, "request_id", self.request_id.as_ref())?;
        let Some(telemetry) = state::telemetry() else {
            return Ok((
                Scope::Off,
                Py::new(py, Call::off(&self.operation, request_id.as_deref().unwrap_or("")))?,
            ));
        };
        if let Some(outer) = context::current(py) {
            let stage = outer.get().recording().map(|own| own.core().stage(&self.operation));
            let scope = stage.map_or(Scope::Off, Scope::stage);
            return Ok((scope, Py::new(py, Call::inner(outer.unbind()))?));
        }
        let traceparent = self.text(py, "traceparent", self.traceparent.as_ref())?;
        let Some(operation) = self.operation(py, &telemetry)? else {
            return Ok((Scope::Off, Py::new(py, Call::off(&self.operation, ""))?));
        };
        let core = value::with_texts(
            operation.label_names().len(),
            |index| self.label(py, index),
            |values| {
                let mut builder = operation.begin_with(values).streaming(self.streaming);
                if let Some(request_id) = &request_id {
                    builder = builder.request_id(request_id);
                }
                if let Some(traceparent) = &traceparent {
                    builder = builder.traceparent(traceparent);
                }
                if let Some(queued) = self.queued_at.and_then(queued_since) {
                    builder = builder.queued(queued);
                }
                builder.start()
            },
        )?;
        let call = Call::own(core);
        if let Some(own) = call.recording() {
            torch::started(py, own)?;
        }
        let call = Py::new(py, call)?;
        Ok((Scope::Call(call.clone_ref(py)), call))
    }

    fn label<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Option<Bound<'py, PyString>>> {
        let (name, value) = &self.labels[index];
        match value::text(value.bind(py).clone()) {
            Ok(text) => Ok(Some(text)),
            Err(error) => {
                self.fault(py, Part::Label, name, error)?;
                Ok(None)
            }
        }
    }

    #[cold]
    fn fault(&self, py: Python<'_>, part: Part, name: &str, error: PyErr) -> PyResult<()> {
        fault::of_operation(py, part, &self.operation, name, error)
    }

    fn text(&self, py: Python<'_>, name: &str, value: Option<&Py<PyAny>>) -> PyResult<Option<String>> {
        let Some(value) = value.map(|value| value.bind(py)).filter(|value| !value.is_none()) else {
            return Ok(None);
        };
        match value::text(value.clone()) {
            Ok(text) => Ok(Some(text.to_string_lossy().into_owned())),
            Err(error) => {
                self.fault(py, Part::RequestId, name, error)?;
                Ok(None)
            }
        }
    }

    /// The operation with these label names, or without labels where they cannot be had.
    fn operation(
        &self,
        py: Python<'_>,
        telemetry: &soundpost::Telemetry,
    ) -> PyResult<Option<soundpost::Operation>> {
        let generation = state::generation().unwrap_or(0);
        let found = OPERATIONS.read().unwrap_or_else(PoisonError::into_inner).iter().find_map(|known| {
            let same = known.generation == generation && known.name == self.operation;
            (same && known.labels.iter().eq(self.labels.iter().map(|(name, _)| name)))
                .then(|| known.operation.clone())
        });
        if found.is_some() {
            return Ok(found);
        }
        let labels: Vec<&str> = self.labels.iter().map(|(name, _)| name.as_str()).collect();
        let Some(operation) = plan::operation(py, telemetry, &self.operation, &labels)? else {
            return Ok(None);
        };
        let mut known = OPERATIONS.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|known| known.generation == generation);
        if known.len() < MAX_OPERATIONS {
            known.push(Known {
                generation,
                name: self.operation.clone(),
                labels: self.labels.iter().map(|(name, _)| name.clone()).collect(),
                operation: operation.clone(),
            });
        }
        Ok(Some(operation))
    }
}

/// An operation that was asked for by name.
struct Known {
    generation: u64,
    name: String,
    labels: Vec<String>,
    operation: soundpost::Operation,
}

static OPERATIONS: RwLock<Vec<Known>> = RwLock::new(Vec::new());
const MAX_OPERATIONS: usize = 256;

/// An awaitable that is ready: `async with` on something that waits for nothing.
#[pyclass(frozen)]
pub(crate) struct Ready {
    value: Option<Py<PyAny>>,
}

impl Ready {
    pub(crate) fn none() -> Self {
        Self { value: None }
    }

    fn with(value: Py<PyAny>) -> Self {
        Self { value: Some(value) }
    }
}

#[pymethods]
impl Ready {
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

/// For [`queued_since`] and others that turn seconds into time.
pub(crate) fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}
