//! The program `soundpost`, in this process.

use std::ffi::OsString;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::measure::Error;

/// Runs the program with these arguments, the first of which is its name, and returns its exit status.
///
/// Other Python threads run meanwhile, but no signal handler of Python.
#[pyfunction]
pub(crate) fn program(py: Python<'_>, arguments: Vec<OsString>) -> i32 {
    py.detach(|| soundpost_cli::run(arguments))
}

/// Returns the output of a reading command of the program for these arguments.
#[pyfunction]
pub(crate) fn query(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<String> {
    let answer = py.detach(|| soundpost_cli::query(arguments)).map_err(|refusal| match refusal.usage {
        true => PyValueError::new_err(refusal.message),
        false => Error::new_err(refusal.message),
    })?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
