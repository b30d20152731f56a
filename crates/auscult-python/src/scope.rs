//! What an instrumented function is to be recorded as: a call, a stage of the call around it, or nothing.

use std::sync::Mutex;

use auscult::Outcome;
use pyo3::prelude::*;

use crate::audio::{Heard, Measure};
use crate::call::Call;
use crate::context::{self, Token};
use crate::fault::{self, Part};
use crate::state::lock;

/// The recording of one invocation.
pub(crate) enum Scope {
    Call(Py<Call>),
    Stage(Mutex<Option<auscult::Stage>>),
    Off,
}

/// What was made current by [`Scope::enter`].
pub(crate) struct Entered(Option<Token>);

impl Scope {
    pub(crate) fn stage(stage: auscult::Stage) -> Self {
        Self::Stage(Mutex::new(Some(stage)))
    }

    /// Makes the call current. Each resumption enters and leaves: it may come on another thread, and what the
    /// consumer does in between is not part of the call.
    #[inline]
    pub(crate) fn enter(&self, py: Python<'_>) -> Entered {
        match self {
            Self::Call(call) => Entered(Some(context::enter(py, call))),
            Self::Stage(_) | Self::Off => Entered(None),
        }
    }

    #[inline]
    pub(crate) fn leave(&self, py: Python<'_>, entered: &Entered) {
        if let Some(token) = &entered.0 {
            context::leave(py, token);
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
    pub(crate) fn call(&self) -> Option<&crate::call::Own> {
        match self {
            Self::Call(call) => call.get().recording(),
            Self::Stage(_) | Self::Off => None,
        }
    }

    /// An item was yielded.
    #[inline]
    pub(crate) fn took(&self, item: &Bound<'_, PyAny>, measure: Option<&Py<Measure>>) -> PyResult<()> {
        let Some(own) = self.call() else { return Ok(()) };
        let (heard, fault) = hear(own.listens(), item, measure);
        own.took(&heard);
        fault
    }

    /// A result was returned: the end.
    #[inline]
    pub(crate) fn gave(&self, result: &Bound<'_, PyAny>, measure: Option<&Py<Measure>>) -> PyResult<()> {
        match self {
            Self::Call(call) => {
                let Some(own) = call.get().recording() else { return Ok(()) };
                let (heard, fault) = hear(own.listens(), result, measure);
                own.gave(&heard);
                fault
            }
            Self::Stage(stage) => {
                drop(lock(stage).take());
                Ok(())
            }
            Self::Off => Ok(()),
        }
    }

    /// A generator came to its end.
    pub(crate) fn finish(&self) {
        match self {
            Self::Call(call) => call.get().recording().into_iter().for_each(|own| own.finish()),
            Self::Stage(stage) => drop(lock(stage).take()),
            Self::Off => {}
        }
    }

    /// An exception came out.
    #[cold]
    pub(crate) fn failed(&self, py: Python<'_>, error: &PyErr) {
        match self {
            Self::Call(call) => call.get().recording().into_iter().for_each(|own| own.failed(py, error)),
            Self::Stage(stage) => {
                lock(stage).take().inspect(auscult::Stage::fail);
            }
            Self::Off => {}
        }
    }

    /// The consumer closed or dropped it.
    pub(crate) fn closed(&self) {
        match self {
            Self::Call(call) => call.get().recording().into_iter().for_each(|own| own.closed()),
            Self::Stage(stage) => drop(lock(stage).take()),
            Self::Off => {}
        }
    }

    /// What was to be recorded never began: it leaves no trace.
    pub(crate) fn discard(&self) {
        match self {
            Self::Call(call) => call.get().recording().into_iter().for_each(|own| own.core().discard()),
            Self::Stage(_) | Self::Off => self.closed(),
        }
    }

    /// A coroutine was closed before its end.
    pub(crate) fn cancelled(&self) {
        match self {
            Self::Call(call) => call.get().recording().into_iter().for_each(|own| own.core().end(Outcome::Cancelled)),
            Self::Stage(_) | Self::Off => self.closed(),
        }
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Call(call) => Self::Call(call.clone_ref(py)),
            // The stage itself ends with the scope it was made for.
            Self::Stage(_) | Self::Off => Self::Off,
        }
    }
}

/// Measures an item; without a measure, or with one that fails, it is output of unknown length.
#[inline]
fn hear(listen: bool, item: &Bound<'_, PyAny>, measure: Option<&Py<Measure>>) -> (Heard, PyResult<()>) {
    let Some(measure) = measure else { return (Heard::Output, Ok(())) };
    match measure.get().hear(item, listen) {
        Ok(heard) => (heard, Ok(())),
        Err(error) => {
            let fault = fault::report(item.py(), Part::Audio, "audio", Some(error), "audio= could not measure an item");
            (Heard::Output, fault)
        }
    }
}

/// Stands in for a method of the core.
trait Discard {
    fn discard(&self);
}

impl Discard for auscult::CallState {
    fn discard(&self) {
        self.abandon();
    }
}
