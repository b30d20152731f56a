//! Soundpost's own faults: counted and logged once, or raised under `SOUNDPOST_STRICT=1`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;

use crate::result::Error;
use crate::state::{self, lock};

static STRICT: AtomicBool = AtomicBool::new(false);
/// Parts and subjects that have been logged. Bounded: subjects are decorated functions and metrics.
static LOGGED: Mutex<Vec<(&'static str, String)>> = Mutex::new(Vec::new());
const MAX_LOGGED: usize = 256;

/// Where a fault happened; the label `part` of `soundpost_errors_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Audio,
    Field,
    Label,
    Log,
    Metric,
    Operation,
    Patch,
    RequestId,
    SetFunction,
    Streaming,
    Torch,
}

impl Part {
    const ALL: [Self; 11] = [
        Self::Audio,
        Self::Field,
        Self::Label,
        Self::Log,
        Self::Metric,
        Self::Operation,
        Self::Patch,
        Self::RequestId,
        Self::SetFunction,
        Self::Streaming,
        Self::Torch,
    ];

    /// Its value as a label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Field => "field",
            Self::Label => "label",
            Self::Log => "log",
            Self::Metric => "metric",
            Self::Operation => "operation",
            Self::Patch => "patch",
            Self::RequestId => "request_id",
            Self::SetFunction => "set_function",
            Self::Streaming => "streaming",
            Self::Torch => "torch",
        }
    }
}

/// Whether faults are raised.
pub(crate) fn strict() -> bool {
    STRICT.load(Ordering::Relaxed)
}

/// Counts a fault, and logs it the first time its `subject` has one; under `SOUNDPOST_STRICT` it is the error.
#[cold]
pub(crate) fn report(
    py: Python<'_>,
    part: Part,
    subject: &str,
    cause: Option<PyErr>,
    text: &str,
) -> PyResult<()> {
    count(part);
    let text = match &cause {
        Some(cause) => format!("{text}: {}", crate::outcome::describe(py, cause)),
        None => text.to_owned(),
    };
    if strict() {
        let error = Error::new_err(text);
        error.set_cause(py, cause);
        return Err(error);
    }
    if first(part, subject) {
        let text = state::telemetry().map_or(text.clone(), |telemetry| telemetry.redacted(&text));
        log(py, &format!("{text}; this is logged once"));
    }
    Ok(())
}

/// The same, of what one operation was given for `part` under a name.
#[cold]
pub(crate) fn of_operation(
    py: Python<'_>,
    part: Part,
    operation: &str,
    name: &str,
    cause: PyErr,
) -> PyResult<()> {
    let text = format!("{operation:?}: {} {name:?}", part.name());
    report(py, part, &format!("{operation} {name}"), Some(cause), &text)
}

/// Counts a fault and nothing else: for finalizers, which may run inside any lock of Python's.
pub(crate) fn count(part: Part) {
    if let Some(telemetry) = state::telemetry() {
        telemetry.error(part.name());
    }
}

fn first(part: Part, subject: &str) -> bool {
    let mut logged = lock(&LOGGED);
    let known = logged.iter().any(|(name, known)| *name == part.name() && known == subject);
    if known || logged.len() >= MAX_LOGGED {
        return false;
    }
    logged.push((part.name(), subject.to_owned()));
    true
}

fn log(py: Python<'_>, text: &str) {
    let logged = py
        .import("logging")
        .and_then(|logging| logging.call_method1("getLogger", ("soundpost",)))
        .and_then(|logger| logger.call_method1("warning", ("%s", text)));
    drop(logged);
}

/// How many of the core's notices have been taken, and of which `init`.
static TAKEN: Mutex<(u64, usize)> = Mutex::new((0, 0));

/// What the core has had to say since the last time: whether it is a fault, and the text.
///
/// Python logs it: a daemon thread that does so while the interpreter ends must meet no frame of Rust.
#[pyfunction]
pub(crate) fn notices() -> Vec<(bool, String)> {
    let (Some(generation), Some(telemetry)) = (state::generation(), state::telemetry()) else {
        return Vec::new();
    };
    let mut taken = lock(&TAKEN);
    let from = if taken.0 == generation { taken.1 } else { 0 };
    let fresh = telemetry.notices(from);
    *taken = (generation, fresh.last().map_or(from, |newest| newest.number + 1));
    fresh.into_iter().map(|notice| (notice.warning, notice.message)).collect()
}

/// Reports a fault of the Python half of the package in `part`.
///
/// Raises `soundpost.Error` under `SOUNDPOST_STRICT=1`, else counts it and logs it once per `subject`.
#[pyfunction]
#[pyo3(signature = (part, subject, text, error=None))]
pub(crate) fn fault(
    py: Python<'_>,
    part: &str,
    subject: &str,
    text: &str,
    error: Option<Bound<'_, PyAny>>,
) -> PyResult<()> {
    let part = Part::ALL.into_iter().find(|known| known.name() == part).unwrap_or(Part::Operation);
    report(py, part, subject, error.map(PyErr::from_value), text)
}

/// Sets whether faults are raised.
#[pyfunction]
pub(crate) fn set_strict(strict: bool) {
    STRICT.store(strict, Ordering::Relaxed);
}
