//! `with soundpost.call(...) as call:`.

use std::sync::{Mutex, OnceLock};

use pyo3::exceptions::PyGeneratorExit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::active::{Active, Rules};
use super::awaitable::ReadyAwaitable;
use super::call::{Around, Call, around};
use super::operation::{LazyOperation, Origin, id_text, queued, streams};
use super::output::Recording;
use super::request;
use crate::fault::{self, part};
use crate::import;
use crate::state::{self, lock, take};
use crate::value;

/// Operation of a call that was given an object that is no name.
const UNNAMED: &str = "unknown";

/// A call around a block of code, also with `async with`. Inside another call the block is one of its stages.
#[pyclass(frozen, module = "soundpost", name = "call")]
pub(crate) struct CallBlock {
    operation: String,
    labels: Vec<(String, Py<PyAny>)>,
    request_id: Py<PyAny>,
    traceparent: Py<PyAny>,
    queued_at: Py<PyAny>,
    streaming: bool,
    /// The user's `outcome=` function, see `python/soundpost/_judgement.py`.
    judge: Option<Py<PyAny>>,
    /// The classes of `invalid=`.
    invalid: Option<Py<PyAny>>,
    fields: Mutex<Option<Py<PyDict>>>,
    entered: Mutex<Option<Active>>,
    call: OnceLock<Py<Call>>,
}

#[pymethods]
impl CallBlock {
    #[new]
    #[pyo3(
        signature = (
            operation, *, labels=None, request_id=None, traceparent=None, queued_at=None, streaming=None,
            outcome=None, invalid=None, **fields
        ),
        text_signature = "(operation, *, labels=None, request_id=None, traceparent=None, queued_at=None, \
                          streaming=True, outcome=None, invalid=None, **fields)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        operation: &Bound<'_, PyAny>,
        labels: Option<&Bound<'_, PyAny>>,
        request_id: Option<Py<PyAny>>,
        traceparent: Option<Py<PyAny>>,
        queued_at: Option<Py<PyAny>>,
        streaming: Option<&Bound<'_, PyAny>>,
        outcome: Option<&Bound<'_, PyAny>>,
        invalid: Option<&Bound<'_, PyAny>>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let operation =
            fault::report_error(py, part::OPERATION, "call", "operation", value::name(operation))?;
        let operation = operation.unwrap_or_else(|| UNNAMED.to_owned());
        let or_none = |given: Option<Py<PyAny>>| given.unwrap_or_else(|| py.None());
        Ok(Self {
            labels: match labels {
                Some(labels) => named(&operation, labels)?,
                None => Vec::new(),
            },
            request_id: or_none(request_id),
            traceparent: or_none(traceparent),
            queued_at: or_none(queued_at),
            streaming: streaming.map_or(Ok(None), |given| streams(&operation, given))?.unwrap_or(true),
            judge: outcome.map(|function| judge(&operation, function)).transpose()?,
            invalid: invalid.map(|classes| classes_of(&operation, classes)).transpose()?.flatten(),
            operation,
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
        if let Active::Call(call) = &active {
            call.get().enter_block(py, call)?;
        }
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
        let answers = match (&self.judge, error, self.call.get()) {
            (Some(judge), None, Some(call)) if active.recording().is_some() => {
                Some(judge.bind(py).call_method1(intern!(py, "end"), (py.None(), call, py.None())))
            }
            _ => None,
        };
        if let Active::Call(call) = &active {
            call.get().leave_block(py);
        }
        match error {
            None => match answers {
                Some(Ok(answers)) => {
                    active.finish_by(&py.None().into_bound(py), Rules { answers: &answers, measure: None })
                }
                // An interrupt in the user's function.
                Some(Err(error)) => active.fail(py, &error).and(Err(error)),
                None => active.finish(py),
            },
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
        let id = |name: &str, id: &Py<PyAny>| id_text(&self.operation, name, id.bind(py).clone());
        let request_id = id("request_id", &self.request_id)?;
        let off = |request_id: Option<String>| {
            let call = Call::off(&self.operation, request_id.as_deref().unwrap_or_default());
            Ok((Active::Off, Py::new(py, call)?))
        };
        let Some(generation) = state::generation() else { return off(request_id) };
        match around(py) {
            Around::Call(outer) => {
                let stage = outer.get().begin_stage(&self.operation);
                return Ok((Active::stage(stage), Py::new(py, Call::outer(outer.unbind()))?));
            }
            Around::Ended => return off(request_id),
            Around::Nothing => {}
        }
        let labels: Vec<&str> = self.labels.iter().map(|(name, _)| name.as_str()).collect();
        let operation = LazyOperation::shared(&self.operation, &labels);
        let Some(resolved) = operation.resolve(py, generation)? else { return off(request_id) };
        let traceparent = id("traceparent", &self.traceparent)?;
        let queued = queued(&self.operation, self.queued_at.bind(py))?;
        let origin = request::complete(py, Origin { request_id, traceparent, queued });
        let label = |index: usize| Ok(self.labels[index].1.bind(py).clone());
        let recording = operation
            .start(py, &resolved, &origin, generation, label, |builder| builder.streaming(self.streaming))?;
        let call = Py::new(py, Call::own(recording.with_invalid(py, self.invalid.as_ref())))?;
        request::join(py, &call)?;
        Ok((Active::Call(call.clone_ref(py)), call))
    }
}

impl Drop for CallBlock {
    /// Ends the call of a block that was entered and never left.
    fn drop(&mut self) {
        if let Some(active) = take(&self.entered) {
            active.end_finalized(Recording::abandon);
            if let Active::Call(call) = &active {
                call.get().block().inspect(|block| block.end_finalized());
            }
        }
    }
}

/// Returns the names and values of `labels=`; an object that has none is a fault.
fn named(operation: &str, labels: &Bound<'_, PyAny>) -> PyResult<Vec<(String, Py<PyAny>)>> {
    let pairs = value::pairs(labels).and_then(|pairs| {
        pairs.into_iter().map(|(name, value)| Ok((value::name(&name)?, value.unbind()))).collect()
    });
    let pairs = fault::report_error(labels.py(), part::LABEL, operation, "labels", pairs)?;
    Ok(pairs.unwrap_or_default())
}

/// Returns the judge over an `outcome=` function.
fn judge(operation: &str, function: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let py = function.py();
    let of_block = import::object(py, intern!(py, "soundpost._judgement"), intern!(py, "of_block"))?;
    Ok(of_block.call1((operation, function))?.unbind())
}

/// Returns the classes of `invalid=`; an object that is none is a fault.
fn classes_of(operation: &str, classes: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
    let py = classes.py();
    let checked = import::object(py, intern!(py, "soundpost._judgement"), intern!(py, "classes"))?;
    let checked = checked.call1((operation, classes))?;
    Ok((!checked.is_none()).then(|| checked.unbind()))
}
