//! Exceptions as class names and text, which the core classifies. No reference to the exception is kept.

use pyo3::exceptions::{PyBaseException, PyException};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple, PyType};
use soundpost::binding::{KnownTexts, hide_in_error, hides};
use soundpost::{Outcome, Telemetry};

use crate::state;

/// Maximum number of exceptions of a chain (causes, contexts, groups) that are read.
const MAX_CHAIN: usize = 16;
/// Maximum length in bytes of the text of one exception; the core truncates further, after redaction.
const MAX_TEXT_BYTES: usize = 16_384;

/// Maximum number of functions of a traceback, of variables of a function, and of texts of a variable that are read.
const MAX_FRAMES: usize = 64;
const MAX_VARIABLES: usize = 1000;
const MAX_PARTS: usize = 64;
/// Extensions of files that services are given.
const EXTENSIONS: [&str; 10] = ["wav", "mp3", "flac", "ogg", "opus", "m4a", "pt", "npy", "txt", "json"];
/// Flag of the code of a function.
const CO_OPTIMIZED: u32 = 1;

/// An exception as outcome, class name and text.
pub(crate) struct Failure {
    pub(crate) outcome: Outcome,
    /// Name of the exception's class; empty for an error that is only a text.
    pub(crate) kind: String,
    pub(crate) text: String,
}

impl Failure {
    /// Reads an exception and its chain.
    #[cold]
    pub(crate) fn new(py: Python<'_>, error: &PyErr) -> Self {
        let mut names = Vec::new();
        let mut texts = Vec::new();
        let mut waiting: Vec<Bound<'_, PyAny>> = vec![error.value(py).clone().into_any()];
        let mut seen = Vec::new();
        while let Some(link) = waiting.pop() {
            if seen.len() == MAX_CHAIN || seen.contains(&link.as_ptr()) {
                continue;
            }
            seen.push(link.as_ptr());
            // A `CancelledError` or `SystemExit` in the chain does not explain the failure.
            if seen.len() == 1 || link.is_instance_of::<PyException>() {
                class_names(&link.get_type(), &mut names);
                texts.push(text_of(&link));
            }
            next_of(&link, &mut waiting);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let outcome = Outcome::classify(&names, &texts.join("\n"));
        let kind =
            error.get_type(py).name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut text = texts.swap_remove(0);
        if let Some(telemetry) = state::telemetry() {
            hide_in_error(&telemetry, &mut text, &texts_of(&telemetry, error.value(py)));
        }
        Self { outcome, kind, text }
    }

    /// Makes the failure `invalid` if the exception finds fault with the request: by its class or status, or because
    /// it is of the classes of `invalid=`.
    pub(crate) fn or_invalid(mut self, py: Python<'_>, error: &PyErr, classes: Option<&Py<PyAny>>) -> Self {
        let error = error.value(py);
        let is_named = |classes: &Py<PyAny>| error.is_instance(classes.bind(py)).unwrap_or(false);
        let is_ours = match self.outcome {
            Outcome::Error => classes.is_some_and(is_named) || rejects_request(error),
            Outcome::Timeout => classes.is_some_and(is_named),
            _ => false,
        };
        if is_ours {
            self.outcome = Outcome::Invalid;
        }
        self
    }

    /// Returns an outcome without an error.
    pub(crate) fn of_outcome(outcome: Outcome) -> Self {
        Self { outcome, kind: String::new(), text: String::new() }
    }

    /// Classifies an error that was yielded or returned, which has only a text.
    pub(crate) fn from_text(text: String) -> Self {
        Self { outcome: Outcome::classify(&[], &text), kind: String::new(), text }
    }
}

/// Returns an `Exception`.
///
/// # Errors
/// With any other error, such as `KeyboardInterrupt`, which ends the host's code.
pub(crate) fn or_exit(py: Python<'_>, error: PyErr) -> PyResult<PyErr> {
    if error.is_instance_of::<PyException>(py) { Ok(error) } else { Err(error) }
}

/// Class names of exceptions that answer an HTTP request.
const HTTP_CLASSES: [&str; 5] =
    ["HTTPException", "HTTPError", "APIException", "SanicException", "BentoMLException"];
/// Name of gRPC's status for a request at fault.
const INVALID_ARGUMENT: &str = "INVALID_ARGUMENT";

/// Returns whether an exception answers the request with a status of HTTP 4xx or with gRPC's `INVALID_ARGUMENT`.
fn rejects_request(error: &Bound<'_, PyBaseException>) -> bool {
    let py = error.py();
    let mut names = Vec::new();
    class_names(&error.get_type(), &mut names);
    let has_name =
        |names: &[String], wanted: &[&str]| names.iter().any(|name| wanted.contains(&name.as_str()));
    let get = |name| error.getattr::<&Bound<'_, PyString>>(name).ok().filter(|value| !value.is_none());
    let is_4xx = |value: Bound<'_, PyAny>| {
        let text = || value.str().ok()?.to_string_lossy().get(..3)?.parse().ok();
        value.extract::<i64>().ok().or_else(text).is_some_and(|status| (400..500).contains(&status))
    };
    if has_name(&names, &HTTP_CLASSES) {
        // A client's `HTTPError` has `code` and `status`, but no `status_code`.
        let (code, status) = (intern!(py, "code"), intern!(py, "status"));
        let others =
            if has_name(&names, &["HTTPException"]) { [get(code), get(status)] } else { [None, None] };
        let own = [get(intern!(py, "status_code")), get(intern!(py, "error_code"))];
        if own.into_iter().chain(others).flatten().any(is_4xx) {
            return true;
        }
    }
    [intern!(py, "grpc_status_code"), intern!(py, "code"), intern!(py, "status")]
        .into_iter()
        .filter_map(get)
        .any(|status| is_invalid_argument(&status))
        || aborts_invalid(error)
}

