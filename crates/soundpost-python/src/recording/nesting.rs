//! The places of calls of blocks, which stay current while the generator around a block is suspended.

use pyo3::prelude::*;

use super::context::{self, Token};
use super::frame::Generator;
use crate::cell::GilCell;

/// The place of a block's call among the calls that were entered in its context.
pub(super) struct BlockPlace {
    /// The generator that the block stands in; `None` for a block in a function.
    generator: Option<Generator>,
    /// The token of the context, until the block ends. It refers to the call through the context.
    token: GilCell<Token>,
    /// The call that was current before, and is so while this one is not.
    outer: GilCell<Py<PyAny>>,
}

impl BlockPlace {
    /// Makes a block's call current.
    ///
    /// # Errors
    /// With an interrupt.
    pub(super) fn enter(py: Python<'_>, call: &Py<PyAny>, outer: Option<Py<PyAny>>) -> PyResult<Self> {
        let generator = Generator::around_caller(py)?;
        let token = GilCell::new(Some(context::enter(py, call)));
        Ok(Self { generator, token, outer: GilCell::new(outer) })
    }

    pub(super) fn outer<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.outer.get(py)
    }

    pub(super) fn set_outer(&self, py: Python<'_>, outer: Option<Py<PyAny>>) {
        drop(self.outer.set(py, outer));
    }

    /// Returns whether the call is not that of the running code: its generator is suspended, and in this context
    /// nothing that the generator started runs.
    pub(super) fn is_suspended(&self, py: Python<'_>, call: &Py<PyAny>) -> bool {
        self.generator.as_ref().is_some_and(|generator| generator.is_suspended(py)) && self.is_here(py, call)
    }

    /// Returns whether the call was entered in this very context, not in one that this is a copy of.
    fn is_here(&self, py: Python<'_>, call: &Py<PyAny>) -> bool {
        let Some(token) = self.token.take(py) else { return false };
        let renewed = context::renew(py, &token, call);
        let is_here = renewed.is_some();
        drop(self.token.set(py, Some(renewed.unwrap_or(token))));
        is_here
    }

    /// Reports whether the block has not been left.
    pub(super) fn is_entered(&self, py: Python<'_>) -> bool {
        self.token.is_some(py)
    }

    /// Drops the token.
    pub(super) fn end(&self, py: Python<'_>) {
        drop(self.token.take(py));
    }

    /// Drops the token in a finalizer.
    pub(super) fn end_finalized(&self) {
        self.token.clear();
    }
}
