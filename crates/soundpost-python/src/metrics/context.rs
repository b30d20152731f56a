//! Context managers, also decorators, that `time()`, `count_exceptions()` and `track_inprogress()` return.

use std::sync::Mutex;
use std::time::Instant;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::metric::Metric;
use crate::import;
use crate::state::lock;

/// The measurement around a block.
pub(super) enum Measurement {
    /// Observes the seconds of the block, or sets the gauge to them.
    Time,
    /// Counts exceptions of these types.
    Exceptions(Py<PyAny>),
    /// Counts the executions in progress.
    InProgress,
}

/// A block or function with a metric around it.
#[pyclass(frozen, module = "soundpost._native")]
pub(crate) struct MetricContext {
    metric: Mutex<Py<Metric>>,
    measurement: Measurement,
    entered: Mutex<Vec<Instant>>,
}

impl MetricContext {
    pub(super) fn new(metric: &Bound<'_, Metric>, measurement: Measurement) -> Self {
        let metric = Mutex::new(metric.clone().unbind());
        Self { metric, measurement, entered: Mutex::new(Vec::new()) }
    }

    fn metric<'py>(&self, py: Python<'py>) -> Bound<'py, Metric> {
        lock(&self.metric).bind(py).clone()
    }
}

#[pymethods]
impl MetricContext {
    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let (py, context) = (slf.py(), slf.get());
        match context.measurement {
            Measurement::Time => lock(&context.entered).push(Instant::now()),
            Measurement::InProgress => context.metric(py).get().record(py, |handle| handle.add(1.0))?,
            Measurement::Exceptions(_) => {}
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
        match &self.measurement {
            Measurement::Time => {
                let entered = lock(&self.entered).pop();
                let Some(entered) = entered else { return Ok(()) };
                let seconds = entered.elapsed().as_secs_f64();
                metric.get().record(py, |handle| handle.observe_or_set(seconds))
            }
            Measurement::InProgress => metric.get().record(py, |handle| handle.add(-1.0)),
            Measurement::Exceptions(types) => match error {
                Some(error) => match error.is_instance(types.bind(py)) {
                    Ok(true) => metric.get().record(py, |handle| handle.add(1.0)),
                    Ok(false) => Ok(()),
                    Err(cause) => metric.get().fault_of(py, "count_exceptions: give exception types", cause),
                },
                None => Ok(()),
            },
        }
    }

    /// Decorates a function of any kind.
    fn __call__<'py>(slf: &Bound<'py, Self>, f: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        import::object(py, intern!(py, "soundpost._metric_context"), intern!(py, "decorated"))?
            .call1((f, slf))
    }

    /// Returns a copy for one more invocation.
    fn copy(&self, py: Python<'_>) -> Self {
        let measurement = match &self.measurement {
            Measurement::Time => Measurement::Time,
            Measurement::InProgress => Measurement::InProgress,
            Measurement::Exceptions(types) => Measurement::Exceptions(types.clone_ref(py)),
        };
        Self::new(&self.metric(py), measurement)
    }

    /// Selects the series inside the block, once its label values are known.
    #[pyo3(signature = (*labelvalues, **labelkwargs))]
    fn labels<'py>(
        &self,
        py: Python<'py>,
        labelvalues: &Bound<'py, PyTuple>,
        labelkwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<()> {
        let series = self.metric(py).call_method(intern!(py, "labels"), labelvalues, labelkwargs)?;
        let series = series.cast_into::<Metric>()?.unbind();
        let before = std::mem::replace(&mut *lock(&self.metric), series);
        drop(before);
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.measurement {
            Measurement::Exceptions(types) => visit.call(types),
            Measurement::Time | Measurement::InProgress => Ok(()),
        }
    }
}
