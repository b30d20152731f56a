//! A running call and its stages, as Python sees them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread::{self, ThreadId};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict, PyTuple, PyType};
use soundpost::{Outcome, Seconds};

use super::awaitable::ReadyAwaitable;
use super::context::{self, Token};
use super::gpu_use::GpuUse;
use super::nesting::BlockPlace;
use super::operation::streams;
use super::output::{Recording, fail_stage};
use crate::cell::GilCell;
use crate::exception::Failure;
use crate::fault::{self, part};
use crate::import;
use crate::measure::{Measured, verdict};
use crate::state::{self, lock};
use crate::value::{self, Number};

/// One request for generated output, while it runs.
#[pyclass(frozen, module = "soundpost", weakref, freelist = 64)]
pub(crate) struct Call {
    reference: CallRef,
    /// Arguments, state and whether it is the end, while one of the user's functions runs.
    scope: GilCell<Py<PyTuple>>,
    /// True if it ended because its client left.
    is_left: AtomicBool,
}

/// The call that a [`Call`] records to.
enum CallRef {
    /// Its own call, and where it is current.
    Own(Recording, Place),
    /// The call around it: only progress, stages and fields are recorded there.
    Outer(Py<Call>),
    /// None: only the operation and the caller's id are known.
    Off(Box<str>, Box<str>),
}

/// Where a call is current.
#[derive(Default)]
struct Place {
    /// The context of a wrapper's call, which was entered after another one.
    token: GilCell<Token>,
    /// The place of a block's call.
    block: OnceLock<Box<BlockPlace>>,
}

/// The call that code runs in.
pub(super) enum Around<'py> {
    Call(Bound<'py, Call>),
    /// The code is part of a call that ended before it, because its client left.
    Ended,
    Nothing,
}

