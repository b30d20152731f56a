//! `with soundpost.call(...) as call:`.

use std::sync::{Mutex, OnceLock};

use pyo3::exceptions::PyGeneratorExit;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::active::Active;
use super::awaitable::ReadyAwaitable;
use super::call::{Call, current};
use super::operation::{LazyOperation, Origin, elapsed_since, id_text};
use super::output::Recording;
use crate::state::{self, lock, take};
use crate::value;

/// A call around a block of code, also with `async with`. Inside another call the block is one of its stages.
#[pyclass(frozen, module = "soundpost", name = "call")]
pub(crate) struct CallBlock {
    operation: String,
    labels: Vec<(String, Py<PyAny>)>,
    request_id: Option<Py<PyAny>>,
    traceparent: Option<Py<PyAny>>,
    queued_at: Option<f64>,
    streaming: bool,
    fields: Mutex<Option<Py<PyDict>>>,
    entered: Mutex<Option<Active>>,
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
        let (active, call) = self.begin(py)?;
        active.enter(py);
        *lock(&self.entered) = Some(active);
        let call = self.call.get_or_init(|| call).bind(py).clone();
        let fields = take(&self.fields).map(|fields| fields.into_bound(py));
        call.get().set(fields.as_ref())?;
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
        let Some(active) = take(&self.entered) else { return Ok(()) };
        active.leave(py);
        match error {
            None => active.finish(py),
            // The generator around the block was closed.
            Some(error) if error.is_instance_of::<PyGeneratorExit>() => active.end(py, Recording::abandon),
            Some(error) => active.fail(py, &PyErr::from_value(error.clone())),
        }
    }

    fn __aenter__(&self, py: Python<'_>) -> PyResult<ReadyAwaitable> {
        Ok(ReadyAwaitable::new(Some(self.__enter__(py)?.into_any().unbind())))
    }

    #[pyo3(signature = (kind=None, error=None, traceback=None))]
    fn __aexit__(
        &self,
        py: Python<'_>,
        kind: Option<&Bound<'_, PyAny>>,
        error: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<ReadyAwaitable> {
        self.__exit__(py, kind, error, traceback)?;
        Ok(ReadyAwaitable::new(None))
    }
}

impl CallBlock {
    fn begin(&self, py: Python<'_>) -> PyResult<(Active, Py<Call>)> {
        let id = |name: &str, id: &Option<Py<PyAny>>| match id {
            Some(id) => id_text(&self.operation, name, id.bind(py).clone()),
            None => Ok(None),
        };
        let request_id = id("request_id", &self.request_id)?;
        let off = |request_id: Option<String>| {
            let call = Call::off(&self.operation, request_id.as_deref().unwrap_or_default());
            Ok((Active::Off, Py::new(py, call)?))
        };
        let Some(generation) = state::generation() else { return off(request_id) };
        if let Some(outer) = current(py) {
            let stage = outer.get().begin_stage(&self.operation);
            return Ok((Active::stage(stage), Py::new(py, Call::outer(outer.unbind()))?));
        }
        let labels: Vec<&str> = self.labels.iter().map(|(name, _)| name.as_str()).collect();
        let operation = LazyOperation::shared(&self.operation, &labels);
        let Some(resolved) = operation.resolve(py, generation)? else { return off(request_id) };
        let traceparent = id("traceparent", &self.traceparent)?;
        let origin = Origin { request_id, traceparent, queued: self.queued_at.and_then(elapsed_since) };
        let label = |index: usize| Ok(self.labels[index].1.bind(py).clone());
        let recording =
            operation.start(py, &resolved, &origin, label, |builder| builder.streaming(self.streaming))?;
        let call = Py::new(py, Call::own(recording))?;
        Ok((Active::Call(call.clone_ref(py)), call))
    }
}
