//! The program `soundpost`, in this process.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the program with these arguments, the first of which is its name, and returns its exit status.
///
/// Other Python threads run meanwhile, but no signal handler of Python.
#[pyfunction]
pub(crate) fn program(py: Python<'_>, arguments: Vec<OsString>) -> i32 {
    py.detach(|| soundpost_cli::run(arguments))
}
