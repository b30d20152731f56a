//! A running call, as Python sees it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use soundpost::torch::Devices;
use soundpost::{Outcome, Seconds};

use crate::audio::Heard;
use crate::context::{self, Token};
use crate::fault::{self, Part};
use crate::gpu_use::GpuUse;
use crate::outcome::Failure;
use crate::stage::Stage;
use crate::state::{lock, take};
use crate::torch;
use crate::value;

/// One request for generated output, while it runs.
#[pyclass(frozen, module = "soundpost", weakref)]
pub(crate) struct Call {
    body: Body,
}

/// What stands behind a [`Call`].
enum Body {
    Own(Own),
    /// Inside of another call: marks progress and sets fields there.
    Inner(Py<Call>),
    /// Nothing is recorded; only the id the caller gave is known.
    Off(Box<str>, Box<str>),
}

/// A call of the core, and what only the binding knows about its output.
pub(crate) struct Own {
    core: soundpost::Call,
    /// Whether some audio was not silent, and whether some was.
    heard: AtomicBool,
    silence: AtomicBool,
    /// An error that was yielded.
    failure: Mutex<Option<String>>,
    /// What was current before this call was.
    entered: Mutex<Option<Token>>,
    /// Devices of PyTorch's that held memory at the start.
    torch: OnceLock<Devices>,
}

impl Call {
    #[inline]
    pub(crate) fn own(core: soundpost::Call) -> Self {
        let flag = || AtomicBool::new(false);
        let (failure, entered) = (Mutex::new(None), Mutex::new(None));
        let (heard, silence, torch) = (flag(), flag(), OnceLock::new());
        Self { body: Body::Own(Own { core, heard, silence, failure, entered, torch }) }
    }

    pub(crate) fn inner(outer: Py<Self>) -> Self {
        Self { body: Body::Inner(outer) }
    }

    pub(crate) fn off(operation: &str, request_id: &str) -> Self {
        Self { body: Body::Off(operation.into(), request_id.into()) }
    }

    /// The call that records: this one or the one around it.
    #[inline]
    pub(crate) fn recording(&self) -> Option<&Own> {
        match &self.body {
            Body::Own(own) => Some(own),
            Body::Inner(outer) => outer.get().recording(),
            Body::Off(..) => None,
        }
    }

    /// Makes this call the current one of the context, until `leave`.
    #[inline]
    pub(crate) fn enter(&self, py: Python<'_>, this: &Py<Self>) {
        if let Body::Own(own) = &self.body {
            let token = context::enter(py, this);
            let before = lock(&own.entered).replace(token);
            drop(before);
        }
    }

    /// Puts back what was current before.
    #[inline]
    pub(crate) fn leave(&self, py: Python<'_>) {
        if let Body::Own(own) = &self.body
            && let Some(token) = take(&own.entered)
        {
            context::leave(py, &token);
        }
    }

    /// Whether nothing more will be recorded.
    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        self.recording().is_none_or(|own| !own.core.is_active())
    }

    /// Sets one field.
    pub(crate) fn set_field(&self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(own) = self.recording() else { return Ok(()) };
        match value::field(value) {
            Ok(None) => {}
            Ok(Some(given)) => own.core.field(name, given),
            Err(error) => {
                fault::of_operation(value.py(), Part::Field, own.core.operation(), name, error)?;
            }
        }
        Ok(())
    }
}

#[pymethods]
impl Call {
    /// Its id: the caller's, from a `traceparent`, or made; at most 64 bytes.
    #[getter]
    fn request_id(&self) -> &str {
        match &self.body {
            Body::Own(own) => own.core.request_id(),
            Body::Inner(outer) => outer.get().request_id(),
            Body::Off(_, request_id) => request_id,
        }
    }

    /// The name of the operation.
    #[getter]
    fn operation(&self) -> &str {
        match &self.body {
            Body::Own(own) => own.core.operation(),
            Body::Inner(outer) => outer.get().operation(),
            Body::Off(operation, _) => operation,
        }
    }

    /// What the call did to GPU memory: so far while it runs, in all after its end. None where no GPU is
    /// sampled, or none was before the call began.
    #[getter]
    fn gpu(&self, py: Python<'_>) -> Option<GpuUse> {
        let own = self.recording()?;
        py.detach(|| own.core.gpu()).map(GpuUse::from)
    }

    /// Records that a chunk is ready: with its length in seconds, or 0 for a header or any other piece that is
    /// no audio.
    #[pyo3(signature = (audio_seconds=0.0))]
    fn chunk(&self, audio_seconds: f64) {
        match &self.body {
            Body::Own(own) => own.took(&Heard::Seconds(audio_seconds)),
            Body::Inner(_) | Body::Off(..) => self.progress(),
        }
    }

    /// Records audio that is part of one result, seconds.
    fn audio(&self, seconds: f64) {
        if let Body::Own(own) = &self.body {
            own.heard.store(true, Ordering::Relaxed);
            own.core.audio(Seconds(seconds));
        }
    }

    /// Records that the call is getting on, which keeps it from being taken for stalled.
    fn progress(&self) {
        if let Some(own) = self.recording() {
            own.core.progress();
        }
    }

    /// A named, timed part of this call: `with call.stage("vocoder"): ...`.
    fn stage(slf: &Bound<'_, Self>, name: &str) -> Stage {
        Stage::of(name, Some(slf.clone().unbind()))
    }