/// Returns the call that runs in this context.
#[inline]
pub(crate) fn current(py: Python<'_>) -> Option<Bound<'_, Call>> {
    if let Around::Call(call) = around(py) { Some(call) } else { None }
}

/// Returns the call around the code that runs in this context.
#[inline]
pub(super) fn around(py: Python<'_>) -> Around<'_> {
    let entered = context::current(py).and_then(|entered| entered.cast_into::<Call>().ok());
    let Some(mut call) = entered else { return Around::Nothing };
    let mut is_ended = false;
    while !call.get().is_current(&call) {
        is_ended |= call.get().is_outlived(&call);
        match call.get().outer_call(py) {
            Some(outer) => call = outer,
            None if is_ended => return Around::Ended,
            None => return Around::Nothing,
        }
    }
    Around::Call(call)
}

/// Returns the call that was entered last in this context and has not ended, also if its generator is suspended.
fn last_entered(py: Python<'_>) -> Option<Bound<'_, Call>> {
    let mut call = context::current(py)?.cast_into::<Call>().ok()?;
    while !call.get().is_active() {
        call = call.get().outer_call(py)?;
    }
    Some(call)
}

/// Hides the texts to synthesise of the current call, before an error of it is recorded.
#[cold]
pub(super) fn hide_texts(py: Python<'_>) {
    if let Some(call) = current(py)
        && let Some(recording) = call.get().recording()
    {
        recording.known_texts(py);
    }
}

/// Begins a stage of the current call, or of the operation `unknown` where there is no call.
pub(super) fn begin_stage(py: Python<'_>, name: &str) -> Option<soundpost::Stage> {
    match around(py) {
        Around::Call(call) => call.get().begin_stage(name),
        Around::Ended => None,
        Around::Nothing => state::telemetry().map(|telemetry| telemetry.stage(name)),
    }
}

impl Call {
    #[inline]
    fn new(reference: CallRef) -> Self {
        Self { reference, scope: GilCell::default(), is_left: AtomicBool::new(false) }
    }

    #[inline]
    pub(super) fn own(recording: Recording) -> Self {
        Self::new(CallRef::Own(recording, Place::default()))
    }

    pub(super) fn outer(outer: Py<Self>) -> Self {
        Self::new(CallRef::Outer(outer))
    }

    pub(super) fn off(operation: &str, request_id: &str) -> Self {
        Self::new(CallRef::Off(operation.into(), request_id.into()))
    }

    /// Returns the recording of this call or of the one around it.
    #[inline]
    pub(crate) fn recording(&self) -> Option<&Recording> {
        match &self.reference {
            CallRef::Own(recording, _) => Some(recording),
            CallRef::Outer(outer) => outer.get().recording(),
            CallRef::Off(..) => None,
        }
    }

    fn own_recording(&self) -> Option<&Recording> {
        if let CallRef::Own(recording, _) = &self.reference { Some(recording) } else { None }
    }

    /// Makes this call the current one of the context, until [`Call::leave`].
    #[inline]
    pub(super) fn enter(&self, py: Python<'_>, this: &Py<Self>) {
        if let CallRef::Own(_, place) = &self.reference {
            let token = context::enter(py, this.as_any());
            drop(place.token.set(py, Some(token)));
        }
    }

    /// Restores the call that was current before.
    #[inline]
    pub(super) fn leave(&self, py: Python<'_>) {
        if let CallRef::Own(_, place) = &self.reference
            && let Some(token) = place.token.take(py)
        {
            context::leave(py, &token);
        }
    }

    /// Makes the call of a block the current one, until [`Call::leave_block`].
    ///
    /// # Errors
    /// With an interrupt.
    pub(super) fn enter_block(&self, py: Python<'_>, this: &Py<Self>) -> PyResult<()> {
        let CallRef::Own(_, place) = &self.reference else { return Ok(()) };
        let outer = last_entered(py).map(|outer| outer.into_any().unbind());
        let entered = BlockPlace::enter(py, this.as_any(), outer)?;
        place.block.get_or_init(|| Box::new(entered));
        Ok(())
    }

    /// Removes the call of a block from the calls that were entered in this context.
    pub(super) fn leave_block(&self, py: Python<'_>) {
        let Some(block) = self.block() else { return };
        block.end(py);
        let Some(mut last) = context::current(py) else { return };
        let is_own =
            |call: &Bound<'_, PyAny>| call.cast::<Self>().is_ok_and(|call| std::ptr::eq(call.get(), self));
        let outer = block.outer(py);
        if is_own(&last) {
            context::enter(py, &outer.map_or_else(|| py.None(), Bound::unbind));
            return;
        }
        // The blocks of interleaved generators end in any order.
        while let Ok(call) = last.cast_into::<Self>()
            && let Some(inner) = call.get().block()
            && let Some(next) = inner.outer(py)
        {
            if is_own(&next) {
                inner.set_outer(py, outer.map(Bound::unbind));
                return;
            }
            last = next;
        }
    }

    pub(super) fn block(&self) -> Option<&BlockPlace> {
        if let CallRef::Own(_, place) = &self.reference {
            place.block.get().map(|block| &**block)
        } else {
            None
        }
    }

    fn outer_call<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Self>> {
        self.block()?.outer(py)?.cast_into().ok()
    }

    /// Returns the call that was entered before this one in the same context.
    pub(super) fn entered_before<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Self>> {
        match &self.reference {
            CallRef::Own(_, place) if place.block.get().is_none() => {
                let token = place.token.take(py)?;
                let before = token.before(py);
                drop(place.token.set(py, Some(token)));
                before?.cast_into().ok()
            }
            _ => self.outer_call(py),
        }
    }

    #[inline]
    pub(super) fn is_active(&self) -> bool {
        self.recording().is_some_and(|recording| recording.core().is_active())
    }

    #[inline]
    fn is_current(&self, this: &Bound<'_, Self>) -> bool {
        self.is_active()
            && self.block().is_none_or(|block| !block.is_suspended(this.py(), this.as_any().as_unbound()))
    }

    /// Ends the call because its client left, unless it has ended.
    pub(super) fn end_left(&self, py: Python<'_>, end: impl FnOnce(&Recording)) -> PyResult<()> {
        let Some(recording) = self.own_recording().filter(|recording| recording.core().is_active()) else {
            return Ok(());
        };
        self.is_left.store(true, Ordering::Relaxed);
        recording.end(py, end)
    }

    /// Reports whether the client left the call, and its function or block still runs.
    #[cold]
    fn is_outlived(&self, this: &Bound<'_, Self>) -> bool {
        let (py, CallRef::Own(_, place)) = (this.py(), &self.reference) else { return false };
        self.is_left.load(Ordering::Relaxed)
            && match self.block() {
                Some(block) => block.is_entered(py) && !block.is_suspended(py, this.as_any().as_unbound()),
                None => place.token.is_some(py),
            }
    }

    pub(super) fn begin_stage(&self, name: &str) -> Option<soundpost::Stage> {
        self.recording().map(|recording| recording.core().stage(name))
    }

    /// Returns a number of seconds; any other object is a fault.
    fn seconds(&self, py: Python<'_>, name: &str, Number(seconds): Number) -> PyResult<Option<f64>> {
        fault::report_error(py, part::AUDIO, self.operation(), name, seconds)
    }

    fn in_scope<'py>(&self, py: Python<'py>, index: usize) -> Option<Bound<'py, PyAny>> {
        self.scope.get(py)?.get_item(index).ok()
    }

    pub(super) fn set_field(&self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(recording) = self.recording() else { return Ok(()) };
        let core = recording.core();
        let field =
            fault::report_error(value.py(), part::FIELD, core.operation(), name, value::field(value))?;
        if let Some(field) = field.flatten() {
            recording.note_text(name);
            core.field(name, field);
        }
        Ok(())
    }
}

#[pymethods]
impl Call {
    /// The request id: the caller's, from a `traceparent`, or generated; at most 64 bytes.
    #[getter]
    fn request_id(&self) -> &str {
        match &self.reference {
            CallRef::Own(recording, _) => recording.core().request_id(),
            CallRef::Outer(outer) => outer.get().request_id(),
            CallRef::Off(_, request_id) => request_id,
        }
    }

    /// The name of the operation.
    #[getter]
    fn operation(&self) -> &str {
        match &self.reference {
            CallRef::Own(recording, _) => recording.core().operation(),
            CallRef::Outer(outer) => outer.get().operation(),
            CallRef::Off(operation, _) => operation,
        }
    }

    /// GPU memory around the call: up to now while it runs, in all after its end. None without a GPU sample from
    /// before the call.
    #[getter]
    fn gpu(&self, py: Python<'_>) -> Option<GpuUse> {
        let recording = self.recording()?;
        py.detach(|| recording.core().gpu()).map(GpuUse::from)
    }

    /// Records a chunk of output and its audio in seconds; 0 for a header or a piece without audio.
    #[pyo3(signature = (audio_seconds=Number(Ok(0.0))), text_signature = "($self, audio_seconds=0.0)")]
    fn chunk(&self, py: Python<'_>, audio_seconds: Number) -> PyResult<()> {
        let seconds = self.seconds(py, "chunk", audio_seconds)?;
        match self.own_recording() {
            Some(recording) => recording.record_chunk(&seconds.map_or(Measured::Output, Measured::Seconds)),
            None => self.progress(),
        }
        Ok(())
    }

    /// Records audio that is part of one result, in seconds.
    fn audio(&self, py: Python<'_>, seconds: Number) -> PyResult<()> {
        let seconds = self.seconds(py, "audio", seconds)?;
        if let (Some(recording), Some(seconds)) = (self.own_recording(), seconds) {
            recording.core().audio(Seconds(seconds));
        }
        Ok(())
    }

    /// Marks progress; resets the stall and idle timers.
    fn progress(&self) {
        if let Some(recording) = self.recording() {
            recording.core().progress();
        }
    }

    /// Returns a named, timed part of this call: `with call.stage("vocoder"): ...`.
    ///
    /// If a stage with `decides=True` fails, the call fails with it, unless the call is marked or ended otherwise.
    #[pyo3(signature = (name, *, decides=None), text_signature = "($self, name, *, decides=False)")]
    fn stage(
        slf: &Bound<'_, Self>,
        name: &Bound<'_, PyAny>,
        decides: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Stage> {
        Stage::new_in(name, decides, Some(slf.clone().unbind()))
    }

    /// Sets fields: numbers, texts and truth values for logs and the store, never for metrics.
    #[pyo3(signature = (**fields))]
    pub(super) fn set(&self, fields: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        for (name, value) in fields.into_iter().flatten() {
            self.set_field(&value::text(name)?.to_string_lossy(), &value)?;
        }
        Ok(())
    }

    /// Marks the call with an outcome, which it has when it ends; until then it goes on. The first failure counts.
    #[pyo3(signature = (outcome=None, *, truncated=None, error=None))]
    fn mark(
        &self,
        py: Python<'_>,
        outcome: Option<&Bound<'_, PyAny>>,
        truncated: Option<&Bound<'_, PyAny>>,
        error: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let Some(recording) = self.recording() else { return Ok(()) };
        let report = |name: &str, read: PyResult<Option<Failure>>| {
            fault::report_error(py, part::OUTCOME, self.operation(), name, read).map(Option::flatten)
        };
        let named = outcome.map(|name| verdict::outcome(name).map(Failure::of_outcome)).transpose();
        let is_truncated = truncated.map_or(Ok(false), |truncated| truncated.is_truthy());
        let truncated = is_truncated.map(|is| is.then(|| Failure::of_outcome(Outcome::Truncated)));
        let failed = error.map(verdict::error).transpose();
        for mark in [report("mark", named)?, report("truncated", truncated)?, report("error", failed)?] {
            mark.iter().for_each(|mark| recording.mark(mark));
        }
        Ok(())
    }

    /// Whether this is the first call of its operation in the process.
    #[getter]
    fn cold(&self) -> bool {
        self.recording().is_some_and(|recording| recording.core().is_cold())
    }

    /// The function's arguments by name, inside of an `audio=`, `outcome=` or `streaming=` function; else empty.
    #[getter]
    fn arguments<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.in_scope(py, 0).unwrap_or_else(|| PyDict::new(py).into_any())
    }

    /// A dict that lasts as long as the call, for such functions; else a new one.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.in_scope(py, 1).unwrap_or_else(|| PyDict::new(py).into_any())
    }

    /// Whether such a function got the result, or the value that a generator returned, and not an item.
    #[getter]
    fn done(&self, py: Python<'_>) -> bool {
        self.in_scope(py, 2).is_some_and(|done| done.is_truthy().unwrap_or(false))
    }

    /// Sets what the user's functions get of the call while they run.
    fn _scope(&self, py: Python<'_>, scope: Option<Py<PyTuple>>) {
        drop(self.scope.set(py, scope));
    }

    /// Sets whether the consumer takes chunks while they are made.
    fn _stream(&self, py: Python<'_>, streaming: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(recording) = self.own_recording() else { return Ok(()) };
        if let Some(streaming) = streams(self.operation(), streaming)? {
            py.detach(|| recording.core().streaming(streaming));
        }
        Ok(())
    }

    /// Ends the call as failed, with an exception or with the text of an error.
    fn fail(&self, py: Python<'_>, error: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(recording) = self.own_recording() else { return Ok(()) };
        let failure = fault::report_error(py, part::FIELD, self.operation(), "error", verdict::error(error))?;
        let failure = failure.unwrap_or_else(|| Failure::of_outcome(Outcome::Error));
        recording.end(py, |recording| {
            recording.core().end_with(failure.outcome, &failure.kind, &failure.text);
        })
    }

    /// Ends the call as `truncated`: its output was cut short.
    fn truncated(&self, py: Python<'_>) -> PyResult<()> {
        let Some(recording) = self.own_recording() else { return Ok(()) };
        recording.end(py, |recording| recording.core().end(Outcome::Truncated))
    }

    fn __repr__(&self) -> String {
        format!("<soundpost.Call {} {}>", self.operation(), self.request_id())
    }
}