fn is_invalid_argument(status: &Bound<'_, PyAny>) -> bool {
    let py = status.py();
    let status =
        if status.is_callable() { status.call0().unwrap_or_else(|_| status.clone()) } else { status.clone() };
    let name = status.getattr_opt(intern!(py, "name")).ok().flatten().unwrap_or(status);
    name.cast::<PyString>().is_ok_and(|name| name.to_string_lossy() == INVALID_ARGUMENT)
}

/// Returns whether gRPC's `context.abort(code, details)` raised the exception, which has no status itself.
fn aborts_invalid(error: &Bound<'_, PyBaseException>) -> bool {
    let py = error.py();
    let mut last = error.getattr(intern!(py, "__traceback__")).ok().filter(|traceback| !traceback.is_none());
    while let Some(next) = last
        .as_ref()
        .and_then(|traceback| traceback.getattr(intern!(py, "tb_next")).ok())
        .filter(|traceback| !traceback.is_none())
    {
        last = Some(next);
    }
    let code = || {
        let frame = last.as_ref()?.getattr(intern!(py, "tb_frame")).ok()?;
        let name = frame.getattr(intern!(py, "f_code")).ok()?.getattr(intern!(py, "co_name")).ok()?;
        let is_abort = name.cast::<PyString>().is_ok_and(|name| name.to_string_lossy() == "abort");
        is_abort
            .then(|| frame.getattr(intern!(py, "f_locals")).ok()?.get_item(intern!(py, "code")).ok())
            .flatten()
    };
    code().is_some_and(|code| is_invalid_argument(&code))
}

/// Returns the texts to synthesise among the variables of the functions in an exception's traceback.
#[cold]
pub(crate) fn texts_of(telemetry: &Telemetry, error: &Bound<'_, PyAny>) -> KnownTexts {
    let (py, mut known) = (error.py(), KnownTexts::default());
    let mut next = attribute(error, intern!(py, "__traceback__"));
    for _ in 0..MAX_FRAMES {
        let Some(traceback) = next else { break };
        // An error of one frame does not hide the texts of others.
        let frame = attribute(&traceback, intern!(py, "tb_frame"));
        let _ = frame.map_or(Ok(()), |frame| add_texts(telemetry, &frame, &mut known));
        next = attribute(&traceback, intern!(py, "tb_next"));
    }
    known
}

