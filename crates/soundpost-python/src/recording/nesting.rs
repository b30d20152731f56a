//! The places of calls of blocks, which stay current while the generator around a block is suspended.

use std::sync::Mutex;

use pyo3::prelude::*;

use super::context::{self, Token};
use super::frame::Generator;
use crate::state::{lock, take};

/// The place of a block's call among the calls that were entered in its context.
pub(super) struct BlockPlace {
    /// The generator that the block stands in; `None` for a block in a function.
    generator: Option<Generator>,
    /// The token of the context, until the block ends. It refers to the call through the context.
    token: Mutex<Option<Token>>,
    /// The call that was current before, and is so while this one is not.
    outer: Mutex<Option<Py<PyAny>>>,
}

impl BlockPlace {
    /// Makes a block's call current.
    ///
    /// # Errors
    /// With an interrupt.
    pub(super) fn enter(py: Python<'_>, call: &Py<PyAny>, outer: Option<Py<PyAny>>) -> PyResult<Self> {
        let generator = Generator::around_caller(py)?;
        let token = Mutex::new(Some(context::enter(py, call)));
        Ok(Self { generator, token, outer: Mutex::new(outer) })
    }

    pub(super) fn outer<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        lock(&self.outer).as_ref().map(|outer| outer.bind(py).clone())
    }

    pub(super) fn set_outer(&self, outer: Option<Py<PyAny>>) {
        let before = std::mem::replace(&mut *lock(&self.outer), outer);
        drop(before);
    }

    /// Returns whether the call is not that of the running code: its generator is suspended, and in this context
    /// nothing that the generator started runs.
    pub(super) fn is_suspended(&self, py: Python<'_>, call: &Py<PyAny>) -> bool {
        self.generator.as_ref().is_some_and(|generator| generator.is_suspended(py)) && self.is_here(py, call)
    }

    /// Returns whether the call was entered in this very context, not in one that this is a copy of.
    fn is_here(&self, py: Python<'_>, call: &Py<PyAny>) -> bool {
        let Some(token) = take(&self.token) else { return false };
        let renewed = context::renew(py, &token, call);
        let is_here = renewed.is_some();
        *lock(&self.token) = Some(renewed.unwrap_or(token));
        is_here
    }

    /// Drops the token.
    pub(super) fn end(&self) {
        drop(take(&self.token));
    }
}
