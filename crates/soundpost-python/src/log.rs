//! Records of `logging` as log events.

mod parts;

use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyBaseException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use soundpost::binding::{EventBuilder, FieldRef, KnownTexts, Level, Log, LogFields};

use crate::exception::{or_exit, texts_of};
use crate::fault::{self, part};
use crate::import;
use crate::recording;
use crate::state;
use crate::value;
use parts::{MAX_EXTRAS, Parts, at, names};

/// Maximum number of nested records, as of values whose conversion to text logs. Further ones are dropped and counted.
const MAX_NESTED: u32 = 4;
/// Range of valid record times in seconds since 1970; a record with any other time gets the current one.
const VALID_TIMES: Range<f64> = 1.0..4_102_444_800.0;
/// Maximum number of characters that are read of a text; redaction reads and keeps fewer.
const MAX_CHARACTERS: usize = 72 * 1024;

/// Maximum number of arguments of a message, and of characters of each, that are compared with texts to synthesise.
const MAX_ARGUMENTS: usize = 16;
const MAX_WORD: usize = 32;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// An event of structlog, which `wrap_for_formatter` passes as the message, or which a rendered message has.
struct StructlogEvent<'py>(Bound<'py, PyDict>);

fn is_of_structlog(name: &Bound<'_, PyString>) -> bool {
    matches!(&*name.to_string_lossy(), "_logger" | "_name" | "_record" | "_from_structlog")
}

/// Returns the event of a message that `soundpost._structlog` rendered; `None` in it if it is recorded already.
fn rendered<'py>(parts: &Parts<'py>) -> Option<Bound<'py, PyAny>> {
    let message = parts
        .get(at::MSG)?
        .cast::<PyString>()
        .ok()
        .filter(|text| !text.is_exact_instance_of::<PyString>())?;
    message.getattr_opt(intern!(message.py(), "soundpost_event")).ok()?
}

fn event_of<'py>(parts: &Parts<'py>) -> Option<StructlogEvent<'py>> {
    if let Some(event) = rendered(parts) {
        return event.cast_into().ok().map(StructlogEvent);
    }
    let event = parts.get(at::MSG)?.cast::<PyDict>().ok()?;
    let is_wrapped =
        parts.extras.iter().any(|(name, _)| is_of_structlog(name)) && event.contains("event").ok()?;
    is_wrapped.then(|| StructlogEvent(event.clone()))
}

impl<'py> StructlogEvent<'py> {
    fn message(&self) -> PyResult<Bound<'py, PyString>> {
        let event = self.0.get_item("event")?;
        event.map_or_else(|| Ok(PyString::new(self.0.py(), "")), |event| event.str())
    }

    /// Records everything but the message.
    fn record(&self, telemetry: &soundpost::Telemetry, draft: &mut EventBuilder<'_>) -> PyResult<()> {
        let py = self.0.py();
        let text = |value: Bound<'py, PyAny>| {
            value.cast_into::<PyString>().ok().map(|text| text.to_string_lossy().into_owned())
        };
        let get = |name: &str| self.0.get_item(name).map(|value| value.and_then(text));
        let info = match self.0.get_item("exc_info")? {
            Some(info) if info.is_exact_instance_of::<PyBool>() && info.is_truthy()? => {
                Some(import::object(py, intern!(py, "sys"), intern!(py, "exc_info"))?.call0()?)
            }
            info => info,
        };
        exception(telemetry, draft, info.as_ref(), get("exception")?)?;
        if let Some(stack) = get("stack")? {
            draft.stack(&stack);
        }
        let fields: Vec<_> = self.0.iter().take(MAX_EXTRAS).collect();
        draft.skip_fields(self.0.len().saturating_sub(MAX_EXTRAS));
        for (name, value) in &fields {
            let Ok(name) = name.cast::<PyString>() else { continue };
            let known = ["event", "exc_info", "exception", "stack", "stack_info"];
            let is_structured = value.is_instance_of::<PyList>();
            if (is_structured || !known.contains(&&*name.to_string_lossy())) && !is_of_structlog(name) {
                field(draft, name, value)?;
            }
        }
        Ok(())
    }
}

/// Returns whether values of this name are texts to synthesise.
#[pyfunction]
pub(crate) fn is_text_name(name: &str) -> bool {
    soundpost::binding::is_text_name(name)
}

