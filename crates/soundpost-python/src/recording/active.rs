//! The recording of one invocation: a call, a stage of the call around it, or nothing.

use std::cell::Cell;
use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::types::PyType;

use super::call::{Call, current, hide_texts};
use super::output::{Recording, fail_stage};
use crate::fault::{self, part};
use crate::measure::{Measure, Measured, Verdict};
use crate::state::lock;

thread_local! {
    /// The call that a wrapper on this thread entered last, and the wrapper's recorder, by their addresses.
    static LAST_ENTERED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// The recording of one invocation.
pub(crate) enum Active {
    Call(Py<Call>),
    Stage(Mutex<Option<soundpost::Stage>>),
    Off,
}

/// A stage that stands for an instrumented function inside a call, while it runs.
#[pyclass(frozen)]
pub(crate) struct StageGuard {
    stage: Mutex<Option<soundpost::Stage>>,
}

impl Active {
    pub(super) fn stage(stage: Option<soundpost::Stage>) -> Self {
        stage.map_or(Self::Off, |stage| Self::Stage(Mutex::new(Some(stage))))
    }

    /// Makes the recording of a recorder current, and returns the object that a wrapper holds meanwhile.
    #[inline]
    pub(super) fn into_entered(self, py: Python<'_>, recorder: usize) -> PyResult<Option<Bound<'_, PyAny>>> {
        Ok(match self {
            Self::Off => None,
            Self::Call(call) => {
                call.get().enter(py, &call);
                LAST_ENTERED.set((call.as_ptr().addr(), recorder));
                Some(call.into_bound(py).into_any())
            }
            Self::Stage(stage) => Some(Bound::new(py, StageGuard { stage })?.into_any()),
        })
    }

    /// Reverses [`Active::into_entered`].
    #[inline]
    pub(super) fn from_entered(entered: &Bound<'_, PyAny>) -> Self {
        if let Ok(call) = entered.cast_exact::<Call>() {
            call.get().leave(entered.py());
            return Self::Call(call.clone().unbind());
        }
        match entered.cast_exact::<StageGuard>() {
            Ok(guard) => Self::stage(lock(&guard.get().stage).take()),
            Err(_) => Self::Off,
        }
    }

    /// Reverses [`Active::into_entered`] after an exception. Without its result, an interrupt came right after it, and
    /// the current call is the one that it entered.
    #[cold]
    pub(super) fn from_interrupted(entered: &Bound<'_, PyAny>, recorder: usize) -> Self {
        match current(entered.py()) {
            Some(call)
                if entered.is_instance_of::<PyType>()
                    && LAST_ENTERED.get() == (call.as_ptr().addr(), recorder) =>
            {
                Self::from_entered(&call)
            }
            _ => Self::from_entered(entered),
        }
    }

    /// Makes the call current, until [`Active::leave`].
    ///
    /// Each resumption enters and leaves. It may run on another thread, and the consumer's work in between is not
    /// part of the call.
    #[inline]
    pub(super) fn enter(&self, py: Python<'_>) {
        if let Self::Call(call) = self {
            call.get().enter(py, call);
        }
    }

    #[inline]
    pub(super) fn leave(&self, py: Python<'_>) {
        if let Self::Call(call) = self {
            call.get().leave(py);
        }
    }

    #[inline]
    pub(super) fn recording(&self) -> Option<&Recording> {
        match self {
            Self::Call(call) => call.get().recording(),
            Self::Stage(_) | Self::Off => None,
        }
    }

    /// Restarts the busy time.
    #[inline]
    pub(super) fn resume(&self) {
        if let Some(recording) = self.recording() {
            recording.core().resume();
        }
    }

    /// Measures an item and records that it is handed to the consumer.
    #[inline]
    pub(super) fn hand_over(&self, item: &Bound<'_, PyAny>, measure: Option<&Py<Measure>>) -> PyResult<()> {
        let Some(recording) = self.recording() else { return Ok(()) };
        let (measured, fault) = measured(recording, item, measure);
        recording.hand_over(&measured);
        fault
    }

    /// Records an item of the length that the user's function returned.
    #[inline]
    pub(super) fn hand_over_answer(&self, answer: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(recording) = self.recording() else { return Ok(()) };
        let (measured, fault) = or_output(recording, answer.py(), Measured::from_answer(answer));
        recording.hand_over(&measured);
        fault
    }

    /// Records an item by what the user's functions returned for it.
    pub(super) fn hand_over_as(&self, item: &Bound<'_, PyAny>, rules: Rules<'_, '_>) -> PyResult<()> {
        let Some(recording) = self.recording() else { return Ok(()) };
        let (measured, fault) = rules.measured(recording, item);
        recording.hand_over(&measured);
        fault
    }

    /// Measures a result and ends the recording with it.
    #[inline]
    pub(super) fn finish_with(
        &self,
        result: &Bound<'_, PyAny>,
        measure: Option<&Py<Measure>>,
    ) -> PyResult<()> {
        let Some(recording) = self.recording() else { return self.finish(result.py()) };
        let (measured, fault) = measured(recording, result, measure);
        fault.and(recording.end(result.py(), |recording| recording.finish_with(&measured)))
    }

    /// Ends the recording by what the user's functions returned for the result.
    pub(super) fn finish_as(&self, result: &Bound<'_, PyAny>, rules: Rules<'_, '_>) -> PyResult<()> {
        let Some(recording) = self.recording() else { return self.finish(result.py()) };
        let (measured, fault) = rules.measured(recording, result);
        fault.and(recording.end(result.py(), |recording| recording.finish_with(&measured)))
    }

    /// Ends the recording of a generator that returned, by what the user's functions returned for the end.
    pub(super) fn finish_by(&self, value: &Bound<'_, PyAny>, rules: Rules<'_, '_>) -> PyResult<()> {
        let fault = self.recording().map_or(Ok(()), |recording| rules.judge(recording).1);
        fault.and(self.finish(value.py()))
    }

    /// Ends the recording; a call by its output.
    pub(super) fn finish(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py, Recording::finish)
    }

    /// Ends the recording; a call as `end_call` does.
    ///
    /// # Errors
    /// As [`Recording::end`].
    pub(super) fn end(&self, py: Python<'_>, end_call: impl FnOnce(&Recording)) -> PyResult<()> {
        match self.recording() {
            Some(recording) => recording.end(py, end_call),
            None => {
                self.end_stage();
                Ok(())
            }
        }
    }

    /// Ends the recording in a finalizer, which must not run Python.
    pub(super) fn end_finalized(&self, end_call: impl FnOnce(&Recording)) {
        match self.recording() {
            Some(recording) => end_call(recording),
            None => self.end_stage(),
        }
    }

    fn end_stage(&self) {
        if let Self::Stage(stage) = self {
            drop(lock(stage).take());
        }
    }

    /// Ends the recording with an exception.
    #[cold]
    pub(super) fn fail(&self, py: Python<'_>, error: &PyErr) -> PyResult<()> {
        if let Self::Stage(stage) = self {
            hide_texts(py);
            drop(lock(stage).take().inspect(|stage| fail_stage(py, stage, error)));
        }
        self.end(py, |recording| recording.fail_with(&recording.failure(py, error)))
    }
}

/// Returns of the user's functions for an item or result, and the measure for an item that they leave to it.
pub(super) struct Rules<'a, 'py> {
    /// The answers of the `audio=` and the `outcome=` function, see `python/soundpost/_judgement.py`.
    pub(super) answers: &'a Bound<'py, PyAny>,
    pub(super) measure: Option<&'a Py<Measure>>,
}

impl Rules<'_, '_> {
    /// Marks the call by the `outcome=` function. Returns whether the item is skipped.
    fn judge(&self, recording: &Recording) -> (bool, PyResult<()>) {
        let answer = self.answers.get_item(1).and_then(|answer| Verdict::from_answer(&answer));
        let operation = recording.core().operation();
        match fault::report_error(self.answers.py(), part::OUTCOME, operation, "outcome", answer) {
            Ok(verdict) => {
                let verdict = verdict.unwrap_or_default();
                recording.judge(&verdict);
                (verdict.is_skipped, Ok(()))
            }
            Err(fault) => (false, Err(fault)),
        }
    }

    fn measured(&self, recording: &Recording, item: &Bound<'_, PyAny>) -> (Measured, PyResult<()>) {
        let (is_skipped, fault) = self.judge(recording);
        if is_skipped || fault.is_err() {
            return (Measured::Skip, fault);
        }
        match self.answers.get_item(0) {
            Ok(answer) if !answer.is(item.py().Ellipsis()) => {
                or_output(recording, item.py(), Measured::from_answer(&answer))
            }
            _ => measured(recording, item, self.measure),
        }
    }
}

/// Measures an item; without a measure, or with one that fails, it is output of unknown length.
#[inline]
fn measured(
    recording: &Recording,
    item: &Bound<'_, PyAny>,
    measure: Option<&Py<Measure>>,
) -> (Measured, PyResult<()>) {
    let Some(measure) = measure else { return (Measured::Output, Ok(())) };
    or_output(recording, item.py(), recording.measure(item, measure.get()))
}

fn or_output(
    recording: &Recording,
    py: Python<'_>,
    measured: PyResult<Measured>,
) -> (Measured, PyResult<()>) {
    match fault::report_error(py, part::AUDIO, recording.core().operation(), "audio", measured) {
        Ok(measured) => (measured.unwrap_or(Measured::Output), Ok(())),
        Err(fault) => (Measured::Output, Err(fault)),
    }
}
