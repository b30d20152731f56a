//! The program `auscult`, in this process.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the program with these arguments, the first of which is its name, and gives its exit status. The interpreter
/// is free meanwhile; its signal handlers are not called for what the program waits for.
#[pyfunction]
pub(crate) fn program(py: Python<'_>, arguments: Vec<OsString>) -> i32 {
    py.detach(|| auscult_cli::run(arguments))
}