/// Records a record of `logging`, with `message` instead of its own, and returns the record.
///
/// If its message cannot be formatted, `logging` reports that unless `reports` is false, for a record that other
/// handlers report. Raises no `Exception`, but may raise others such as `KeyboardInterrupt`.
#[pyfunction]
#[pyo3(signature = (record, message=None, reports=true))]
pub(crate) fn record<'py>(
    record: Bound<'py, PyAny>,
    message: Option<Bound<'py, PyString>>,
    reports: bool,
) -> PyResult<Bound<'py, PyAny>> {
    // A panic would reach the host as an exception that its handlers do not expect.
    match catch_unwind(AssertUnwindSafe(|| recorded(&record, message, reports))) {
        Ok(done) => done?,
        Err(_) => fault::count(part::LOG),
    }
    Ok(record)
}

fn recorded<'py>(
    record: &Bound<'py, PyAny>,
    message: Option<Bound<'py, PyString>>,
    reports: bool,
) -> PyResult<()> {
    let py = record.py();
    let Some(telemetry) = state::generation().and_then(|_| state::telemetry()) else { return Ok(()) };
    let Some(_nested) = Nested::begin() else {
        fault::count(part::LOG);
        return Ok(());
    };
    let Err(error) = Parts::read(record).and_then(|parts| put(&telemetry, record, &parts, message)) else {
        return Ok(());
    };
    or_exit(py, error)?;
    fault::count(part::LOG);
    if !reports {
        return Ok(());
    }
    // Raises the error again inside `logging`.
    import::object(py, intern!(py, "soundpost._logging"), intern!(py, "report_format_error"))
        .and_then(|report| report.call1((record,)))
        .map_or_else(|error| or_exit(py, error).map(drop), |_| Ok(()))
}

fn put<'py>(
    telemetry: &soundpost::Telemetry,
    record: &Bound<'py, PyAny>,
    parts: &Parts<'py>,
    message: Option<Bound<'py, PyString>>,
) -> PyResult<()> {
    let logger = parts.text(at::NAME);
    let logger = logger.as_ref().map_or_else(Default::default, |name| name.to_string_lossy());
    if is_own(&logger) || is_marked(parts) {
        return Ok(());
    }
    let event = event_of(parts);
    if event.is_none() && rendered(parts).is_some_and(|event| event.is_none()) {
        return Ok(());
    }
    let message = match (message, &event) {
        (Some(message), _) => message,
        (None, Some(event)) => event.message()?,
        (None, None) => message_of(record, parts)?,
    };
    let mut draft = soundpost::binding::event_builder(telemetry);
    let call = recording::current(record.py());
    let own = call.as_ref().and_then(|call| call.get().recording());
    let level = level(parts.number(at::LEVEL).unwrap_or_default());
    let is_failure = level >= Level::Warning || parts.get(at::EXC_INFO).is_some();
    let mut known = recording::known_texts(record.py());
    if !known.is_empty() {
        add_arguments(parts, &mut known)?;
    }
    if is_failure || parts.get(at::EXC_TEXT).is_some() || !known.is_empty() {
        draft.hide(&known);
    }
    let mut text = value::with_text(&message, MAX_CHARACTERS, str::to_owned)?;
    let queued = parts.split_queued(&mut text);
    let written =
        parts.text(at::EXC_TEXT).map(|text| text.to_string_lossy().into_owned()).or(queued.traceback);
    exception(telemetry, &mut draft, parts.get(at::EXC_INFO), written)?;
    if let Some(stack) =
        parts.text(at::STACK).map(|stack| stack.to_string_lossy().into_owned()).or(queued.stack)
    {
        draft.stack(&stack);
    }
    for (name, value) in parts.extras.iter().filter(|(name, _)| event.is_none() || !is_of_structlog(name)) {
        field(&mut draft, name, value)?;
    }
    if let Some(event) = &event {
        event.record(telemetry, &mut draft)?;
    }
    if parts.left > 0 {
        draft.skip_fields(parts.left);
    }
    let (file, thread) = (parts.text(at::FILE), parts.text(at::THREAD));
    let file = file.as_ref().map_or_else(Default::default, |file| file.to_string_lossy());
    let thread = thread.as_ref().map_or_else(Default::default, |thread| thread.to_string_lossy());
    let of_request =
        || recording::current_request(record.py()).map(|request| request.get().request_id().to_owned());
    let carried = if own.is_none() { parts.request_id().or_else(of_request) } else { None };
    draft.record(&Log {
        unix_nanos: parts
            .number::<f64>(at::CREATED)
            .filter(|created| VALID_TIMES.contains(created))
            .map(|created| (created * 1e9) as u64),
        level,
        message: &text,
        logger: &logger,
        file: &file,
        line: parts.number(at::LINE),
        thread: &thread,
        request_id: own.map_or(carried.as_deref().unwrap_or_default(), |own| own.core().request_id()),
        operation: own.map_or("", |own| own.core().operation()),
        fields: &LogFields::new(),
    });
    mark(record, parts)
}

