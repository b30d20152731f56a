//! The telemetry of a service: where handles come from.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use soundpost_core::{
    Calls, Error, Family, InFlightCall, LogLayer, Notice, Operation, Registry, ServiceDir, ServiceIdentity,
    Spec, Stage, set_once, thread,
};
use soundpost_report::Reporter;

use crate::start::Run;

/// The first telemetry this process started: what `#[instrument]` records to.
static FIRST: OnceLock<Telemetry> = OnceLock::new();

/// The first telemetry this process started, if there is one.
pub fn global() -> Option<&'static Telemetry> {
    FIRST.get()
}

/// The running telemetry of a service. Cheap to clone; recording goes on when it is dropped, until the
/// process ends.
#[derive(Clone)]
pub struct Telemetry {
    inner: Arc<Inner>,
}

struct Inner {
    directory: PathBuf,
    calls: Arc<Calls>,
    /// None where `SOUNDPOST_DISABLED` switches everything off.
    reporter: Option<Arc<Reporter>>,
    run: Mutex<Option<Run>>,
}

impl Telemetry {
    pub(crate) fn new(
        place: &ServiceDir,
        calls: Arc<Calls>,
        reporter: Arc<Reporter>,
        run: Option<Run>,
    ) -> Self {
        let directory = place.directory().to_owned();
        let inner = Inner { directory, calls, reporter: Some(reporter), run: Mutex::new(run) };
        let telemetry = Self { inner: Arc::new(inner) };
        set_once(&FIRST, telemetry.clone());
        telemetry
    }

    /// Returns telemetry whose handles record to private memory that nothing reads.
    pub(crate) fn disabled(directory: PathBuf) -> Result<Self, Error> {
        let calls = Calls::new(&Registry::detached(ServiceIdentity::new(""))?)?;
        let inner = Inner { directory, calls, reporter: None, run: Mutex::new(None) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether anything is recorded: false where `SOUNDPOST_DISABLED` is set.
    pub fn is_enabled(&self) -> bool {
        self.inner.reporter.is_some()
    }

    /// An operation: a kind of call. With [`Operation::labels`] it gets label names.
    pub fn operation(&self, name: impl Into<String>) -> Operation {
        self.inner.calls.operation(&name.into())
    }

    /// A stage whose call is not known, such as one in a worker thread: recorded under the operation
    /// `unknown`.
    pub fn stage(&self, name: &str) -> Stage {
        self.inner.calls.stage(name)
    }

    /// A layer for a `tracing` subscriber that records events as log events, with the current call's id.
    pub fn layer(&self) -> LogLayer {
        LogLayer::new(self.registry().clone())
    }

    /// Registers a metric family of the service's own, or finds it.
    ///
    /// # Errors
    /// When a name cannot be exposed, a label is reserved, or an earlier registration contradicts.
    pub fn family(&self, spec: Spec) -> Result<Family, Error> {
        self.registry().family(spec)
    }

    /// Where the metrics are served (`host:port`), by this process or another one of the service; `None`
    /// without an endpoint, or before it is up.
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

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        self.inner.calls.registry()
    }

    /// Everything the service exposes now, as data.
    pub fn snapshot(&self) -> soundpost_core::snapshot::Snapshot {
        self.reported(Reporter::snapshot)
    }

    /// What the names of the service's metrics begin with, without the underscore; an agent learns it from the
    /// service's processes.
    pub fn namespace(&self) -> String {
        self.reported(Reporter::namespace)
    }

    /// Process ids of the service's living processes, as they see themselves; an agent is none of them.
    pub fn pids(&self) -> Vec<u32> {
        self.reported(Reporter::pids)
    }

    /// The service's directory.
    pub fn directory(&self) -> &Path {
        &self.inner.directory
    }

    /// Whether this process reports for the service.
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

    /// Shows in `unhealthy{reason}` that something is wrong, or is right again.
    pub fn set_unhealthy(&self, reason: &str, unhealthy: bool) {
        self.inner.calls.set_unhealthy(reason, unhealthy);
    }

    /// Waits until what this process recorded so far is in the store; false when `timeout` passed first, as
    /// when the store cannot be written. What was recorded survives the process without it.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.inner.reporter.as_ref().is_none_or(|reporter| reporter.flush(timeout))
    }

    /// Waits until what processes that are gone have left is in the store, with the calls that were in flight; false
    /// when `timeout` passed first, or another process reports. An agent asks for it after a crash.
    pub fn recover(&self, timeout: Duration) -> bool {
        self.reported(|reporter| reporter.recover(timeout))
    }

    /// Calls in flight in all processes of the service, the oldest first.
    pub fn in_flight(&self) -> Vec<InFlightCall> {
        self.reported(Reporter::in_flight)
    }

    /// Stops serving and lets another process of the service take over; the last one removes the service's
    /// files. Waits at most `timeout`. Recording goes on working.
    pub fn shutdown(&self, timeout: Duration) {
        drop(thread::lock(&self.inner.run).take());
        self.reported(|reporter| reporter.shutdown(timeout));
    }
}
