//! The Rust half of `init`, and the object it returns.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use soundpost::Accept;
use soundpost::binding::HookState;
use soundpost::binding::torch::{Allocator, Reads};
use soundpost::settings::SettingValue;

use crate::fault::{self, part};
use crate::metrics;
use crate::settings::Settings;
use crate::state;
use crate::value;

/// The running telemetry of this process.
#[pyclass(frozen, module = "soundpost", name = "Telemetry", weakref)]
pub(crate) struct Telemetry {
    inner: soundpost::Telemetry,
}

#[pymethods]
impl Telemetry {
    /// Host and port of the endpoint, of this process or of another one of the service.
    ///
    /// The port is the real one if 0 was configured. None without an endpoint, or before it is up.
    #[getter]
    fn address(&self) -> Option<String> {
        self.inner.address()
    }

    /// The directory of the service's store and state.
    #[getter]
    fn directory(&self) -> PathBuf {
        self.inner.directory().to_path_buf()
    }

    /// Returns the metrics of all processes as Prometheus text 0.0.4, or as OpenMetrics 1.0.
    #[pyo3(signature = (openmetrics=false))]
    fn render(&self, py: Python<'_>, openmetrics: bool) -> String {
        py.detach(|| if openmetrics { self.inner.render_openmetrics() } else { self.inner.render() })
    }

    /// Returns content type, content encoding and body of a scrape's response. It covers all processes.
    #[pyo3(signature = (accept="", accept_encoding=""))]
    fn metrics_response<'py>(
        &self,
        py: Python<'py>,
        accept: &str,
        accept_encoding: &str,
    ) -> (&'static str, Option<&'static str>, Bound<'py, PyBytes>) {
        let response =
            py.detach(|| self.inner.metrics_response(Accept::from(accept).encoding(accept_encoding)));
        (response.content_type, response.content_encoding, PyBytes::new(py, &response.body))
    }

    fn __repr__(&self) -> String {
        match self.inner.address() {
            Some(address) => format!("<soundpost.Telemetry http://{address}/metrics>"),
            None => "<soundpost.Telemetry>".to_owned(),
        }
    }
}

/// Starts to record with checked settings, for `init`.
///
/// Raises `ValueError` for settings that cannot be used, and `OSError` for a failed system call.
#[pyfunction]
pub(crate) fn start(py: Python<'_>, settings: &Settings) -> PyResult<Telemetry> {
    let torch = match settings.0.value("torch") {
        SettingValue::Bool(true) => Reads::WhileCheap,
        SettingValue::Text(_) => Reads::Always,
        _ => Reads::Never,
    };
    let builder = soundpost::Builder::from(settings.0.clone());
    let started = py.detach(move || builder.start());
    let inner = started.map_err(|error| {
        let text = error.to_string();
        if error.is_config() { PyValueError::new_err(text) } else { PyOSError::new_err(text) }
    })?;
    if inner.is_enabled() {
        state::install(inner.clone(), Allocator::new(&inner, torch));
        let refused = metrics::bind_all(&inner);
        state::enable();
        for refused in refused {
            fault::report(py, part::METRIC, &refused, None, &refused)?;
        }
    }
    Ok(Telemetry { inner })
}

/// Returns the duration of a timeout, which is unlimited if it exceeds the range.
fn limit(timeout: f64) -> Duration {
    value::seconds(timeout).unwrap_or(if timeout > 0.0 { Duration::MAX } else { Duration::ZERO })
}

/// Waits up to `timeout` seconds until the records of this process are stored. Returns whether they are.
#[pyfunction]
#[pyo3(signature = (timeout=2.0))]
pub(crate) fn flush(py: Python<'_>, timeout: f64) -> bool {
    let limit = limit(timeout);
    state::telemetry().is_none_or(|telemetry| py.detach(|| telemetry.flush(limit)))
}

/// Sets whether this process has loaded what it needs to serve, for `/readyz`.
///
/// A process counts as loaded until this is called. Before `init` it does nothing.
#[pyfunction]
pub(crate) fn set_ready(ready: bool) {
    state::telemetry().iter().for_each(|telemetry| telemetry.set_ready(ready));
}

/// Publishes the state of a hook in `soundpost_integration{service,hook,state}`. Before `init` it does nothing.
///
/// Raises `ValueError` for another state than `ok`, `partial` and `gone`.
#[pyfunction]
pub(crate) fn publish_hook(service: &str, hook: &str, state: &str) -> PyResult<()> {
    let Some(state) = HookState::from_name(state) else {
        return Err(PyValueError::new_err("state: neither ok, partial nor gone"));
    };
    let Some(telemetry) = state::telemetry() else { return Ok(()) };
    soundpost::binding::publish_hook(&telemetry, service, hook, state)
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Marks this process as ended in good order, for forked children that end without `shutdown`.
#[pyfunction]
pub(crate) fn end_process() {
    state::telemetry().iter().for_each(soundpost::binding::end_process);
}

/// Stops recording and serving, for `soundpost.shutdown`.
#[pyfunction]
pub(crate) fn shutdown(py: Python<'_>, timeout: f64) {
    let limit = limit(timeout);
    if let Some(telemetry) = state::remove() {
        metrics::unbind_all();
        py.detach(|| telemetry.shutdown(limit));
    }
}