/// Returns the class of the line number of a recorded record, which copies of the record share.
fn recorded_line<'py>(py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
    import::object(py, intern!(py, "soundpost._logging"), intern!(py, "RecordedLine"))
}

/// Returns whether a handler on a logger or on its parent recorded the record already.
fn is_marked(parts: &Parts<'_>) -> bool {
    let Some(line) = parts.get(at::LINE).filter(|line| !line.is_exact_instance_of::<PyInt>()) else {
        return false;
    };
    recorded_line(line.py()).is_ok_and(|class| line.get_type().is(&class))
}

/// Marks a record as recorded. No other handler notices: the line number stays equal.
fn mark(record: &Bound<'_, PyAny>, parts: &Parts<'_>) -> PyResult<()> {
    let Some(line) = parts.get(at::LINE).filter(|line| line.is_exact_instance_of::<PyInt>()) else {
        return Ok(());
    };
    record.setattr(&names(record.py())[at::LINE], recorded_line(record.py())?.call1((line,))?)
}

/// Returns whether a logger is Soundpost's own.
fn is_own(logger: &str) -> bool {
    logger.strip_prefix("soundpost").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Returns the level of a number of `logging`.
pub(crate) fn level(number: i64) -> Level {
    match number {
        50.. => Level::Critical,
        40.. => Level::Error,
        30.. => Level::Warning,
        20.. => Level::Info,
        _ => Level::Debug,
    }
}

/// Formats the message with its arguments.
fn message_of<'py>(record: &Bound<'py, PyAny>, parts: &Parts<'py>) -> PyResult<Bound<'py, PyString>> {
    static RECORD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = record.py();
    let class = RECORD.get_or_try_init(py, || {
        import::object(py, intern!(py, "logging"), intern!(py, "LogRecord")).map(Bound::unbind)
    })?;
    // A subclass may override the message.
    if record.get_type_ptr().cast() != class.as_ptr() {
        return record.call_method0(intern!(py, "getMessage"))?.str();
    }
    let Some(message) = &parts.attributes[at::MSG] else { return Ok(PyString::new(py, "")) };
    let message = message.str()?;
    match parts.get(at::ARGS) {
        Some(arguments) if arguments.is_truthy()? => message.rem(arguments)?.str(),
        _ => Ok(message),
    }
}

/// Adds the arguments of the message that are texts to synthesise, also those that are ordinary words.
fn add_arguments(parts: &Parts<'_>, known: &mut KnownTexts) -> PyResult<()> {
    let Some(arguments) = parts.get(at::ARGS) else { return Ok(()) };
    let values = match arguments.cast::<PyDict>() {
        Ok(named) => named.values().to_tuple(),
        Err(_) => arguments.cast::<PyTuple>().map_or_else(|_| PyTuple::empty(arguments.py()), Clone::clone),
    };
    for value in values.iter().take(MAX_ARGUMENTS) {
        if let Ok(text) = value.cast::<PyString>()
            && text.len()? <= MAX_WORD
        {
            known.add_argument(&text.to_string_lossy());
        }
    }
    Ok(())
}

/// Adds a field. A value that raises is counted, and replaced by a note in the field.
fn field(draft: &mut EventBuilder<'_>, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let name_text = name.to_string_lossy();
    if name_text == "extra"
        && let Ok(extras) = value.cast::<PyDict>()
    {
        draft.skip_fields(extras.len().saturating_sub(MAX_EXTRAS));
        let extras: Vec<_> = extras.iter().take(MAX_EXTRAS).collect();
        for (name, value) in &extras {
            if let Ok(name) = name.cast::<PyString>() {
                scalar(draft, &name.to_string_lossy(), value)?;
            }
        }
        return Ok(());
    }
    scalar(draft, &name_text, value)
}

fn scalar(draft: &mut EventBuilder<'_>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    if value.is_none() {
        return Ok(());
    }
    if let Ok(text) = value.cast::<PyString>() {
        return value::with_text(text, MAX_CHARACTERS, |text| draft.field(name, FieldRef::Text(text)));
    } else if let Ok(truth) = value.cast::<PyBool>() {
        draft.field(name, FieldRef::Bool(truth.is_true()));
    } else if value.is_instance_of::<PyInt>()
        && let Ok(number) = value.extract::<i64>()
    {
        draft.field(name, FieldRef::Int(number));
    } else if let Ok(number) = value.cast::<PyFloat>() {
        draft.field(name, FieldRef::Float(number.value()));
    } else {
        return other(draft, name, value);
    }
    Ok(())
}

