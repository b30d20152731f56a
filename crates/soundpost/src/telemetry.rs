//! The telemetry of a service, which creates all handles.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

#[cfg(feature = "tracing")]
use soundpost_core::LogLayer;
use soundpost_core::{
    Calls, Error, Family, InFlightCall, LoadPhase, Loading, Notice, Operation, Registry, ServiceDir,
    ServiceIdentity, Spec, Stage, current_call, set_once, thread,
};
#[cfg(feature = "server")]
use soundpost_report::MetricsResponse;
use soundpost_report::Reporter;

use crate::start::Run;

/// Timeout of the flush and the shutdown of a [`Guard`].
const GUARD_TIMEOUT: Duration = Duration::from_secs(2);

/// The first telemetry that this process started, which `#[instrument]` records to.
static FIRST: OnceLock<Telemetry> = OnceLock::new();

/// Returns the first telemetry that this process started.
pub fn global() -> Option<&'static Telemetry> {
    FIRST.get()
}

/// The running telemetry of a service. It is cheap to clone. Recording continues after it is dropped, until the process
/// ends.
#[derive(Clone)]
pub struct Telemetry {
    inner: Arc<Inner>,
}

struct Inner {
    directory: PathBuf,
    calls: Arc<Calls>,
    /// `None` if `SOUNDPOST_DISABLED` is set.
    reporter: Option<Arc<Reporter>>,
    run: Mutex<Option<Run>>,
}

/// The headers of a request that select the format and the coding of its response.
#[cfg(feature = "server")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Accept<'a> {
    formats: &'a str,
    encodings: &'a str,
}

#[cfg(feature = "server")]
impl<'a> Accept<'a> {
    /// Sets the value of `Accept-Encoding`; default: no compression.
    #[must_use]
    pub fn encoding(mut self, accept_encoding: &'a str) -> Self {
        self.encodings = accept_encoding;
        self
    }
}

#[cfg(feature = "server")]
impl<'a> From<&'a str> for Accept<'a> {
    fn from(accept: &'a str) -> Self {
        Self { formats: accept, encodings: "" }
    }
}

impl Telemetry {
    pub(crate) fn new(
        place: &ServiceDir,
        calls: Arc<Calls>,
        reporter: Arc<Reporter>,
        run: Option<Run>,
        is_global: bool,
    ) -> Self {
        let directory = place.directory().to_owned();
        let inner = Inner { directory, calls, reporter: Some(reporter), run: Mutex::new(run) };
        let telemetry = Self { inner: Arc::new(inner) };
        if is_global {
            set_once(&FIRST, telemetry.clone());
        }
        telemetry
    }

    /// Returns telemetry that records nothing, for tests and for services that switch recording off: without a thread,
    /// a file, shared memory and an endpoint. `#[instrument]` does not use it, unless in its [`Telemetry::scope`].
    ///
    /// # Errors
    /// When memory is exhausted.
    pub fn disabled() -> Result<Self, Error> {
        Self::disabled_in(PathBuf::new())
    }

