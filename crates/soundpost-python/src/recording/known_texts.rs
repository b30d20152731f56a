//! The texts to synthesise that log events of a context hide: of the calls that were entered in it, and of generators that
//! wait for their consumer, whose calls are not current meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyWeakrefMethods, PyWeakrefReference};
use soundpost::binding::KnownTexts;

use super::call::Call;
use super::context::{self, OPEN};
use crate::cell::GilCell;

/// Maximum number of calls entered in one context whose texts are hidden.
const MAX_ENTERED: usize = 16;
/// Maximum number of open generators in one context whose texts are hidden, the last ones.
const MAX_OPEN: usize = 8;

/// Number of open generators with a text.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The entry of an open generator in the contexts of its consumers.
#[derive(Default)]
pub(super) struct OpenEntry {
    /// The entries of the last consumer's context, which include this one: weak references to calls.
    entries: GilCell<Py<PyAny>>,
    is_counted: AtomicBool,
}

impl OpenEntry {
    /// Adds the call of a generator to this context, unless it is there.
    #[inline]
    pub(super) fn add(&self, py: Python<'_>, call: &Py<Call>) {
        let present = OPEN.get(py);
        let is_added = match (&present, self.entries.get(py)) {
            (Some(present), Some(entries)) => present.is(&entries),
            _ => false,
        };
        if !is_added {
            drop(self.add_to(call.bind(py), present.as_ref()));
        }
    }

    #[cold]
    fn add_to(&self, call: &Bound<'_, Call>, present: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let py = call.py();
        let is_own = |entry: &Bound<'_, PyAny>| call_of(entry).is_some_and(|other| other.is(call));
        if let Some(present) = present.filter(|present| entries_of(present).any(|entry| is_own(&entry))) {
            drop(self.entries.set(py, Some(present.clone().unbind())));
            return Ok(());
        }
        let is_open = |entry: &Bound<'_, PyAny>| call_of(entry).is_some_and(|other| other.get().is_active());
        let others = present.into_iter().flat_map(entries_of).filter(is_open).take(MAX_OPEN - 1);
        let entries: Vec<_> = [PyWeakrefReference::new(call)?.into_any()].into_iter().chain(others).collect();
        let entries = PyTuple::new(py, entries)?.into_any().unbind();
        drop(OPEN.set(py, &entries));
        drop(self.entries.set(py, Some(entries)));
        if !self.is_counted.swap(true, Ordering::Relaxed) {
            COUNT.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Drop for OpenEntry {
    /// Leaves the weak references in contexts, which the next generator there drops.
    fn drop(&mut self) {
        if *self.is_counted.get_mut() {
            COUNT.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Returns the texts to synthesise of the calls that were entered in this context and have not ended: of the current call,
/// of suspended ones, of open generators, and in a forked child of those that it inherited.
pub(crate) fn known_texts(py: Python<'_>) -> KnownTexts {
    let mut known = KnownTexts::default();
    let mut add = |call: &Bound<'_, Call>| {
        if let Some(recording) = call.get().recording() {
            known.extend(&recording.known_texts(py));
        }
    };
    let mut next = context::current(py).and_then(|entered| entered.cast_into::<Call>().ok());
    for _ in 0..MAX_ENTERED {
        let Some(call) = next else { break };
        add(&call);
        next = call.get().entered_before(py);
    }
    if COUNT.load(Ordering::Relaxed) > 0
        && let Some(entries) = OPEN.get(py)
    {
        entries_of(&entries).filter_map(|entry| call_of(&entry)).for_each(|call| add(&call));
    }
    known
}

fn entries_of<'a, 'py>(
    entries: &'a Bound<'py, PyAny>,
) -> impl Iterator<Item = Bound<'py, PyAny>> + use<'a, 'py> {
    entries.cast_exact::<PyTuple>().into_iter().flat_map(|entries| entries.iter())
}

fn call_of<'py>(entry: &Bound<'py, PyAny>) -> Option<Bound<'py, Call>> {
    entry.cast_exact::<PyWeakrefReference>().ok()?.upgrade()?.cast_into().ok()
}
