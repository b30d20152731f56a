//! Results of plain functions that run later.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The kind of a result that runs later.
#[derive(Clone, Copy)]
pub(super) enum DeferredKind {
    Generator,
    Coroutine,
    AsyncGenerator,
}

impl DeferredKind {
    /// Returns the kind of a result that runs later, or `None` for any other.
    #[inline]
    pub(super) fn of(result: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let types = types(result.py())?;
        let class = result.get_type_ptr().cast::<pyo3::ffi::PyObject>();
        let kinds = [Self::Generator, Self::Coroutine, Self::AsyncGenerator];
        Ok(types.iter().zip(kinds).find(|(known, _)| known.as_ptr() == class).map(|(_, kind)| kind))
    }
}

/// Imports the types, see [`super::prepare`].
pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
    types(py).map(drop)
}

fn types(py: Python<'_>) -> PyResult<&'static [Py<PyAny>; 3]> {
    static TYPES: PyOnceLock<[Py<PyAny>; 3]> = PyOnceLock::new();
    TYPES.get_or_try_init(py, || {
        let types = py.import("types")?;
        let get = |name: &str| types.getattr(name).map(Bound::unbind);
        PyResult::Ok([get("GeneratorType")?, get("CoroutineType")?, get("AsyncGeneratorType")?])
    })
}
