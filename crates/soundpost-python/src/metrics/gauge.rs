//! `Gauge`.

use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::context::{Measurement, MetricContext};
use super::family::{Definition, Handle, Kind};
use super::merge;
use super::metric::{Metric, Name};
use crate::import;
use crate::value::{Number, Text, Texts};

/// A value that goes up and down.
///
/// `multiprocess_mode` sets how the values of several processes are merged: `sum`, `min`, `max`, `mostrecent`, or
/// `all` for one series per process with the label `pid`. Only running processes count, so `livesum` and the like
/// are synonyms.
#[pyclass(frozen, subclass, extends = Metric, module = "soundpost")]
#[derive(Default)]
pub(crate) struct Gauge;

#[pymethods]
impl Gauge {
    #[new]
    #[pyo3(signature = (
        name, documentation, labelnames=Texts::default(), namespace="", subsystem="", unit="", registry=None,
        multiprocess_mode="sum"
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        name: Name,
        documentation: Text,
        labelnames: Texts,
        namespace: &str,
        subsystem: &str,
        unit: &str,
        registry: Option<&Bound<'_, PyAny>>,
        multiprocess_mode: &str,
    ) -> PyResult<PyClassInitializer<Self>> {
        let definition = Definition { documentation, labelnames, namespace, subsystem, unit, registry };
        let kind = Kind::Gauge(merge::rule(multiprocess_mode)?);
        Metric::define(py, name, definition, kind)
    }

    /// Adds `amount`.
    #[pyo3(signature = (amount=Number(Ok(1.0))), text_signature = "($self, amount=1.0)")]
    fn inc(slf: &Bound<'_, Self>, amount: Number) -> PyResult<()> {
        slf.as_super().get().record_number(slf.py(), amount, Handle::add)
    }

    /// Subtracts `amount`.
    #[pyo3(signature = (amount=Number(Ok(1.0))), text_signature = "($self, amount=1.0)")]
    fn dec(slf: &Bound<'_, Self>, amount: Number) -> PyResult<()> {
        slf.as_super().get().record_number(slf.py(), amount, |handle, amount| handle.add(-amount))
    }

    /// Sets the value.
    fn set(slf: &Bound<'_, Self>, value: Number) -> PyResult<()> {
        slf.as_super().get().record_number(slf.py(), value, Handle::observe_or_set)
    }

    /// Sets the value to the current time, in seconds since 1970.
    fn set_to_current_time(slf: &Bound<'_, Self>) -> PyResult<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        Self::set(slf, Number(Ok(now)))
    }

    /// Sets the value from a function, which a Python thread calls once per `sample_interval`.
    fn set_function(slf: &Bound<'_, Self>, f: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, metric) = (slf.py(), slf.as_super().get());
        let Some(values) = metric.values() else { return metric.record(py, |_| ()) };
        if !f.is_callable() {
            return metric.fault(py, "set_function: give a function");
        }
        let values = PyTuple::new(py, values.iter().map(|value| &**value))?;
        import::object(py, intern!(py, "soundpost._background"), intern!(py, "add_gauge"))?
            .call1((slf, &metric.family.name, values, f))
            .map(drop)
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
