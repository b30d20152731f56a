//! The context variables that hold the current call, and the calls of generators that wait for their consumer.
//!
//! `PyContextVar_Get`, `_Set` and `_Reset` are public C functions with the same signature in every CPython since
//! 3.7.1, but not part of the limited API. They are resolved at import. An interpreter without them uses the methods
//! of `contextvars.ContextVar`.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::{ffi, intern};

type Object = *mut ffi::PyObject;

/// The variable, and the C functions on it if the interpreter exports them.
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

/// A context variable that is created at its first use.
pub(super) struct ContextVariable {
    name: &'static str,
    variable: PyOnceLock<Variable>,
}

static CALL: ContextVariable = ContextVariable::new("soundpost_call");
/// The calls of [`super::known_texts`].
pub(super) static OPEN: ContextVariable = ContextVariable::new("soundpost_open");

/// The token of one [`enter`], for [`leave`].
pub(super) struct Token(Option<Py<PyAny>>);

impl Token {
    /// Returns the object that was entered before.
    pub(super) fn before<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.0.as_ref()?.bind(py).getattr(intern!(py, "old_value")).ok()
    }
}

impl ContextVariable {
    const fn new(name: &'static str) -> Self {
        Self { name, variable: PyOnceLock::new() }
    }

    /// Returns the value in this context.
    #[inline]
    pub(super) fn get<'py>(&'static self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let variable = self.variable(py).ok()?;
        match variable.functions {
            Some(functions) => {
                let mut value = ptr::null_mut();
                // SAFETY: the first argument is a context variable, a null default is allowed, and the interpreter
                // writes a new reference or null to `value`.
                let status =
                    unsafe { (functions.get)(variable.object.as_ptr(), ptr::null_mut(), &mut value) };
                if status < 0 {
                    drop(PyErr::take(py));
                    return None;
                }
                // SAFETY: null or an owned reference, see above.
                unsafe { Bound::from_owned_ptr_or_opt(py, value) }
            }
            None => variable.object.bind(py).call_method1(intern!(py, "get"), (py.None(),)).ok(),
        }
    }

    /// Sets the value in this context, and returns the token of it.
    #[inline]
    pub(super) fn set(&'static self, py: Python<'_>, value: &Py<PyAny>) -> Option<Py<PyAny>> {
        let variable = self.variable(py).ok()?;
        let token = match variable.functions {
            Some(functions) => {
                // SAFETY: a context variable and a live object; returns a new reference or null.
                unsafe {
                    let token = (functions.set)(variable.object.as_ptr(), value.as_ptr());
                    Bound::from_owned_ptr_or_err(py, token)
                }
            }
            None => variable.object.bind(py).call_method1(intern!(py, "set"), (value.clone_ref(py),)),
        };
        token.map(Bound::unbind).ok()
    }

    #[inline]
    fn variable(&'static self, py: Python<'_>) -> PyResult<&'static Variable> {
        match self.variable.get(py) {
            Some(variable) => Ok(variable),
            None => self.create(py),
        }
    }

    #[cold]
    fn create(&'static self, py: Python<'_>) -> PyResult<&'static Variable> {
        self.variable.get_or_try_init(py, || {
            let object = py.import("contextvars")?.getattr("ContextVar")?.call1((self.name,))?.unbind();
            Ok(Variable { object, functions: functions() })
        })
    }
}

/// Returns the object that was entered last in this context, also after its call ended.
#[inline]
pub(super) fn current(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    CALL.get(py)
}

/// Makes `call` the current one of this context, until [`leave`].
#[inline]
pub(super) fn enter(py: Python<'_>, call: &Py<PyAny>) -> Token {
    Token(CALL.set(py, call))
}

/// Restores the call that was current before [`enter`], and returns true; in another context it does nothing.
#[inline]
pub(super) fn leave(py: Python<'_>, token: &Token) -> bool {
    let (Ok(variable), Some(token)) = (CALL.variable(py), &token.0) else { return false };
    match variable.functions {
        Some(functions) => {
            // SAFETY: a context variable and the token of its `set`; -1 means an exception is set.
            let status = unsafe { (functions.reset)(variable.object.as_ptr(), token.as_ptr()) };
            if status < 0 {
                drop(PyErr::take(py));
            }
            status >= 0
        }
        None => variable.object.bind(py).call_method1(intern!(py, "reset"), (token.clone_ref(py),)).is_ok(),
    }
}

/// Returns a new token of `call` if the context is that of the old one. The current call stays.
#[cold]
pub(super) fn renew(py: Python<'_>, token: &Token, call: &Py<PyAny>) -> Option<Token> {
    let before = current(py).map(Bound::unbind);
    let renewed = leave(py, token).then(|| enter(py, call))?;
    if let Some(before) = before.filter(|before| !before.is(call)) {
        enter(py, &before);
    }
    Some(renewed)
}

/// Returns the context variable, for contexts of threads.
#[pyfunction]
pub(crate) fn call_variable(py: Python<'_>) -> PyResult<Py<PyAny>> {
    CALL.variable(py).map(|variable| variable.object.clone_ref(py))
}

/// Creates the variables, see [`super::prepare`].
pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
    CALL.variable(py).and(OPEN.variable(py)).map(drop)
}

fn functions() -> Option<Functions> {
    let find = |name: &CStr| {
        // SAFETY: `dlsym` with a terminated name only searches the loaded libraries.
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
