//! A request that a server answers: the calls in its context have its id, and end when its client leaves.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyWeakrefMethods, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};
use soundpost::binding::RequestId;

use super::call::Call;
use super::operation::{Origin, elapsed_since};
use super::output::Recording;
use crate::cell::GilCell;
use crate::exception::{Failure, or_exit};
use crate::measure::verdict;

/// Whether there was a request; without any, calls and log records look for none.
static USED: AtomicBool = AtomicBool::new(false);
static VARIABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// A request that a server answers. It refers weakly to its calls.
///
/// The calls that start in a context whose `request_variable` has it get its id and fields, and the first one the time
/// since `queued_at`. `on_call` is called once, by the first.
#[pyclass(frozen, module = "soundpost._native")]
pub(crate) struct Request {
    id: RequestId,
    fields: Option<Py<PyDict>>,
    queued_at: GilCell<f64>,
    on_call: GilCell<Py<PyAny>>,
    calls: GilCell<Vec<Py<PyWeakrefReference>>>,
}

#[pymethods]
impl Request {
    #[new]
    #[pyo3(signature = (*, request_id=None, traceparent=None, queued_at=None, on_call=None, fields=None))]
    fn new(
        request_id: Option<&str>,
        traceparent: Option<&str>,
        queued_at: Option<f64>,
        on_call: Option<Py<PyAny>>,
        fields: Option<Py<PyDict>>,
    ) -> Self {
        USED.store(true, Ordering::Relaxed);
        let id = request_id.and_then(RequestId::new);
        let id = id.or_else(|| traceparent.and_then(RequestId::from_traceparent));
        Self {
            id: id.unwrap_or_else(RequestId::random),
            fields,
            queued_at: GilCell::new(queued_at),
            on_call: GilCell::new(on_call),
            calls: GilCell::default(),
        }
    }

    /// The id: the client's, from its `traceparent`, or generated.
    #[getter]
    pub(crate) fn request_id(&self) -> &str {
        self.id.as_str()
    }

    /// Whether a call started.
    #[getter]
    fn has_calls(&self, py: Python<'_>) -> bool {
        self.calls.is_some(py)
    }

    /// Ends the calls that have not ended: as `abandoned` by their output, or with another outcome.
    #[pyo3(signature = (outcome=None))]
    fn end(&self, py: Python<'_>, outcome: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let failure =
            outcome.map(|outcome| verdict::outcome(outcome).map(Failure::of_outcome)).transpose()?;
        let end = |recording: &Recording| match &failure {
            Some(failure) => recording.fail_with(failure),
            None => recording.abandon(),
        };
        let Some(calls) = self.calls.take(py) else { return Ok(()) };
        drop(self.calls.set(py, Some(Vec::new())));
        let mut ended = Ok(());
        for call in calls {
            if let Some(call) = call.bind(py).upgrade().and_then(|call| call.cast_into::<Call>().ok()) {
                ended = ended.and(call.get().end_left(py, end));
            }
        }
        ended
    }

    /// Forgets `on_call`.
    fn close(&self, py: Python<'_>) {
        drop(self.on_call.take(py));
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.fields)?;
        self.on_call.traverse(&visit)
    }

    fn __clear__(&self) {
        self.on_call.clear();
    }
}

impl Request {
    fn add(&self, py: Python<'_>, call: &Py<Call>) -> PyResult<()> {
        let reference = PyWeakrefReference::new(call.bind(py))?.unbind();
        let mut calls = self.calls.take(py).unwrap_or_default();
        if calls.len() == calls.capacity() {
            calls.retain(|call| is_running(call.bind(py)));
        }
        calls.push(reference);
        drop(self.calls.set(py, Some(calls)));
        call.get().set(self.fields.as_ref().map(|fields| fields.bind(py)))?;
        self.on_call.take(py).map_or(Ok(()), |on_call| on_call.call0(py).map(drop))
    }
}

fn is_running(call: &Bound<'_, PyWeakrefReference>) -> bool {
    let call = call.upgrade().and_then(|call| call.cast_into::<Call>().ok());
    call.is_some_and(|call| call.get().recording().is_some_and(|recording| recording.core().is_active()))
}

/// Fills in the id of the request in this context, and for its first call the time in the queue.
#[inline]
pub(super) fn complete(py: Python<'_>, mut origin: Origin) -> Origin {
    let Some(request) = current(py) else { return origin };
    let is_named = origin.request_id.as_deref().and_then(RequestId::new).is_some()
        || origin.traceparent.as_deref().and_then(RequestId::from_traceparent).is_some();
    if !is_named {
        origin.request_id = Some(request.get().request_id().to_owned());
    }
    let queued_at = request.get().queued_at.take(py);
    origin.queued = origin.queued.or_else(|| queued_at.and_then(elapsed_since));
    origin
}

/// Adds a call that starts to the request of this context.
///
/// # Errors
/// With an interrupt, or with a fault under `SOUNDPOST_STRICT`.
#[inline]
pub(super) fn join(py: Python<'_>, call: &Py<Call>) -> PyResult<()> {
    let Some(request) = current(py) else { return Ok(()) };
    request.get().add(py, call).or_else(|error| or_exit(py, error).map(drop))
}

/// Returns the request that is answered in this context.
#[inline]
pub(crate) fn current(py: Python<'_>) -> Option<Bound<'_, Request>> {
    if USED.load(Ordering::Relaxed) { find(py) } else { None }
}

#[cold]
fn find(py: Python<'_>) -> Option<Bound<'_, Request>> {
    let found = VARIABLE.get(py)?.bind(py).call_method1(intern!(py, "get"), (py.None(),)).ok()?;
    found.cast_into().ok()
}

/// Returns the context variable of the request that is answered.
#[pyfunction]
pub(crate) fn request_variable(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let create =
        || py.import("contextvars")?.getattr("ContextVar")?.call1(("soundpost_request",)).map(Bound::unbind);
    VARIABLE.get_or_try_init(py, create).map(|variable| variable.clone_ref(py))
}

/// Creates the context variable, see [`super::prepare`].
pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
    request_variable(py).map(drop)
}
