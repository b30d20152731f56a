//! Operations by name, and the start of a call of one.

use std::ptr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyString;
use soundpost::binding::{LabelSet, monotonic_nanos};

use super::output::Recording;
use super::warmup::is_warmup;
use crate::cell::GilCell;
use crate::fault::{self, part};
use crate::state;
use crate::value;

/// Maximum number of operations of `with soundpost.call(...)` blocks that stay resolved.
const MAX_SHARED: usize = 256;

/// Maximum number of label values of a call that are kept for the next.
const MAX_KEPT: usize = 4;

static SHARED: RwLock<Vec<Arc<LazyOperation>>> = RwLock::new(Vec::new());

/// An operation and its label names, resolved once per `init`.
pub(crate) struct LazyOperation {
    pub(super) name: String,
    pub(super) labels: Vec<String>,
    /// The operation, and the generation of the telemetry it belongs to.
    resolved: GilCell<(u64, Arc<soundpost::Operation>)>,
    /// The label values of the last call.
    last: GilCell<Labels>,
}

/// Label values as Python passed them, and their series. Services pass the same few constants again and again.
struct Labels {
    generation: u64,
    given: [Option<Py<PyString>>; MAX_KEPT],
    /// False where the next call with the same objects may have another text, or must be counted.
    is_kept: bool,
    set: LabelSet,
}

/// Where a call came from: the caller's ids, and the time since the request was accepted.
#[derive(Default)]
pub(super) struct Origin {
    pub(super) request_id: Option<String>,
    pub(super) traceparent: Option<String>,
    pub(super) queued: Option<Duration>,
}

impl LazyOperation {
    pub(super) fn new(name: String, labels: Vec<String>) -> Self {
        Self { name, labels, resolved: GilCell::default(), last: GilCell::default() }
    }

    /// Returns the operation of this name and these labels that all blocks share.
    pub(super) fn shared(name: &str, labels: &[&str]) -> Arc<Self> {
        let is_same = |known: &&Arc<Self>| known.name == name && known.labels == labels;
        let found =
            SHARED.read().unwrap_or_else(PoisonError::into_inner).iter().find(is_same).map(Arc::clone);
        found.unwrap_or_else(|| {
            let labels = labels.iter().map(|&label| label.to_owned()).collect();
            let operation = Arc::new(Self::new(name.to_owned(), labels));
            let mut shared = SHARED.write().unwrap_or_else(PoisonError::into_inner);
            if shared.len() < MAX_SHARED {
                shared.push(operation.clone());
            }
            operation
        })
    }

    /// Returns the operation while telemetry runs. If a label name is refused, the operation has no labels.
    #[inline]
    pub(super) fn resolve(
        &self,
        py: Python<'_>,
        generation: u64,
    ) -> PyResult<Option<Arc<soundpost::Operation>>> {
        if let Some((resolved, operation)) = self.resolved.cloned(py)
            && resolved == generation
        {
            return Ok(Some(operation));
        }
        self.resolve_anew(py, generation)
    }

    #[cold]
    fn resolve_anew(&self, py: Python<'_>, generation: u64) -> PyResult<Option<Arc<soundpost::Operation>>> {
        let (Some(telemetry), name) = (state::telemetry(), &self.name) else { return Ok(None) };
        let labels: Vec<&str> = self.labels.iter().map(String::as_str).collect();
        let operation = match telemetry.operation(name).labels(&labels) {
            Ok(operation) => Some(operation),
            Err(error) => {
                let text = format!("{name:?}: {error}; it is recorded without labels");
                fault::report(py, part::OPERATION, name, None, &text)?;
                Some(telemetry.operation(name))
            }
        };
        let operation = operation.map(Arc::new);
        let resolved = operation.clone().map(|operation| (generation, operation));
        drop(self.resolved.set(py, resolved));
        Ok(operation)
    }

