//! What an instrumented function is recorded as: a call, a stage of the call around it, or nothing.

use std::sync::Mutex;

use pyo3::prelude::*;
use soundpost::Outcome;

use crate::audio::{Heard, Measure};
use crate::call::{Call, Own};
use crate::fault::{self, Part};
use crate::stage::Running;
use crate::state::lock;

/// The recording of one invocation.
pub(crate) enum Scope {
    Call(Py<Call>),
    Stage(Mutex<Option<soundpost::Stage>>),
    Off,
}

impl Scope {
    pub(crate) fn stage(stage: soundpost::Stage) -> Self {
        Self::Stage(Mutex::new(Some(stage)))
    }

    /// What `Plan.begin` gave, which is current no longer.
    #[inline]
    pub(crate) fn left(run: &Bound<'_, PyAny>) -> Self {
        if let Ok(call) = run.cast_exact::<Call>() {
            call.get().leave(run.py());
            return Self::Call(call.clone().unbind());
        }
        match run.cast_exact::<Running>() {
            Ok(running) => Self::Stage(Mutex::new(running.get().take())),
            Err(_) => Self::Off,
        }
    }

    /// Makes the call current. Each resumption enters and leaves: it may come on another thread, and what the
    /// consumer does in between is not part of the call.
    #[inline]
    pub(crate) fn enter(&self, py: Python<'_>) {
        if let Self::Call(call) = self {
            call.get().enter(py, call);
        }
    }

    #[inline]
    pub(crate) fn leave(&self, py: Python<'_>) {
        if let Self::Call(call) = self {
            call.get().leave(py);
        }
    }

    /// Starts the clock of what the call itself takes.
    #[inline]
    pub(crate) fn resume(&self) {
        if let Some(own) = self.call() {
            own.core().resume();
        }
    }

    /// Stops it: the consumer has the floor.
    #[inline]
    pub(crate) fn suspend(&self) {
        if let Some(own) = self.call() {
            own.core().suspend();
        }
    }

    #[inline]
    pub(crate) fn call(&self) -> Option<&Own> {
        match self {
            Self::Call(call) => call.get().recording(),
            Self::Stage(_) | Self::Off => None,
        }
    }

    /// What precedes the end of a call; see [`Own::ending`].
    #[inline]
    pub(crate) fn ending(&self, py: Python<'_>) -> PyResult<()> {
        self.call().map_or(Ok(()), |own| own.ending(py))
    }

    /// An item was yielded: from now on the consumer has the floor.
    #[inline]
    pub(crate) fn took(&self, item: &Bound<'_, PyAny>, measure: Option<&Py<Measure>>) -> PyResult<()> {
        let Some(own) = self.call() else { return Ok(()) };
        let (heard, fault) = hear(own, item, measure);
        own.handed_over(&heard);
        fault
    }

    /// The same, of an item that is known.
    pub(crate) fn handed_over(&self, heard: &Heard) {
        if let Some(own) = self.call() {
            own.handed_over(heard);
        }
    }

    /// A result was returned: the end.
    #[inline]
    pub(crate) fn gave(&self, result: &Bound<'_, PyAny>, measure: Option<&Py<Measure>>) -> PyResult<()> {
        let Some(own) = self.call() else {
            self.finish();
            return Ok(());
        };
        let (heard, fault) = hear(own, result, measure);
        let read = own.ending(result.py());
        own.gave(&heard);
        fault.and(read)
    }

    /// The same, of a result that is known.
    pub(crate) fn heard(&self, heard: &Heard) {
        match self.call() {
            Some(own) => own.gave(heard),
            None => self.finish(),
        }
    }

    /// A generator came to its end.
    pub(crate) fn finish(&self) {
        match self {
            Self::Call(_) => self.call().into_iter().for_each(Own::finish),
            Self::Stage(stage) => drop(lock(stage).take()),
            Self::Off => {}
        }
    }

    /// An exception came out.
    #[cold]
    pub(crate) fn failed(&self, py: Python<'_>, error: &PyErr) {
        match self {
            Self::Call(_) => self.call().into_iter().for_each(|own| own.failed(py, error)),
            Self::Stage(stage) => drop(lock(stage).take().inspect(soundpost::Stage::fail)),
            Self::Off => {}
        }
    }

    /// The consumer closed or dropped it.
    pub(crate) fn closed(&self) {
        match self {
            Self::Call(_) => self.call().into_iter().for_each(Own::closed),
            Self::Stage(_) | Self::Off => self.finish(),
        }
    }

    /// It ended, and that is how.
    pub(crate) fn end(&self, outcome: Outcome) {
        match self {
            Self::Call(_) => self.call().into_iter().for_each(|own| own.core().end(outcome)),
            Self::Stage(_) | Self::Off => self.finish(),
        }
    }

    /// What was to be recorded never began: it leaves no trace.
    pub(crate) fn discard(&self) {
        match self {
            Self::Call(_) => self.call().into_iter().for_each(|own| own.core().discard()),
            Self::Stage(_) | Self::Off => self.finish(),
        }
    }
}

/// Measures an item; without a measure, or with one that fails, it is output of unknown length.
#[inline]
fn hear(own: &Own, item: &Bound<'_, PyAny>, measure: Option<&Py<Measure>>) -> (Heard, PyResult<()>) {
    let Some(measure) = measure else { return (Heard::Output, Ok(())) };
    match measure.get().hear(item, own.listens()) {
        Ok(heard) => (heard, Ok(())),
        Err(error) => {
            let operation = own.core().operation();
            (Heard::Output, fault::of_operation(item.py(), Part::Audio, operation, "audio", error))
        }
    }
}
