//! The context variable that holds the current call.
//!
//! `PyContextVar_Get`, `_Set` and `_Reset` are public C functions with the same signature in every CPython since
//! 3.7.1, but they are not part of the limited API. They are looked up when the module is first used, and the
//! methods of `contextvars.ContextVar` stand in where an interpreter does not have them.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::{ffi, intern};

use crate::call::Call;

type Object = *mut ffi::PyObject;

/// The variable, and the C functions on it where there are any.
struct Variable {
    object: Py<PyAny>,
    functions: Option<Functions>,
}

#[derive(Clone, Copy)]
struct Functions {
    get: unsafe extern "C" fn(Object, Object, *mut Object) -> c_int,
    set: unsafe extern "C" fn(Object, Object) -> Object,
    reset: unsafe extern "C" fn(Object, Object) -> c_int,
}

static VARIABLE: PyOnceLock<Variable> = PyOnceLock::new();

/// What [`enter`] gives back to [`leave`].
pub(crate) struct Token(Option<Py<PyAny>>);

/// The call this context is in, unless it has ended.
#[inline]
pub(crate) fn current(py: Python<'_>) -> Option<Bound<'_, Call>> {
    let variable = variable(py).ok()?;
    let value = match variable.functions {
        Some(functions) => {
            let mut value = ptr::null_mut();
            // SAFETY: the first argument is a context variable, a null default is allowed, and the interpreter
            // writes a new reference or null to `value`.
            let status = unsafe { (functions.get)(variable.object.as_ptr(), ptr::null_mut(), &mut value) };
            if status < 0 {
                drop(PyErr::take(py));
                return None;
            }
            // SAFETY: null or an owned reference, see above.
            unsafe { Bound::from_owned_ptr_or_opt(py, value) }?
        }
        None => variable.object.bind(py).call_method1(intern!(py, "get"), (py.None(),)).ok()?,
    };
    let call = value.cast_into::<Call>().ok()?;
    (!call.get().has_ended()).then_some(call)
}

/// Makes `call` the current one of this context, until [`leave`].
#[inline]
pub(crate) fn enter(py: Python<'_>, call: &Py<Call>) -> Token {
    let Ok(variable) = variable(py) else { return Token(None) };
    let token = match variable.functions {
        Some(functions) => {
            // SAFETY: a context variable and a live object; a new reference or null comes back.
            unsafe {
                let token = (functions.set)(variable.object.as_ptr(), call.as_ptr());
                Bound::from_owned_ptr_or_err(py, token).map(Bound::unbind)
            }
        }
        None => variable
            .object
            .bind(py)
            .call_method1(intern!(py, "set"), (call.clone_ref(py),))
            .map(Bound::unbind),
    };
    Token(token.ok())
}

/// Puts back what was current before [`enter`]. In another context than that one (a `with` block in a
/// generator that is resumed elsewhere) there is nothing to put back.
#[inline]
pub(crate) fn leave(py: Python<'_>, token: &Token) {
    let (Ok(variable), Some(token)) = (variable(py), &token.0) else { return };
    match variable.functions {
        Some(functions) => {
            // SAFETY: a context variable and the token its `set` gave; -1 means an exception is set.
            let status = unsafe { (functions.reset)(variable.object.as_ptr(), token.as_ptr()) };
            if status < 0 {
                drop(PyErr::take(py));
            }
        }
        None => drop(variable.object.bind(py).call_method1(intern!(py, "reset"), (token.clone_ref(py),))),
    }
}

#[inline]
fn variable(py: Python<'_>) -> PyResult<&'static Variable> {
    match VARIABLE.get(py) {
        Some(variable) => Ok(variable),
        None => create(py),
    }
}

/// Makes what later calls need, before there are threads: a child forked while another thread makes it would wait for
/// that thread for ever.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    variable(py).map(drop)
}

#[cold]
fn create(py: Python<'_>) -> PyResult<&'static Variable> {
    VARIABLE.get_or_try_init(py, || {
        let object = py.import("contextvars")?.getattr("ContextVar")?.call1(("soundpost_call",))?.unbind();
        Ok(Variable { object, functions: functions() })
    })
}

fn functions() -> Option<Functions> {
    let find = |name: &CStr| {
        // SAFETY: `dlsym` with a terminated name only searches what is loaded.
        let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        (!address.is_null()).then_some(address)
    };
    let (get, set, reset) =
        (find(c"PyContextVar_Get")?, find(c"PyContextVar_Set")?, find(c"PyContextVar_Reset")?);
    // SAFETY: these are the documented signatures of the three functions, unchanged since CPython 3.7.1.
    unsafe {
        Some(Functions {
            get: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(Object, Object, *mut Object) -> c_int>(
                get,
            ),
            set: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(Object, Object) -> Object>(set),
            reset: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(Object, Object) -> c_int>(reset),
        })
    }
}