/// Adds a value that is neither text nor number, converted by `soundpost._logging.to_field`.
#[cold]
fn other(draft: &mut EventBuilder<'_>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = value.py();
    let shown = import::object(py, intern!(py, "soundpost._logging"), intern!(py, "to_field"))
        .and_then(|to_field| to_field.call1((value,)));
    match shown {
        Ok(shown) => return scalar(draft, name, &shown),
        Err(error) => {
            let class = error.get_type(py).name().map(|name| name.to_string()).unwrap_or_default();
            or_exit(py, error)?;
            fault::count(part::LOG);
            draft.field(name, FieldRef::Text(&format!("[raised {class}]")));
        }
    }
    Ok(())
}

/// Adds the exception of `exc_info`: a tuple or an exception; without one, the traceback that is written already.
fn exception(
    telemetry: &soundpost::Telemetry,
    draft: &mut EventBuilder<'_>,
    info: Option<&Bound<'_, PyAny>>,
    written: Option<String>,
) -> PyResult<()> {
    let written = written.filter(|written| !written.trim().is_empty());
    let error = info.and_then(|info| match info.cast::<PyTuple>() {
        Ok(info) => info.get_item(1).ok(),
        Err(_) => Some(info.clone()),
    });
    let Some(error) = error.filter(|error| error.is_instance_of::<PyBaseException>()) else {
        if let Some(written) = written {
            let (class, text) = last_error(&written);
            draft.error(class, Some(text), &written);
        }
        return Ok(());
    };
    let py = error.py();
    draft.hide(&texts_of(telemetry, &error));
    let class = value::class_of(&error);
    let text = match error.str() {
        Ok(text) => Some(value::with_text(&text, MAX_CHARACTERS, str::to_owned)?),
        Err(error) => or_exit(py, error).map(|_| None)?,
    };
    let traceback = match (written, info.and_then(|info| info.cast::<PyTuple>().ok())) {
        (Some(written), _) => written,
        (None, Some(info)) => traceback_of(info)?,
        (None, None) => {
            let frames = error.getattr(intern!(py, "__traceback__"))?;
            traceback_of(&(error.get_type(), &error, frames).into_pyobject(py)?)?
        }
    };
    draft.error(&class, text.as_deref(), &traceback);
    Ok(())
}

/// Returns class and text of the exception that a traceback ends with.
fn last_error(traceback: &str) -> (&str, &str) {
    let is_error = |line: &&str| !line.is_empty() && !line.starts_with(char::is_whitespace);
    let line = traceback.lines().rev().find(is_error).unwrap_or_default();
    let (class, text) = line.split_once(": ").unwrap_or((line, ""));
    let class = class.rsplit('.').next().unwrap_or_default();
    if class.chars().all(|c| c.is_alphanumeric() || c == '_') { (class, text) } else { ("", line) }
}

/// Returns the text of a traceback; empty without one.
fn traceback_of(info: &Bound<'_, PyTuple>) -> PyResult<String> {
    let py = info.py();
    let made = import::object(py, intern!(py, "soundpost._logging"), intern!(py, "traceback_of"))
        .and_then(|traceback_of| traceback_of.call1((info,)));
    match made {
        Ok(made) => {
            Ok(made.cast::<PyString>().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default())
        }
        Err(error) => or_exit(py, error).map(|_| String::new()),
    }
}

/// One level of nested recording on this thread.
struct Nested;

impl Nested {
    fn begin() -> Option<Self> {
        let depth = DEPTH.get();
        (depth < MAX_NESTED).then(|| {
            DEPTH.set(depth + 1);
            Self
        })
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}
