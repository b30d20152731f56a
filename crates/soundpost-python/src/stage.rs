//! A stage: decorator and context manager.

use std::sync::Mutex;
use std::thread::{self, ThreadId};

use pyo3::intern;
use pyo3::prelude::*;

use crate::block::Ready;
use crate::call::Call;
use crate::context;
use crate::state::{self, lock};

/// A named, timed part of the current call; of the operation `unknown` where there is no call, such as in a
/// worker thread.
///
/// `@soundpost.stage("vocoder")` on any kind of function, or `with soundpost.stage("vocoder"):`.
#[pyclass(frozen, module = "soundpost", name = "stage")]
pub(crate) struct Stage {
    name: String,
    call: Option<Py<Call>>,
    /// What was entered and not left, and by which thread: a stage that is shared may be in use several times.
    open: Mutex<Vec<(ThreadId, soundpost::Stage)>>,
}

impl Stage {
    pub(crate) fn of(name: &str, call: Option<Py<Call>>) -> Self {
        Self { name: name.to_owned(), call, open: Mutex::new(Vec::new()) }
    }

    fn begin(&self, py: Python<'_>) -> Option<soundpost::Stage> {
        state::generation()?;
        match &self.call {
            Some(call) => call.get().recording().map(|own| own.core().stage(&self.name)),
            None => begin(py, &self.name),
        }
    }
}

/// A stage of the current call, or of none.
pub(crate) fn begin(py: Python<'_>, name: &str) -> Option<soundpost::Stage> {
    let Some(call) = context::current(py) else {
        return state::telemetry().map(|telemetry| telemetry.stage(name));
    };
    call.get().recording().map(|own| own.core().stage(name))
}

/// A stage that stands for an instrumented function inside of a call, while it runs.
#[pyclass(frozen)]
pub(crate) struct Running {
    stage: Mutex<Option<soundpost::Stage>>,
}

impl Running {
    pub(crate) fn new(stage: Mutex<Option<soundpost::Stage>>) -> Self {
        Self { stage }
    }

    pub(crate) fn take(&self) -> Option<soundpost::Stage> {
        lock(&self.stage).take()
    }
}

#[pymethods]
impl Stage {
    #[new]
    fn new(name: &str) -> Self {
        Self::of(name, None)
    }

    /// The name it is recorded under.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Decorates a function of any kind.
    fn __call__<'py>(&self, py: Python<'py>, function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        py.import(intern!(py, "soundpost._functions"))?
            .call_method1(intern!(py, "staged"), (function, &self.name))
    }

    fn __enter__(slf: &Bound<'_, Self>) {
        let stage = slf.get();
        if let Some(begun) = stage.begin(slf.py()) {
            lock(&stage.open).push((thread::current().id(), begun));
        }
    }

    #[pyo3(signature = (kind=None, _error=None, _traceback=None))]
    fn __exit__(
        &self,
        kind: Option<&Bound<'_, PyAny>>,
        _error: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) {
        let mut open = lock(&self.open);
        let here = thread::current().id();
        let last = open.iter().rposition(|(thread, _)| *thread == here).or(open.len().checked_sub(1));
        let ended = last.map(|last| open.remove(last));
        drop(open);
        match ended {
            Some((_, stage)) if kind.is_some() => stage.fail(),
            _ => {}
        }
    }

    fn __aenter__(slf: &Bound<'_, Self>) -> Ready {
        Self::__enter__(slf);
        Ready::none()
    }

    #[pyo3(signature = (kind=None, error=None, traceback=None))]
    fn __aexit__(
        &self,
        kind: Option<&Bound<'_, PyAny>>,
        error: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> Ready {
        self.__exit__(kind, error, traceback);
        Ready::none()
    }

    fn __repr__(&self) -> String {
        format!("soundpost.stage({:?})", self.name)
    }
}
