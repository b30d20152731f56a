//! `Gauge`.

use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use soundpost::Merge;

use super::around::{Around, What};
use super::family::{About, Handle, Kind};
use super::metric::Metric;

/// A value that goes up and down.
///
/// `multiprocess_mode` says how the values of several processes become one: `sum`, `min`, `max`, `mostrecent`, or
/// `all` for each by itself, told apart by a label `pid`. Only processes that live count, so `livesum` and the
/// like mean the same.
#[pyclass(frozen, extends = Metric, module = "soundpost")]
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
        let about = About { name, help: documentation, labels: labelnames, namespace, subsystem, unit };
        let kind = Kind::Gauge(merge(multiprocess_mode)?);
        Ok(PyClassInitializer::from(Metric::define(py, about, registry, kind)?).add_subclass(Self))
    }

    /// Adds `amount`.
    #[pyo3(signature = (amount=1.0))]
    fn inc(slf: &Bound<'_, Self>, amount: f64) -> PyResult<()> {
        add(slf.as_super(), amount)
    }

    /// Subtracts `amount`.
    #[pyo3(signature = (amount=1.0))]
    fn dec(slf: &Bound<'_, Self>, amount: f64) -> PyResult<()> {
        add(slf.as_super(), -amount)
    }

    /// Sets the value.
    fn set(slf: &Bound<'_, Self>, value: f64) -> PyResult<()> {
        set(slf.as_super(), value)
    }

    /// Sets the value to the time of now, seconds since 1970.
    fn set_to_current_time(slf: &Bound<'_, Self>) -> PyResult<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        set(slf.as_super(), now)
    }

    /// Has a function give the value: a thread of Python's asks it once every `sample_interval`.
    fn set_function(slf: &Bound<'_, Self>, f: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, metric) = (slf.py(), slf.as_super().get());
        let Some(values) = metric.values(py)? else { return metric.record(py, |_| ()) };
        let values = PyTuple::new(py, values.iter().map(|value| &**value))?;
        py.import(intern!(py, "soundpost._polling"))?
            .call_method1(intern!(py, "poll"), (slf, &metric.family.name, values, f))?;
        Ok(())
    }

    /// Counts who is inside of a block or function.
    fn track_inprogress(slf: &Bound<'_, Self>) -> Around {
        Around::new(slf.as_super().clone().unbind(), What::InProgress)
    }

    /// Sets the gauge to the seconds a block or function took.
    fn time(slf: &Bound<'_, Self>) -> Around {
        Around::new(slf.as_super().clone().unbind(), What::Time)
    }
}

/// Adds to a gauge.
pub(crate) fn add(metric: &Bound<'_, Metric>, amount: f64) -> PyResult<()> {
    metric.get().record(metric.py(), |handle| {
        if let Handle::Gauge(gauge) = handle {
            gauge.increment_by(amount);
        }
    })
}

/// Sets a gauge.
pub(crate) fn set(metric: &Bound<'_, Metric>, value: f64) -> PyResult<()> {
    metric.get().record(metric.py(), |handle| {
        if let Handle::Gauge(gauge) = handle {
            gauge.set(value);
        }
    })
}
