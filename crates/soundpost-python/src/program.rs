//! The program `soundpost`, in this process.

use std::ffi::OsString;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::result::Error;

/// Runs the program with these arguments, the first of which is its name, and gives its exit status. The interpreter
/// is free meanwhile; its signal handlers are not called for what the program waits for.
#[pyfunction]
pub(crate) fn program(py: Python<'_>, arguments: Vec<OsString>) -> i32 {
    py.detach(|| soundpost_cli::run(arguments))
}

/// What the program would write for these arguments, the first of which is a command that reads.
#[pyfunction]
pub(crate) fn query(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<String> {
    let answer = py.detach(|| soundpost_cli::query(arguments)).map_err(|refusal| match refusal.usage {
        true => PyValueError::new_err(refusal.message),
        false => Error::new_err(refusal.message),
    })?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
