//! Objects of Python modules, whatever the globals of the host's frame contain.
//!
//! `PyImport_Import` takes `__import__` from the globals of the running frame, which may have none.

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};

/// `sys.modules` and `importlib.import_module`.
static IMPORTER: PyOnceLock<(Py<PyDict>, Py<PyAny>)> = PyOnceLock::new();

/// Refuses the import in a subinterpreter: the binding's state belongs to one interpreter of the process, and calls of
/// another would be recorded for the wrong application or not at all.
///
/// # Errors
/// `ImportError` outside of the main interpreter.
pub(crate) fn refuse_subinterpreter() -> PyResult<()> {
    // SAFETY: the caller runs in an interpreter, whose state and number are read only.
    let number = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    match number {
        0 => Ok(()),
        number => Err(PyImportError::new_err(format!(
            "soundpost records in a process's main interpreter alone, and this is subinterpreter {number}; run the \
             application in the main one (mod_wsgi: WSGIApplicationGroup %{{GLOBAL}}) or in a process of its own"
        ))),
    }
}

/// Looks up the importer, at import; see [`crate::recording::prepare`].
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    importer(py).map(drop)
}

/// Returns the modules that are imported.
#[inline]
pub(crate) fn modules(py: Python<'_>) -> PyResult<&Bound<'_, PyDict>> {
    Ok(importer(py)?.0.bind(py))
}

/// Returns an object of a module, which is imported if necessary.
pub(crate) fn object<'py>(
    py: Python<'py>,
    module: &Bound<'py, PyString>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    if let Some(known) = modules(py)?.get_item(module)?
        && let Some(object) = known.getattr_opt(name)?
    {
        return Ok(object);
    }
    importer(py)?.1.bind(py).call1((module,))?.getattr(name)
}

fn importer(py: Python<'_>) -> PyResult<&'static (Py<PyDict>, Py<PyAny>)> {
    IMPORTER.get_or_try_init(py, || {
        let modules = py.import("sys")?.getattr("modules")?.cast_into()?.unbind();
        PyResult::Ok((modules, py.import("importlib")?.getattr("import_module")?.unbind()))
    })
}
