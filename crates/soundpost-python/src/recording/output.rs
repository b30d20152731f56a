//! A call of the core, with the rules of the binding for its output and its errors.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use soundpost::binding::torch::Devices;
use soundpost::{Outcome, Seconds};

use crate::exception::Failure;
use crate::measure::{Measured, Verdict};
use crate::torch;

/// A call of the core, with the rules of the binding for its output and its errors.
pub(crate) struct Recording {
    core: soundpost::Call,
    /// The classes of `invalid=`.
    invalid: Option<Py<PyAny>>,
    /// The PyTorch devices that held memory at the start; `None` if the allocator was not read.
    devices: Option<Devices>,
}

impl Recording {
    /// Records a call that has just begun, and reads PyTorch's allocator.
    ///
    /// # Errors
    /// With an interrupt, or with a fault under `SOUNDPOST_STRICT`.
    #[inline]
    pub(super) fn new(py: Python<'_>, core: soundpost::Call) -> PyResult<Self> {
        let devices = torch::read_start(py, &core)?;
        Ok(Self { core, invalid: None, devices })
    }

    /// Sets the classes of errors that find fault with the request.
    #[inline]
    pub(super) fn with_invalid(mut self, py: Python<'_>, classes: Option<&Py<PyAny>>) -> Self {
        self.invalid = classes.map(|classes| classes.clone_ref(py));
        self
    }

    #[inline]
    pub(crate) fn core(&self) -> &soundpost::Call {
        &self.core
    }

    /// Returns whether the next item has to be checked for silence.
    #[inline]
    pub(super) fn is_still_silent(&self) -> bool {
        self.core.handle().is_silent()
    }

    /// Records an item while the service goes on.
    #[inline]
    pub(super) fn record_chunk(&self, item: &Measured) {
        match item {
            Measured::Seconds(seconds) => self.core.chunk(Seconds(*seconds)),
            Measured::Output => {
                self.core.output();
                self.core.chunk(Seconds(0.0));
            }
            Measured::Silence(seconds) => self.core.silence(Seconds(*seconds)),
            Measured::Skip => self.core.progress(),
            Measured::Nothing => self.core.nothing(),
            Measured::Error(text) => {
                self.core.progress();
                self.mark(&Failure::from_text(text.clone()));
            }
        }
    }

    /// Records an item that is handed to the consumer, which ends the busy time.
    #[inline]
    pub(super) fn hand_over(&self, item: &Measured) {
        match item {
            Measured::Seconds(seconds) => self.core.hand_over(Seconds(*seconds)),
            Measured::Output => {
                self.core.output();
                self.core.hand_over(Seconds(0.0));
            }
            _ => {
                self.record_chunk(item);
                self.core.suspend();
            }
        }
    }

    /// Marks the call by what the user's `outcome=` function returned.
    pub(super) fn judge(&self, verdict: &Verdict) {
        if let Some(failure) = &verdict.mark {
            self.mark(failure);
        }
        if verdict.is_last {
            self.core.last();
        }
    }

    /// Marks the call with a failure, and goes on.
    pub(super) fn mark(&self, failure: &Failure) {
        self.core.handle().mark_with(failure.outcome, &failure.kind, &failure.text);
    }

    /// Ends the call, whatever this returns; reads PyTorch's allocator first.
    ///
    /// # Errors
    /// With an interrupt, or with a fault under `SOUNDPOST_STRICT`.
    #[inline]
    pub(super) fn end(&self, py: Python<'_>, end: impl FnOnce(&Self)) -> PyResult<()> {
        let read = torch::read_end(py, &self.core, self.devices);
        end(self);
        read
    }

    /// Ends the call with its only result.
    pub(super) fn finish_with(&self, result: &Measured) {
        match result {
            Measured::Seconds(seconds) => self.core.audio(Seconds(*seconds)),
            Measured::Silence(seconds) => self.core.handle().silence(Seconds(*seconds)),
            Measured::Output | Measured::Skip => self.core.output(),
            Measured::Nothing => self.core.nothing(),
            Measured::Error(text) => self.fail_with(&Failure::from_text(text.clone())),
        }
        self.core.finish();
    }

    /// Ends the call by its output: ok, empty, silent, or the error that was yielded.
    #[inline]
    pub(super) fn finish(&self) {
        self.core.finish();
    }

    /// Ends the call because the consumer closed or dropped the generator.
    pub(super) fn abandon(&self) {
        self.core.abandon();
    }

    /// Reads an exception by the rules of this call.
    pub(super) fn failure(&self, py: Python<'_>, error: &PyErr) -> Failure {
        Failure::new(py, error).or_invalid(py, error, self.invalid.as_ref())
    }

    /// Ends the call with an error that left it.
    pub(super) fn fail_with(&self, failure: &Failure) {
        self.core.end_raised(failure.outcome, &failure.kind, &failure.text);
    }
}

/// Marks a stage as failed with an exception, which a deciding stage passes on to its call.
pub(super) fn fail_stage(py: Python<'_>, stage: &soundpost::Stage, error: &PyErr) {
    if !stage.is_deciding() {
        return stage.fail();
    }
    if !error.is_instance_of::<PyException>(py) {
        return stage.fail_with(Outcome::Cancelled, "", "");
    }
    let failure = Failure::new(py, error).or_invalid(py, error, None);
    stage.fail_with(failure.outcome, &failure.kind, &failure.text);
}