    /// Returns telemetry whose handles record to private memory that nothing reads.
    pub(crate) fn disabled_in(directory: PathBuf) -> Result<Self, Error> {
        let calls = Calls::new(&Registry::detached(ServiceIdentity::new(""))?)?;
        let inner = Inner { directory, calls, reporter: None, run: Mutex::new(None) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns whether anything is recorded: false if `SOUNDPOST_DISABLED` is set.
    pub fn is_enabled(&self) -> bool {
        self.inner.reporter.is_some()
    }

    /// Returns an operation, which is a kind of call. [`Operation::labels`] adds label names.
    pub fn operation(&self, name: impl Into<String>) -> Operation {
        self.inner.calls.operation(&name.into())
    }

    /// Begins a stage of an unknown call, such as in a worker thread. Its operation is `unknown`.
    pub fn stage(&self, name: &str) -> Stage {
        self.inner.calls.stage(name)
    }

    /// Returns a layer for a `tracing` subscriber that records events as log events, with the current call's id.
    #[cfg(feature = "tracing")]
    pub fn layer(&self) -> LogLayer {
        LogLayer::new(self.registry().clone())
    }

    /// Registers a custom metric family, or returns the existing one.
    ///
    /// # Errors
    /// When a name is invalid, a label is reserved, or an earlier registration differs.
    pub fn family(&self, spec: Spec) -> Result<Family, Error> {
        self.registry().family(spec)
    }

    /// Returns the address of the endpoint (`host:port`) of any process of the service; `None` without an endpoint, or
    /// before it is up.
    pub fn address(&self) -> Option<String> {
        self.inner.reporter.as_ref()?.address()
    }

    /// Returns the text of a scrape in the Prometheus format, with all processes merged.
    pub fn render(&self) -> String {
        self.reported(|reporter| reporter.render(false))
    }

    /// Returns the text of a scrape in the OpenMetrics format, with exemplars.
    pub fn render_openmetrics(&self) -> String {
        self.reported(|reporter| reporter.render(true))
    }

    /// Returns the response to a scrape, for a route of the service's own server. It covers all processes.
    ///
    /// `accept` is the value of the request's `Accept`; [`Accept::encoding`] adds that of `Accept-Encoding`.
    #[cfg(feature = "server")]
    pub fn metrics_response<'a>(&self, accept: impl Into<Accept<'a>>) -> MetricsResponse {
        let Accept { formats, encodings } = accept.into();
        match self.inner.reporter.as_deref() {
            Some(reporter) => reporter.metrics_response(formats, encodings),
            None => MetricsResponse::new(&self.snapshot(), None, formats, encodings),
        }
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        self.inner.calls.registry()
    }

    /// Returns all metrics of the service as data.
    pub fn snapshot(&self) -> soundpost_core::snapshot::Snapshot {
        self.reported(Reporter::snapshot)
    }

    /// Returns the prefix of the service's metrics, without the underscore. An agent reads it from the service's
    /// processes.
    pub fn namespace(&self) -> String {
        self.reported(Reporter::namespace)
    }

    /// Returns the process ids of the service's running processes in their own PID namespace, without the agent.
    pub fn pids(&self) -> Vec<u32> {
        self.reported(Reporter::pids)
    }

    /// Returns the service's directory.
    pub fn directory(&self) -> &Path {
        &self.inner.directory
    }

    /// Returns whether this process is the service's reporter.
    pub fn is_reporter(&self) -> bool {
        self.reported(Reporter::is_elected)
    }

    /// Returns what the reporter reports; nothing without one.
    fn reported<T: Default>(&self, report: impl FnOnce(&Reporter) -> T) -> T {
        self.inner.reporter.as_deref().map(report).unwrap_or_default()
    }

    /// Returns the messages of Soundpost from number `from` on, for a host without a `tracing` subscriber: up to 64
    /// different messages once, and the newest 1024 repeated ones.
    pub fn notices(&self, from: usize) -> Vec<Notice> {
        self.registry().diagnostics().notices(from)
    }

    /// Sets or clears the flag `unhealthy{reason}`.
    pub fn set_unhealthy(&self, reason: &str, unhealthy: bool) {
        self.inner.calls.set_unhealthy(reason, unhealthy);
    }

    /// Sets whether this process has loaded what it needs to serve; it counts as loaded until this is called. `/readyz` of
    /// the endpoint returns 200 while one process of the service is up and loaded.
    pub fn set_ready(&self, is_ready: bool) {
        self.registry().set_ready(is_ready);
    }

    /// Begins a phase of loading, which ends when the result is dropped. Until then this process is not ready. In the first
    /// phase of all processes `/healthz` returns 503 with `loading`, and `up` is 0. Inside a call only the time is recorded.
    pub fn loading(&self, phase: LoadPhase) -> Loading {
        Loading::begin(self.registry(), phase, current_call().is_some())
    }

    /// Waits until the records of this process are in the store. Returns false after `timeout`, for example when the
    /// store is not writable. Records survive the process without a flush.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.inner.reporter.as_ref().is_none_or(|reporter| reporter.flush(timeout))
    }

    /// Waits until the records and calls in flight of dead processes are in the store. Returns false after `timeout`,
    /// or if another process reports. An agent uses it after a crash.
    pub fn recover(&self, timeout: Duration) -> bool {
        self.reported(|reporter| reporter.recover(timeout))
    }

    /// Returns a guard that [flushes](Telemetry::flush) and [shuts down](Telemetry::shutdown) when it is dropped, at the
    /// end of `main`.
    pub fn guard(&self) -> Guard {
        Guard(self.clone())
    }

    /// Returns the calls in flight in all processes of the service, the oldest first.
    pub fn in_flight(&self) -> Vec<InFlightCall> {
        self.reported(Reporter::in_flight)
    }

    /// Stops serving and lets another process of the service take over. The last process removes the service's files.
    /// Waits at most `timeout`. Recording still works afterwards.
    pub fn shutdown(&self, timeout: Duration) {
        drop(thread::lock(&self.inner.run).take());
        self.reported(|reporter| reporter.shutdown(timeout));
    }
}

/// Flushes and shuts the telemetry down when it is dropped, in at most two seconds.
#[must_use = "a guard that is not held shuts down at once; bind it to a variable until the end of `main`"]
pub struct Guard(Telemetry);

impl Drop for Guard {
    fn drop(&mut self) {
        let began = Instant::now();
        self.0.flush(GUARD_TIMEOUT);
        self.0.shutdown(GUARD_TIMEOUT.saturating_sub(began.elapsed()));
    }
}