/// Returns the call that runs in this context, or None.
#[pyfunction]
pub(crate) fn current_call(py: Python<'_>) -> Option<Bound<'_, Call>> {
    current(py)
}

/// A named, timed part of the current call, or of the operation `unknown` where there is no call.
///
/// Use it as `@soundpost.stage("vocoder")` on any kind of function, or as `with soundpost.stage("vocoder"):`.
#[pyclass(frozen, module = "soundpost", name = "stage")]
pub(crate) struct Stage {
    /// `None` for an object that is no name, which records nothing.
    name: Option<String>,
    /// Whether a failure of the stage is one of its call.
    decides: bool,
    call: Option<Py<Call>>,
    /// The stages that were entered and not left, with the thread of each: several threads may share this object.
    entered: Mutex<Vec<(ThreadId, soundpost::Stage)>>,
}

impl Stage {
    fn new_in(
        name: &Bound<'_, PyAny>,
        decides: Option<&Bound<'_, PyAny>>,
        call: Option<Py<Call>>,
    ) -> PyResult<Self> {
        let py = name.py();
        let name = fault::report_error(py, part::OPERATION, "stage", "name", value::name(name))?;
        let decides = decides.map_or(Ok(false), |decides| decides.is_truthy());
        let decides =
            fault::report_error(py, part::OPERATION, "stage", "decides", decides)?.unwrap_or_default();
        if decides {
            import::object(py, intern!(py, "soundpost._threads"), intern!(py, "carry_calls"))?.call0()?;
        }
        Ok(Self { name, decides, call, entered: Mutex::new(Vec::new()) })
    }
}

#[pymethods]
impl Stage {
    #[new]
    #[pyo3(signature = (name, decides=None), text_signature = "(name, decides=False)")]
    fn new(name: &Bound<'_, PyAny>, decides: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        Self::new_in(name, decides, None)
    }

    /// The name of the stage.
    #[getter]
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyType>, (Option<String>, bool)) {
        (slf.get_type(), (slf.get().name.clone(), slf.get().decides))
    }

    /// Decorates a function of any kind.
    fn __call__<'py>(&self, py: Python<'py>, function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        import::object(py, intern!(py, "soundpost._functions"), intern!(py, "staged"))?
            .call((function, self.name.as_deref()), Some(&[("decides", self.decides)].into_py_dict(py)?))
    }

    fn __enter__(&self, py: Python<'_>) {
        let name = state::generation().and(self.name.as_deref());
        let begun = name.and_then(|name| match &self.call {
            Some(call) => call.get().begin_stage(name),
            None => begin_stage(py, name),
        });
        if let Some(begun) = begun {
            lock(&self.entered).push((thread::current().id(), begun.decides(self.decides)));
        }
    }

    #[pyo3(signature = (_kind=None, error=None, _traceback=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<&Bound<'_, PyAny>>,
        error: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) {
        let mut entered = lock(&self.entered);
        let here = thread::current().id();
        let last = entered.iter().rposition(|(thread, _)| *thread == here).or(entered.len().checked_sub(1));
        let ended = last.map(|last| entered.remove(last));
        drop(entered);
        if let (Some((_, stage)), Some(error)) = (ended, error) {
            hide_texts(py);
            fail_stage(py, &stage, &PyErr::from_value(error.clone()));
        }
    }

    fn __aenter__(&self, py: Python<'_>) -> ReadyAwaitable {
        self.__enter__(py);
        ReadyAwaitable::new(None)
    }

    #[pyo3(signature = (kind=None, error=None, traceback=None))]
    fn __aexit__(
        &self,
        py: Python<'_>,
        kind: Option<&Bound<'_, PyAny>>,
        error: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> ReadyAwaitable {
        self.__exit__(py, kind, error, traceback);
        ReadyAwaitable::new(None)
    }

    fn __repr__(&self) -> String {
        format!("soundpost.stage({:?})", self.name())
    }
}
