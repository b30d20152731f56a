//! What `time()`, `count_exceptions()` and `track_inprogress()` give: context managers that are decorators too.

use std::sync::Mutex;
use std::time::Instant;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::family::{Handle, Kind};
use super::gauge;
use super::histogram;
use super::metric::Metric;
use crate::state::lock;

/// What to do around a block.
pub(crate) enum What {
    /// Observe, or set the gauge to, the seconds it took.
    Time,
    /// Count exceptions of these types.
    Exceptions(Py<PyAny>),
    /// Count who is inside.
    InProgress,
}

/// A block or function with a metric around it.
#[pyclass(frozen, module = "soundpost._native")]
pub(crate) struct Around {
    metric: Mutex<Py<Metric>>,
    what: What,
    entered: Mutex<Vec<Instant>>,
}

impl Around {
    pub(crate) fn new(metric: Py<Metric>, what: What) -> Self {
        Self { metric: Mutex::new(metric), what, entered: Mutex::new(Vec::new()) }
    }

    fn metric<'py>(&self, py: Python<'py>) -> Bound<'py, Metric> {
        lock(&self.metric).bind(py).clone()
    }
}

#[pymethods]
impl Around {
    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let around = slf.get();
        match around.what {
            What::Time => lock(&around.entered).push(Instant::now()),
            What::InProgress => gauge::add(&around.metric(slf.py()), 1.0)?,
            What::Exceptions(_) => {}
        }
        Ok(slf)
    }

    #[pyo3(signature = (_kind=None, error=None, _traceback=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<&Bound<'_, PyAny>>,
        error: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let metric = self.metric(py);
        match &self.what {
            What::Time => {
                let begun = lock(&self.entered).pop();
                let Some(begun) = begun else { return Ok(()) };
                let seconds = begun.elapsed().as_secs_f64();
                let set = matches!(metric.get().family.kind, Kind::Gauge(_));
                if set { gauge::set(&metric, seconds) } else { histogram::observe(&metric, seconds) }
            }
            What::InProgress => gauge::add(&metric, -1.0),
            What::Exceptions(kinds) => match error {
                Some(error) if error.is_instance(kinds.bind(py))? => metric.get().record(py, |handle| {
                    if let Handle::Counter(counter) = handle {
                        counter.increment();
                    }
                }),
                _ => Ok(()),
            },
        }
    }

    /// Decorates a function of any kind.
    fn __call__<'py>(slf: &Bound<'py, Self>, f: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        py.import(intern!(py, "soundpost._around"))?.call_method1(intern!(py, "surrounded"), (f, slf))
    }

    /// Another one like it, for one more invocation.
    fn again(&self, py: Python<'_>) -> Self {
        let what = match &self.what {
            What::Time => What::Time,
            What::InProgress => What::InProgress,
            What::Exceptions(kinds) => What::Exceptions(kinds.clone_ref(py)),
        };
        Self::new(self.metric(py).unbind(), what)
    }

    /// Chooses the series late, once its label values are known.
    #[pyo3(signature = (*labelvalues, **labelkwargs))]
    fn labels<'py>(
        &self,
        py: Python<'py>,
        labelvalues: &Bound<'py, PyTuple>,
        labelkwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<()> {
        let chosen = self.metric(py).call_method(intern!(py, "labels"), labelvalues, labelkwargs)?;
        let chosen = chosen.cast_into::<Metric>()?.unbind();
        let before = std::mem::replace(&mut *lock(&self.metric), chosen);
        drop(before);
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.what {
            What::Exceptions(kinds) => visit.call(kinds),
            What::Time | What::InProgress => Ok(()),
        }
    }
}
