//! The generator that a `with` block stands in.
//!
//! `PyFrame_GetGenerator` is a public C function since CPython 3.11, but not part of the limited API. It is resolved at
//! its first use. In an interpreter without it every block counts as one in a function.

use std::ffi::c_void;
use std::mem::transmute;
use std::sync::OnceLock;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyWeakrefMethods, PyWeakrefReference};
use pyo3::{ffi, types::PyAnyMethods};

use crate::import;

const GENERATOR: u32 = 0x20;
const ASYNC_GENERATOR: u32 = 0x200;

type GetGenerator = unsafe extern "C" fn(*mut ffi::PyObject) -> *mut ffi::PyObject;

/// The generator or asynchronous generator that a block stands in.
pub(super) struct Generator {
    generator: Py<PyWeakrefReference>,
    /// Name of the attribute that is true while it runs or awaits.
    running: &'static str,
}

impl Generator {
    /// Returns the generator whose frame runs the caller's `with` statement.
    ///
    /// A context manager of `contextlib` is suspended in its block, so the frame that entered it counts.
    pub(super) fn around_caller(py: Python<'_>) -> PyResult<Option<Self>> {
        let mut frame = import::object(py, intern!(py, "sys"), intern!(py, "_getframe"))?.call0()?;
        loop {
            let back = frame.getattr(intern!(py, "f_back"))?;
            let is_manager = is_of_contextlib(&frame)?;
            if !is_manager {
                let code = frame.getattr(intern!(py, "f_code"))?;
                let flags: u32 = code.getattr(intern!(py, "co_flags"))?.extract()?;
                let running = match flags & (GENERATOR | ASYNC_GENERATOR) {
                    GENERATOR => "gi_running",
                    ASYNC_GENERATOR => "ag_running",
                    _ => return Ok(None),
                };
                if back.is_none() || !is_of_contextlib(&back)? {
                    let Some(generator) = generator_of(&frame) else { return Ok(None) };
                    let generator = PyWeakrefReference::new(&generator)?.unbind();
                    return Ok(Some(Self { generator, running }));
                }
            }
            if back.is_none() {
                return Ok(None);
            }
            frame = back;
        }
    }

    /// Returns whether the generator ended, or waits at a `yield`.
    pub(super) fn is_suspended(&self, py: Python<'_>) -> bool {
        let Some(generator) = self.generator.bind(py).upgrade() else { return true };
        let running = generator.getattr(PyString::intern(py, self.running));
        !running.and_then(|running| running.is_truthy()).unwrap_or(false)
    }
}

fn is_of_contextlib(frame: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = frame.py();
    let module = frame.getattr(intern!(py, "f_globals"))?.get_item(intern!(py, "__name__"));
    Ok(module.is_ok_and(|module| module.eq(intern!(py, "contextlib")).unwrap_or(false)))
}

fn generator_of<'py>(frame: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    static FUNCTION: OnceLock<Option<GetGenerator>> = OnceLock::new();
    let function = (*FUNCTION.get_or_init(|| {
        // SAFETY: `dlsym` with a terminated name only searches the loaded libraries.
        let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"PyFrame_GetGenerator".as_ptr()) };
        // SAFETY: this is the documented signature, unchanged since CPython 3.11.
        (!address.is_null()).then(|| unsafe { transmute::<*mut c_void, GetGenerator>(address) })
    }))?;
    // SAFETY: the argument is a frame; the function returns a new reference or null.
    unsafe { Bound::from_owned_ptr_or_opt(frame.py(), function(frame.as_ptr())) }
}
