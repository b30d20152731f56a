//! Soundpost's own faults: counted and logged once, or raised under `SOUNDPOST_STRICT=1`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::intern;
use pyo3::prelude::*;

use crate::exception;
use crate::import;
use crate::measure::Error;
use crate::state::{self, lock};

static STRICT: AtomicBool = AtomicBool::new(false);
/// Parts and subjects whose fault has been logged. Subjects are decorated functions and metrics.
static LOGGED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
const MAX_LOGGED: usize = 256;

/// Values of the label `part` of `soundpost_errors_total` that the Rust half of the binding uses.
pub(crate) mod part {
    pub(crate) const AUDIO: &str = "audio";
    pub(crate) const FIELD: &str = "field";
    pub(crate) const ITERATES: &str = "iterates";
    pub(crate) const LABEL: &str = "label";
    pub(crate) const LOG: &str = "log";
    pub(crate) const METRIC: &str = "metric";
    pub(crate) const OPERATION: &str = "operation";
    pub(crate) const OUTCOME: &str = "outcome";
    pub(crate) const REQUEST_ID: &str = "request_id";
    pub(crate) const STREAMING: &str = "streaming";
    pub(crate) const TORCH: &str = "torch";
}

/// Returns whether faults are raised.
pub(crate) fn is_strict() -> bool {
    STRICT.load(Ordering::Relaxed)
}

/// Counts a fault, and logs the first of each part and subject; under `SOUNDPOST_STRICT` it is the error.
///
/// # Errors
/// With the cause if it is no `Exception`, such as `KeyboardInterrupt`.
#[cold]
pub(crate) fn report(
    py: Python<'_>,
    part: &str,
    subject: &str,
    cause: Option<PyErr>,
    text: &str,
) -> PyResult<()> {
    let cause = cause.map(|cause| exception::or_exit(py, cause)).transpose()?;
    count(part);
    let text = match &cause {
        Some(cause) => format!("{text}: {}", exception::describe(py, cause)),
        None => text.to_owned(),
    };
    if is_strict() {
        let error = Error::new_err(text);
        error.set_cause(py, cause);
        return Err(error);
    }
    if is_first(part, subject) {
        let text = state::telemetry()
            .map_or(text.clone(), |telemetry| soundpost::binding::redacted(&telemetry, &text));
        return log(py, &format!("{text}; this is logged once"));
    }
    Ok(())
}

/// Reports the error of one named argument of an operation, and returns `None` in its place.
#[inline]
pub(crate) fn report_error<T>(
    py: Python<'_>,
    part: &str,
    operation: &str,
    name: &str,
    result: PyResult<T>,
) -> PyResult<Option<T>> {
    result.map(Some).or_else(|cause| {
        let text = format!("{operation:?}: {part} {name:?}");
        report(py, part, &format!("{operation} {name}"), Some(cause), &text).map(|()| None)
    })
}

/// Only counts a fault: finalizers may run while Python holds any of its locks.
pub(crate) fn count(part: &str) {
    if let Some(telemetry) = state::telemetry() {
        soundpost::binding::count_error(&telemetry, part);
    }
}

fn is_first(part: &str, subject: &str) -> bool {
    let mut logged = lock(&LOGGED);
    let is_known = logged.iter().any(|known| (&*known.0, &*known.1) == (part, subject));
    if is_known || logged.len() >= MAX_LOGGED {
        return false;
    }
    logged.push((part.to_owned(), subject.to_owned()));
    true
}

fn log(py: Python<'_>, text: &str) -> PyResult<()> {
    let logged = import::object(py, intern!(py, "logging"), intern!(py, "getLogger"))
        .and_then(|get_logger| get_logger.call1(("soundpost",)))
        .and_then(|logger| logger.call_method1("warning", ("%s", text)));
    logged.map(drop).or_else(|error| exception::or_exit(py, error).map(drop))
}

/// The generation of the telemetry whose notices were taken, and how many.
static TAKEN: Mutex<(u64, usize)> = Mutex::new((0, 0));

/// Returns the core's notices since the last call: whether each is a fault, and its text.
///
/// Python logs them: a daemon thread that does so while the interpreter ends must meet no frame of Rust.
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
/// Raises `soundpost.Error` under `SOUNDPOST_STRICT=1`; otherwise counts it, and logs it once per `subject`.
#[pyfunction]
#[pyo3(signature = (part, subject, text, error=None))]
pub(crate) fn fault(
    py: Python<'_>,
    part: &str,
    subject: &str,
    text: &str,
    error: Option<Bound<'_, PyAny>>,
) -> PyResult<()> {
    report(py, part, subject, error.map(PyErr::from_value), text)
}

/// Sets whether faults are raised.
#[pyfunction]
pub(crate) fn set_strict(strict: bool) {
    STRICT.store(strict, Ordering::Relaxed);
}