    /// Sets fields: numbers, texts and truth values for logs and the store, never for metrics.
    #[pyo3(signature = (**fields))]
    fn set(&self, fields: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        for (name, value) in fields.into_iter().flatten() {
            self.set_field(&value::text(name)?.to_string_lossy(), &value)?;
        }
        Ok(())
    }

    /// Ends the call as failed: with an exception, or with the text of an error.
    fn fail(&self, py: Python<'_>, error: &Bound<'_, PyAny>) -> PyResult<()> {
        let Body::Own(own) = &self.body else { return Ok(()) };
        let read = own.ending(py);
        if error.is_instance_of::<pyo3::exceptions::PyBaseException>() {
            own.failed(py, &PyErr::from_value(error.clone()));
        } else {
            own.end_with(&Failure::from_text(value::text(error.clone())?.to_string_lossy().into_owned()));
        }
        read
    }

    /// Marks the output as cut short: the call ends as `truncated`.
    fn truncated(&self, py: Python<'_>) -> PyResult<()> {
        let Body::Own(own) = &self.body else { return Ok(()) };
        let read = own.ending(py);
        own.core.end(Outcome::Truncated);
        read
    }

    fn __repr__(&self) -> String {
        format!("<soundpost.Call {} {}>", self.operation(), self.request_id())
    }
}

impl Own {
    #[inline]
    pub(crate) fn core(&self) -> &soundpost::Call {
        &self.core
    }

    /// Reads what is to be read while the call has not ended; then end it, whatever this returns.
    ///
    /// # Errors
    /// With what the host must see: an interrupt, or a fault under `SOUNDPOST_STRICT`.
    #[inline]
    pub(crate) fn ending(&self, py: Python<'_>) -> PyResult<()> {
        torch::ended(py, self)
    }

    /// Devices of PyTorch's that held memory when the call began, if that was read.
    pub(crate) fn torch_devices(&self) -> Option<Devices> {
        self.torch.get().copied()
    }

    /// Says which devices of PyTorch's hold memory now that the call begins.
    pub(crate) fn reads_torch(&self, devices: Devices) {
        let _ = self.torch.set(devices);
    }

    /// Whether a look for silence is still of use.
    #[inline]
    pub(crate) fn listens(&self) -> bool {
        !self.heard.load(Ordering::Relaxed)
    }

    /// An item was yielded.
    #[inline]
    pub(crate) fn took(&self, heard: &Heard) {
        match heard {
            Heard::Seconds(seconds) => {
                self.heard.store(true, Ordering::Relaxed);
                self.core.chunk(Seconds(*seconds));
            }
            Heard::Output => self.core.chunk(Seconds(0.0)),
            // Silence is audio, but none that anybody waits for.
            Heard::Silence(seconds) => {
                self.silence.store(true, Ordering::Relaxed);
                self.core.chunk(Seconds(0.0));
                self.core.audio(Seconds(*seconds));
            }
            Heard::Skip | Heard::Nothing => self.core.progress(),
            Heard::Error(text) => {
                self.core.progress();
                lock(&self.failure).get_or_insert_with(|| text.clone());
            }
        }
    }

    /// An item was yielded, and the consumer has the floor.
    #[inline]
    pub(crate) fn handed_over(&self, heard: &Heard) {
        match heard {
            Heard::Seconds(seconds) => {
                self.heard.store(true, Ordering::Relaxed);
                self.core.hand_over(Seconds(*seconds));
            }
            Heard::Output => self.core.hand_over(Seconds(0.0)),
            Heard::Silence(_) | Heard::Skip | Heard::Nothing | Heard::Error(_) => {
                self.took(heard);
                self.core.suspend();
            }
        }
    }

    /// A result was returned, which is the end.
    pub(crate) fn gave(&self, heard: &Heard) {
        match heard {
            Heard::Seconds(seconds) => {
                self.heard.store(true, Ordering::Relaxed);
                self.core.audio(Seconds(*seconds));
                self.finish();
            }
            Heard::Silence(seconds) => {
                self.silence.store(true, Ordering::Relaxed);
                self.core.audio(Seconds(*seconds));
                self.finish();
            }
            // There was output, though nobody can say how long it plays.
            Heard::Output | Heard::Skip => self.core.end(Outcome::Ok),
            Heard::Nothing => self.finish(),
            Heard::Error(text) => self.end_with(&Failure::from_text(text.clone())),
        }
    }

    /// Ends as the output says: ok, empty, silent, or the error that was yielded.
    #[inline]
    pub(crate) fn finish(&self) {
        match lock(&self.failure).take() {
            Some(text) => self.end_with(&Failure::from_text(text)),
            None if self.silence.load(Ordering::Relaxed) && self.listens() => self.core.end(Outcome::Silent),
            None => self.core.finish(),
        }
    }

    /// Ends with the exception that came out of it.
    #[cold]
    pub(crate) fn failed(&self, py: Python<'_>, error: &PyErr) {
        self.end_with(&Failure::new(py, error));
    }

    /// Ends because the consumer closed or dropped it.
    pub(crate) fn closed(&self) {
        match lock(&self.failure).take() {
            Some(text) => self.end_with(&Failure::from_text(text)),
            None => self.core.abandon(),
        }
    }

    pub(crate) fn end_with(&self, failure: &Failure) {
        self.core.end_with(failure.outcome, &failure.kind, &failure.text);
    }
}

/// The call that is running in this context, or None.
#[pyfunction]
pub(crate) fn current_call(py: Python<'_>) -> Option<Bound<'_, Call>> {
    context::current(py)
}