fn attribute<'py>(object: &Bound<'py, PyAny>, name: &Bound<'py, PyString>) -> Option<Bound<'py, PyAny>> {
    object.getattr(name).ok().filter(|value| !value.is_none())
}

fn add_texts(telemetry: &Telemetry, frame: &Bound<'_, PyAny>, known: &mut KnownTexts) -> PyResult<()> {
    let py = frame.py();
    let locals = frame.getattr(intern!(py, "f_locals"))?;
    for item in locals.call_method0(intern!(py, "items"))?.try_iter()?.take(MAX_VARIABLES) {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item?.extract()?;
        if !name.cast::<PyString>().is_ok_and(|name| hides(telemetry, &name.to_string_lossy())) {
            continue;
        }
        let parts = match value.cast::<PyString>() {
            Ok(_) => vec![value],
            Err(_) if value.is_exact_instance_of::<PyList>() || value.is_exact_instance_of::<PyTuple>() => {
                value.try_iter()?.take(MAX_PARTS).collect::<PyResult<_>>()?
            }
            Err(_) => continue,
        };
        for part in parts {
            let Ok(text) = part.cast_into::<PyString>() else { continue };
            let text = text.to_string_lossy();
            if !is_path(&text) {
                known.add(&text);
            }
        }
    }
    // Before Python 3.13 the locals of a function are a copy, which would keep its objects alive.
    let flags: u32 = frame.getattr(intern!(py, "f_code"))?.getattr(intern!(py, "co_flags"))?.extract()?;
    if flags & CO_OPTIMIZED != 0
        && let Ok(copy) = locals.cast_exact::<PyDict>()
    {
        copy.clear();
    }
    Ok(())
}

/// Returns whether a text names a file, such as that of a speaker's prompt.
pub(crate) fn is_path(text: &str) -> bool {
    let extension = text.rsplit_once('.').map_or("", |(_, extension)| extension);
    !text.contains(char::is_whitespace)
        && (EXTENSIONS.contains(&extension) || text.is_ascii() && text.contains('/'))
}

/// Formats an exception as `Class: text`.
pub(crate) fn describe(py: Python<'_>, error: &PyErr) -> String {
    let failure = Failure::new(py, error);
    if failure.text.is_empty() { failure.kind } else { format!("{}: {}", failure.kind, failure.text) }
}

fn class_names(class: &Bound<'_, PyType>, names: &mut Vec<String>) {
    let py = class.py();
    let Ok(order) = class.getattr(intern!(py, "__mro__")) else { return };
    let Ok(order) = order.cast_into::<PyTuple>() else { return };
    for class in order {
        let name = class.getattr(intern!(py, "__name__")).and_then(|name| Ok(name.cast_into::<PyString>()?));
        names.extend(name.map(|name| name.to_string_lossy().into_owned()));
    }
}

fn text_of(error: &Bound<'_, PyAny>) -> String {
    let Ok(text) = error.str() else { return String::new() };
    let text = text.to_string_lossy();
    text[..text.floor_char_boundary(MAX_TEXT_BYTES)].to_owned()
}

fn next_of<'py>(link: &Bound<'py, PyAny>, waiting: &mut Vec<Bound<'py, PyAny>>) {
    let py = link.py();
    let get = |name: &Bound<'py, PyString>| link.getattr(name).ok().filter(|value| !value.is_none());
    // The members of an ExceptionGroup; any other `exceptions` attribute is not a tuple of exceptions.
    if let Some(members) =
        get(intern!(py, "exceptions")).and_then(|members| members.cast_into::<PyTuple>().ok())
    {
        waiting.extend(members.iter().filter(|member| member.is_instance_of::<PyBaseException>()));
    }
    let suppressed =
        get(intern!(py, "__suppress_context__")).is_some_and(|value| value.is_truthy().unwrap_or(false));
    match get(intern!(py, "__cause__")) {
        Some(cause) => waiting.push(cause),
        None if !suppressed => waiting.extend(get(intern!(py, "__context__"))),
        None => {}
    }
}
