//! The program `soundpost`, in this process.

use std::ffi::OsString;
use std::path::PathBuf;

use pyo3::prelude::*;

/// Runs the program with these arguments, the first of which is its name, and returns its exit status. `run --instrument`
/// uses the directory of the bootstrap and the names of the integrations.
///
/// Other Python threads run meanwhile, but no signal handler of Python.
#[pyfunction]
pub(crate) fn program(
    py: Python<'_>,
    arguments: Vec<OsString>,
    bootstrap: PathBuf,
    integrations: Vec<String>,
) -> i32 {
    let bootstrap = soundpost_cli::Bootstrap { directory: bootstrap, integrations };
    py.detach(|| soundpost_cli::run_with(arguments, Some(&bootstrap)))
}