    /// Starts a call of `operation`, which this resolved to, with these label values.
    #[inline]
    pub(super) fn start<'py>(
        &self,
        py: Python<'py>,
        operation: &soundpost::Operation,
        origin: &Origin,
        generation: u64,
        label: impl Fn(usize) -> PyResult<Bound<'py, PyAny>>,
        configure: impl FnOnce(soundpost::CallBuilder) -> soundpost::CallBuilder,
    ) -> PyResult<Recording> {
        let last = self.last.take(py).filter(|last| last.is_of(generation, operation, &label));
        let labels = match last {
            Some(last) => last,
            None => self.read(py, generation, operation, &label)?,
        };
        let builder = origin.apply(configure(operation.begin_with_set(&labels.set)));
        let core = builder.warmup(is_warmup(py)).start();
        if labels.is_kept {
            drop(self.last.set(py, Some(labels)));
        }
        Recording::new(py, core)
    }

    /// Reads the label values of a call.
    fn read<'py>(
        &self,
        py: Python<'py>,
        generation: u64,
        operation: &soundpost::Operation,
        label: impl Fn(usize) -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Labels> {
        let count = operation.label_names().len();
        let mut given = [const { None }; MAX_KEPT];
        let mut is_kept = count <= MAX_KEPT;
        let text = |index: usize| -> PyResult<Option<Bound<'py, PyString>>> {
            let value = label(index);
            let identity = value.as_ref().map_or(ptr::null_mut(), Bound::as_ptr);
            let text = value.and_then(value::text);
            let text = fault::report_error(py, part::LABEL, &self.name, &self.labels[index], text)?;
            is_kept &= text.as_ref().is_some_and(|text| text.as_ptr() == identity);
            if let Some(slot) = given.get_mut(index) {
                *slot = text.clone().map(Bound::unbind);
            }
            Ok(text)
        };
        let set = value::with_texts(count, text, |texts| operation.label_set(texts))?;
        is_kept &= !set.is_overflow();
        Ok(Labels { generation, given, is_kept, set })
    }
}

impl Labels {
    /// Returns whether a call has these label values: the same objects.
    #[inline]
    fn is_of<'py>(
        &self,
        generation: u64,
        operation: &soundpost::Operation,
        label: impl Fn(usize) -> PyResult<Bound<'py, PyAny>>,
    ) -> bool {
        let is_same = |(index, given): (usize, &Option<Py<PyString>>)| match (label(index), given) {
            (Ok(label), Some(given)) => label.as_ptr() == given.as_ptr(),
            _ => false,
        };
        let count = operation.label_names().len();
        self.generation == generation && self.given.iter().enumerate().take(count).all(is_same)
    }
}

impl Origin {
    #[inline]
    fn apply(&self, mut builder: soundpost::CallBuilder) -> soundpost::CallBuilder {
        if let Some(request_id) = &self.request_id {
            builder = builder.request_id(request_id);
        }
        if let Some(traceparent) = &self.traceparent {
            builder = builder.traceparent(traceparent);
        }
        match self.queued {
            Some(queued) => builder.queued(queued),
            None => builder,
        }
    }
}

/// Reads an argument of a call, unless it is `None`; a value that cannot be read is a fault.
#[inline]
pub(super) fn argument<'py, T>(
    operation: &str,
    part: &str,
    name: &str,
    value: &Bound<'py, PyAny>,
    read: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<Option<T>> {
    if value.is_none() {
        return Ok(None);
    }
    fault::report_error(value.py(), part, operation, name, read(value))
}

/// Returns the time since the value of `queued_at=`.
pub(super) fn queued(operation: &str, queued_at: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    let queued_at = argument(operation, part::REQUEST_ID, "queued_at", queued_at, value::number)?;
    Ok(queued_at.and_then(elapsed_since))
}

/// Returns the value of `streaming=`.
pub(super) fn streams(operation: &str, streaming: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
    argument(operation, part::STREAMING, "streaming", streaming, |value| value.is_truthy())
}

/// Returns the text of an id of a call, unless there is none; a fault if it has no text.
pub(super) fn id_text(operation: &str, name: &str, id: Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let text = argument(operation, part::REQUEST_ID, name, &id, |id| value::text(id.clone()))?;
    Ok(text.map(|text| text.to_string_lossy().into_owned()))
}

/// Returns the time since a value of `time.monotonic()`, which is the clock of calls.
pub(super) fn elapsed_since(monotonic: f64) -> Option<Duration> {
    let waited = monotonic_nanos() as f64 / 1e9 - monotonic;
    value::seconds(if waited < 0.0 { 0.0 } else { waited })
}
