//! `Gauge`.

use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use soundpost::Merge;

use super::context::{Measurement, MetricContext};
use super::family::{Definition, Kind};
use super::metric::Metric;

/// A value that goes up and down.
///
/// `multiprocess_mode` sets how the values of several processes are merged: `sum`, `min`, `max`, `mostrecent`, or
/// `all` for one series per process with the label `pid`. Only running processes count, so `livesum` and the like
/// are synonyms.
#[pyclass(frozen, extends = Metric, module = "soundpost")]
#[derive(Default)]
pub(crate) struct Gauge;

fn merge(mode: &str) -> PyResult<Merge> {
    Ok(match mode.strip_prefix("live").unwrap_or(mode) {
        "sum" => Merge::Sum,
        "min" => Merge::Min,
        "max" => Merge::Max,
        "mostrecent" => Merge::Last,
        "all" => Merge::PerProcess,
        _ => {
            return Err(PyValueError::new_err(format!(
                "multiprocess_mode: {mode:?} is none of sum, min, max, mostrecent, all"
            )));
        }
    })
}

#[pymethods]
impl Gauge {
    #[new]
    #[pyo3(signature = (
        name, documentation, labelnames=Vec::new(), namespace="", subsystem="", unit="", registry=None,
        multiprocess_mode="sum"
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        name: &str,
        documentation: &str,
        labelnames: Vec<String>,
        namespace: &str,
        subsystem: &str,
        unit: &str,
        registry: Option<&Bound<'_, PyAny>>,
        multiprocess_mode: &str,
    ) -> PyResult<PyClassInitializer<Self>> {
        let definition = Definition { name, documentation, labelnames, namespace, subsystem, unit, registry };
        let kind = Kind::Gauge(merge(multiprocess_mode)?);
        Metric::define(py, definition, kind)
    }

    /// Adds `amount`.
    #[pyo3(signature = (amount=1.0))]
    fn inc(slf: &Bound<'_, Self>, amount: f64) -> PyResult<()> {
        slf.as_super().get().record(slf.py(), |handle| handle.add(amount))
    }

    /// Subtracts `amount`.
    #[pyo3(signature = (amount=1.0))]
    fn dec(slf: &Bound<'_, Self>, amount: f64) -> PyResult<()> {
        slf.as_super().get().record(slf.py(), |handle| handle.add(-amount))
    }

    /// Sets the value.
    fn set(slf: &Bound<'_, Self>, value: f64) -> PyResult<()> {
        slf.as_super().get().record(slf.py(), |handle| handle.observe_or_set(value))
    }

    /// Sets the value to the current time, in seconds since 1970.
    fn set_to_current_time(slf: &Bound<'_, Self>) -> PyResult<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        Self::set(slf, now)
    }

    /// Sets the value from a function, which a Python thread calls once per `sample_interval`.
    fn set_function(slf: &Bound<'_, Self>, f: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, metric) = (slf.py(), slf.as_super().get());
        let Some(values) = metric.values() else { return metric.record(py, |_| ()) };
        let values = PyTuple::new(py, values.iter().map(|value| &**value))?;
        py.import(intern!(py, "soundpost._background"))?
            .call_method1(intern!(py, "add_gauge"), (slf, &metric.family.name, values, f))?;
        Ok(())
    }

    /// Counts the executions of a block or function in progress.
    fn track_inprogress(slf: &Bound<'_, Self>) -> MetricContext {
        MetricContext::new(slf.as_super(), Measurement::InProgress)
    }

    /// Sets the gauge to the seconds that a block or function took.
    fn time(slf: &Bound<'_, Self>) -> MetricContext {
        MetricContext::new(slf.as_super(), Measurement::Time)
    }
}
