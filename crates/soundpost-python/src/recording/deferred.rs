//! Results that run later: generators, iterators, coroutines and futures, alone or inside of a result.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};
use pyo3::{ffi, intern};

/// Maximum number of items of a container that are looked at.
const MAX_ITEMS: usize = 8;

/// The kind of a result that runs later.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DeferredKind {
    Generator,
    Coroutine,
    AsyncGenerator,
    /// An iterator of another class, which may have attributes of its own.
    Iterator,
    /// An object with `add_done_callback`.
    Future,
}

/// Where a result runs later.
pub(super) enum Deferred<'py> {
    /// The result itself.
    Whole(Bound<'py, PyAny>, DeferredKind),
    /// A part of it, under a position, key or attribute.
    Part(Bound<'py, PyAny>, Bound<'py, PyAny>, DeferredKind),
    /// Somewhere in it, where it is not followed.
    Lost,
}

impl DeferredKind {
    /// Returns the kind of a result that runs later, or `None` for any other.
    fn of(result: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let py = result.py();
        let types = types(py)?;
        let class = result.get_type_ptr().cast::<ffi::PyObject>();
        let kinds = [Self::Generator, Self::Coroutine, Self::AsyncGenerator];
        if let Some((_, kind)) = types.iter().zip(kinds).find(|(known, _)| known.as_ptr() == class) {
            return Ok(Some(kind));
        }
        let has = |name| result.hasattr::<&Bound<'_, PyString>>(name);
        // SAFETY: a live object.
        if unsafe { ffi::PyIter_Check(result.as_ptr()) } != 0 {
            // A file also iterates, over lines.
            return Ok(match has(intern!(py, "read"))? {
                true => None,
                false if has(intern!(py, "throw"))? => Some(Self::Generator),
                false => Some(Self::Iterator),
            });
        }
        let class = result.get_type();
        if class.getattr_opt(intern!(py, "__anext__"))?.is_some() {
            return Ok(Some(Self::AsyncGenerator));
        }
        if class.getattr_opt(intern!(py, "add_done_callback"))?.is_some() {
            return Ok(Some(Self::Future));
        }
        let awaits = class.getattr_opt(intern!(py, "__await__"))?.is_some() && has(intern!(py, "send"))?;
        Ok(awaits.then_some(Self::Coroutine))
    }
}

/// The part of results that `iterates=` names, and the class of results that do not run later.
pub(super) struct Places {
    named: Option<Py<PyAny>>,
    plain: PyOnceLock<Py<PyType>>,
}

impl Places {
    pub(super) fn new(named: Option<Py<PyAny>>) -> Self {
        Self { named, plain: PyOnceLock::new() }
    }

    /// Returns the value of `iterates=`.
    pub(super) fn named(&self) -> Option<&Py<PyAny>> {
        self.named.as_ref()
    }

    /// Finds what of a result runs later.
    #[inline]
    pub(super) fn find<'py>(&self, result: &Bound<'py, PyAny>) -> PyResult<Option<Deferred<'py>>> {
        let py = result.py();
        let is_known = |plain: &Py<PyType>| plain.as_ptr() == result.get_type_ptr().cast();
        if self.named.is_none() && (result.is_none() || self.plain.get(py).is_some_and(is_known)) {
            return Ok(None);
        }
        self.search(result)
    }

    fn search<'py>(&self, result: &Bound<'py, PyAny>) -> PyResult<Option<Deferred<'py>>> {
        let py = result.py();
        if let Some(named) = &self.named {
            return self.named_part(result, named.bind(py));
        }
        if let Ok(items) = result.cast::<PyTuple>() {
            for (position, item) in items.iter().take(MAX_ITEMS).enumerate() {
                if let Some(kind) = kind_of(&item)? {
                    return Ok(Some(Deferred::Part(position.into_pyobject(py)?.into_any(), item, kind)));
                }
            }
            return Ok(None);
        }
        if let Ok(items) = result.cast_exact::<PyList>() {
            let first = items.get_item(0).ok();
            return Ok(first.map(|item| kind_of(&item)).transpose()?.flatten().map(|_| Deferred::Lost));
        }
        if let Ok(items) = result.cast_exact::<PyDict>() {
            for (_, item) in items.iter().take(MAX_ITEMS) {
                if kind_of(&item)?.is_some() {
                    return Ok(Some(Deferred::Lost));
                }
            }
            return Ok(None);
        }
        let kind = kind_of(result)?;
        if kind.is_none() {
            let _ = self.plain.set(py, result.get_type().unbind());
        }
        Ok(kind.map(|kind| Deferred::Whole(result.clone(), kind)))
    }

    /// Returns the part under a position, key or attribute; `True` stands for the result itself, also one that is only
    /// iterable, and `False` for none.
    fn named_part<'py>(
        &self,
        result: &Bound<'py, PyAny>,
        named: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Deferred<'py>>> {
        let py = result.py();
        if result.is_none() {
            return Ok(None);
        }
        let is_whole = match named.cast::<PyBool>() {
            Ok(truth) if !truth.is_true() => return Ok(None),
            truth => truth.is_ok(),
        };
        let part = if is_whole {
            result.clone()
        } else if named.is_instance_of::<PyInt>() || result.is_instance_of::<PyDict>() {
            match result.get_item(named) {
                Ok(part) => part,
                Err(_) => return Ok(None),
            }
        } else if let Ok(name) = named.cast::<PyString>() {
            match result.getattr_opt(name)? {
                Some(part) => part,
                None => return Ok(None),
            }
        } else {
            return Err(PyTypeError::new_err(
                "iterates= takes True, False, a position, a key or the name of an attribute",
            ));
        };
        let (part, kind) = match kind_of(&part)? {
            Some(kind) => (part, kind),
            None if part.hasattr(intern!(py, "__aiter__"))? => {
                (part.call_method0(intern!(py, "__aiter__"))?, DeferredKind::AsyncGenerator)
            }
            None if is_whole && part.hasattr(intern!(py, "__iter__"))? => {
                (part.try_iter()?.into_any(), DeferredKind::Iterator)
            }
            None => return Ok(None),
        };
        Ok(Some(if is_whole {
            Deferred::Whole(part, kind)
        } else {
            Deferred::Part(named.clone(), part, kind)
        }))
    }
}

/// Returns the kind of an object, without a search for the plainest ones.
#[inline]
fn kind_of(item: &Bound<'_, PyAny>) -> PyResult<Option<DeferredKind>> {
    let is_plain = item.is_none()
        || item.is_exact_instance_of::<PyInt>()
        || item.is_exact_instance_of::<PyFloat>()
        || item.is_exact_instance_of::<PyString>()
        || item.is_exact_instance_of::<PyBytes>()
        || item.is_exact_instance_of::<PyBool>();
    if is_plain { Ok(None) } else { DeferredKind::of(item) }
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
