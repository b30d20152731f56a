//! What a plain function may return that runs later.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// What a plain function may return that runs later.
#[derive(Clone, Copy)]
pub(crate) enum Later {
    Generator,
    Coroutine,
    AsyncGenerator,
}

/// The types that tell; made at import, see [`crate::context::prepare`].
pub(crate) fn types(py: Python<'_>) -> PyResult<&'static [Py<PyAny>; 3]> {
    static TYPES: PyOnceLock<[Py<PyAny>; 3]> = PyOnceLock::new();
    TYPES.get_or_try_init(py, || {
        let types = py.import("types")?;
        let get = |name: &str| types.getattr(name).map(Bound::unbind);
        PyResult::Ok([get("GeneratorType")?, get("CoroutineType")?, get("AsyncGeneratorType")?])
    })
}

/// Which of these `result` is, if any.
#[inline]
pub(crate) fn later(result: &Bound<'_, PyAny>) -> PyResult<Option<Later>> {
    let types = types(result.py())?;
    let class = result.get_type_ptr().cast::<pyo3::ffi::PyObject>();
    let kinds = [Later::Generator, Later::Coroutine, Later::AsyncGenerator];
    Ok(types.iter().zip(kinds).find(|(known, _)| known.as_ptr() == class).map(|(_, kind)| kind))
}
