//! The Rust half of `init`, and the object it returns.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use soundpost::binding::torch::{Allocator, Reads};

use crate::fault::{self, part};
use crate::metrics;
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

    fn __repr__(&self) -> String {
        match self.inner.address() {
            Some(address) => format!("<soundpost.Telemetry http://{address}/metrics>"),
            None => "<soundpost.Telemetry>".to_owned(),
        }
    }
}

/// What `init` checked and filled in.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Settings {
    service: String,
    version: Option<String>,
    commit: Option<String>,
    namespace: Option<String>,
    instance: Option<String>,
    listen: Option<String>,
    labels: Vec<(String, String)>,
    directory: Option<PathBuf>,
    idle_limit: Option<f64>,
    sample_interval: f64,
    gpu_memory_interval: Option<f64>,
    gpu: Gpu,
    torch: Torch,
    bearer_token: Option<String>,
    basic_auth: Option<(String, String)>,
    tls: Option<(PathBuf, PathBuf)>,
    segment_bytes: Option<usize>,
    store: bool,
    store_days: Option<f64>,
    store_bytes: Option<u64>,
    redact: Vec<String>,
    record_text: bool,
    sinks: Sinks,
}

/// Kind, place and options of a sink.
type Asked = (String, String, Vec<(String, String)>);

/// Where what is stored is shipped.
#[derive(FromPyObject)]
enum Sinks {
    /// These.
    Each(Vec<Asked>),
    /// What `SOUNDPOST_SINKS` says.
    Urls(String),
}

impl Sinks {
    fn sinks(&self) -> Result<Vec<soundpost::sink::Sink>, soundpost::Error> {
        match self {
            Self::Urls(urls) => soundpost::sink::Sink::list(urls),
            Self::Each(sinks) => sinks
                .iter()
                .map(|(kind, place, options)| soundpost::sink::Sink::with_options(kind, place, options))
                .collect(),
        }
    }
}

/// GpuSelection GPUs to sample.
#[derive(FromPyObject)]
enum Gpu {
    /// Those that the service may use, or none.
    Visible(bool),
    /// `"all"`; `init` lets no other text through.
    All(#[allow(dead_code)] String),
}

/// Whether to read PyTorch's allocator.
#[derive(FromPyObject)]
enum Torch {
    /// While that is cheap, or never.
    WhileCheap(bool),
    /// `"always"`; `init` lets no other text through.
    Always(#[allow(dead_code)] String),
}

impl From<&Torch> for Reads {
    fn from(torch: &Torch) -> Self {
        match torch {
            Torch::WhileCheap(true) => Self::WhileCheap,
            Torch::WhileCheap(false) => Self::Never,
            Torch::Always(_) => Self::Always,
        }
    }
}

impl Settings {
    fn builder(self) -> PyResult<soundpost::Builder> {
        let mut builder = soundpost::Telemetry::builder(self.service);
        builder = match self.listen {
            Some(address) => builder.listen(resolved(&address)?),
            None => builder.no_listen(),
        };
        if let Some(version) = self.version {
            builder = builder.version(version);
        }
        if let Some(commit) = self.commit {
            builder = builder.commit(commit);
        }
        if let Some(namespace) = self.namespace {
            builder = builder.namespace(namespace);
        }
        if let Some(instance) = self.instance {
            builder = builder.instance(instance);
        }
        if let Some(directory) = self.directory {
            builder = builder.directory(directory);
        }
        if let Some(limit) = self.idle_limit.and_then(value::seconds) {
            builder = builder.idle_limit(limit);
        }
        if let Some(interval) = value::seconds(self.sample_interval) {
            builder = builder.sample_interval(interval);
        }
        builder = builder.gpu_memory_interval(self.gpu_memory_interval.and_then(value::seconds));
        builder = match self.gpu {
            Gpu::Visible(true) => builder,
            Gpu::Visible(false) => builder.without_gpus(),
            Gpu::All(_) => builder.all_gpus(),
        };
        if let Some(token) = self.bearer_token {
            builder = builder.bearer_token(token);
        }
        if let Some((user, password)) = self.basic_auth {
            builder = builder.basic_auth(user, password);
        }
        if let Some((cert, key)) = self.tls {
            builder = builder.tls(cert, key);
        }
        if let Some(bytes) = self.segment_bytes {
            builder = builder.segment_bytes(bytes);
        }
        if let Some(age) = self.store_days.and_then(|days| value::seconds(days * 86_400.0)) {
            builder = builder.store_age(age);
        }
        if let Some(bytes) = self.store_bytes {
            builder = builder.store_bytes(bytes);
        }
        if self.record_text {
            builder = builder.record_text();
        }
        builder = self.redact.into_iter().fold(builder, soundpost::Builder::redact);
        if !self.store {
            builder = builder.without_store();
        }
        // The environment was looked at already.
        builder = builder.without_sinks();
        let sinks = self.sinks.sinks().map_err(|error| PyValueError::new_err(error.to_string()))?;
        builder = sinks.into_iter().fold(builder, soundpost::Builder::sink);
        Ok(self.labels.into_iter().fold(builder, |builder, (name, value)| builder.label(name, value)))
    }
}

/// `host:port` as a socket address; a host name is looked up.
fn resolved(address: &str) -> PyResult<SocketAddr> {
    use std::net::ToSocketAddrs;
    let wrong = |why: String| PyValueError::new_err(format!("listen: {address:?} {why}; give \"host:port\""));
    let mut found = address.to_socket_addrs().map_err(|error| wrong(format!("cannot be used ({error})")))?;
    found.next().ok_or_else(|| wrong("has no address".to_owned()))
}

/// Starts to record, for `init`.
///
/// Raises `ValueError` for settings that cannot be used, and `OSError` for a failed system call.
#[pyfunction]
pub(crate) fn start(py: Python<'_>, settings: &Bound<'_, PyDict>) -> PyResult<Telemetry> {
    let settings = settings.extract::<Settings>()?;
    let torch = Reads::from(&settings.torch);
    let builder = settings.builder()?;
    let started = py.detach(move || builder.start());
    let inner = started.map_err(|error| {
        let text = error.to_string();
        if error.is_config() { PyValueError::new_err(text) } else { PyOSError::new_err(text) }
    })?;
    state::install(inner.clone(), Allocator::new(&inner, torch));
    let refused = metrics::bind_all(&inner);
    state::enable();
    for refused in refused {
        fault::report(py, part::METRIC, &refused, None, &refused)?;
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

/// Stops recording and serving, for `soundpost.shutdown`.
#[pyfunction]
pub(crate) fn shutdown(py: Python<'_>, timeout: f64) {
    let limit = limit(timeout);
    if let Some(telemetry) = state::remove() {
        metrics::unbind_all();
        py.detach(|| telemetry.shutdown(limit));
    }
}
