//! The content of a record of `logging`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};
use pyo3::{Borrowed, intern};

/// Maximum number of fields that are read of one event.
pub(super) const MAX_EXTRAS: usize = 64;

/// Attributes of every record, in the order in which `logging` sets them.
const ATTRIBUTES: [&str; 23] = [
    "name",
    "msg",
    "args",
    "levelname",
    "levelno",
    "pathname",
    "filename",
    "module",
    "exc_info",
    "exc_text",
    "stack_info",
    "lineno",
    "funcName",
    "created",
    "msecs",
    "relativeCreated",
    "thread",
    "threadName",
    "processName",
    "process",
    "taskName",
    "message",
    "asctime",
];

/// Indices of the attributes that are used.
pub(super) mod at {
    pub(in super::super) const NAME: usize = 0;
    pub(in super::super) const MSG: usize = 1;
    pub(in super::super) const ARGS: usize = 2;
    pub(in super::super) const LEVEL: usize = 4;
    pub(in super::super) const FILE: usize = 5;
    pub(in super::super) const EXC_INFO: usize = 8;
    pub(in super::super) const EXC_TEXT: usize = 9;
    pub(in super::super) const STACK: usize = 10;
    pub(in super::super) const LINE: usize = 11;
    pub(in super::super) const CREATED: usize = 13;
    pub(in super::super) const THREAD: usize = 17;
    pub(in super::super) const MESSAGE: usize = 21;
}

/// The content of a record: its attributes by index, and the caller's `extra`.
pub(super) struct Parts<'py> {
    pub(super) attributes: [Option<Bound<'py, PyAny>>; ATTRIBUTES.len()],
    pub(super) extras: Vec<(Bound<'py, PyString>, Bound<'py, PyAny>)>,
    /// Number of fields that were not read.
    pub(super) left: usize,
}

impl<'py> Parts<'py> {
    /// Reads a record while no Python code runs that could change it.
    pub(super) fn read(record: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = record.py();
        let names = names(py);
        let dict = record.getattr(intern!(py, "__dict__"))?.cast_into::<PyDict>()?;
        let mut parts = Self { attributes: [const { None }; ATTRIBUTES.len()], extras: Vec::new(), left: 0 };
        let mut expected = 0;
        for (seen, (name, value)) in dict.iter().enumerate() {
            // All records have the same name objects, in an order that seldom changes.
            let is = |at: usize| names.get(at).is_some_and(|known| known.as_ptr() == name.as_ptr());
            let known = if is(expected) { Some(expected) } else { (0..names.len()).find(|at| is(*at)) };
            match known {
                Some(at) => {
                    parts.attributes[at] = Some(value);
                    expected = at + 1;
                }
                None => {
                    if parts.extras.len() == MAX_EXTRAS {
                        // The attributes of `logging` come first, so the others are the caller's.
                        parts.left = dict.len() - seen;
                        break;
                    }
                    if let Ok(name) = name.cast_into::<PyString>()
                        && !value.is_none()
                    {
                        parts.extras.push((name, value));
                    }
                }
            }
        }
        Ok(parts)
    }

    pub(super) fn get(&self, at: usize) -> Option<&Bound<'py, PyAny>> {
        self.attributes[at].as_ref().filter(|value| !value.is_none())
    }

    pub(super) fn text(&self, at: usize) -> Option<Borrowed<'_, 'py, PyString>> {
        self.get(at)?.cast::<PyString>().ok().map(|text| text.as_borrowed())
    }

    pub(super) fn number<T: for<'a> FromPyObject<'a, 'py>>(&self, at: usize) -> Option<T> {
        self.get(at)?.extract().ok()
    }
}

/// Texts that `QueueHandler` appended to a message.
#[derive(Default)]
pub(super) struct Queued {
    pub(super) traceback: Option<String>,
    pub(super) stack: Option<String>,
}

impl Parts<'_> {
    /// Splits the traceback and stack off a message into which `QueueHandler` formatted them.
    pub(super) fn split_queued(&self, message: &mut String) -> Queued {
        let mut queued = Queued::default();
        let is_formatted =
            matches!((self.get(at::MSG), self.get(at::MESSAGE)), (Some(a), Some(b)) if a.is(b));
        if is_formatted && self.get(at::EXC_INFO).is_none() && self.get(at::EXC_TEXT).is_none() {
            let mut split = |start: &str| {
                let at = message.find(start)?;
                let rest = message.split_off(at);
                Some(rest[1..].to_owned())
            };
            queued.stack = split("\nStack (most recent call last):\n");
            queued.traceback = split("\nTraceback (most recent call last):\n");
        }
        queued
    }

    /// Returns the request id that the caller's `extra` has.
    pub(super) fn request_id(&self) -> Option<String> {
        let mut extras = self.extras.iter();
        let (_, id) = extras.find(|(name, _)| name.to_string_lossy() == "request_id")?;
        id.cast::<PyString>().ok().map(|id| id.to_string_lossy().into_owned())
    }
}

/// Returns the names of the attributes.
pub(super) fn names(py: Python<'_>) -> &[Py<PyString>; ATTRIBUTES.len()] {
    static NAMES: PyOnceLock<[Py<PyString>; ATTRIBUTES.len()]> = PyOnceLock::new();
    NAMES.get_or_init(py, || ATTRIBUTES.map(|name| PyString::intern(py, name).unbind()))
}
