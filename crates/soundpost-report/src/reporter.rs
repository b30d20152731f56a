//! The reporter: it takes part in the election of a service's processes, and reports while it is elected.

#[cfg_attr(not(feature = "sinks"), path = "reporter/absent/acks.rs")]
mod acks;
#[cfg_attr(not(feature = "sinks"), path = "reporter/absent/agent_sinks.rs")]
mod agent_sinks;
pub(crate) mod attribution;
mod deps;
mod elected;
mod ingest;
#[cfg(feature = "store")]
pub(crate) mod recovery;
#[cfg_attr(not(feature = "vitals"), path = "reporter/absent/sample.rs")]
mod sample;
#[cfg_attr(not(all(feature = "vitals", feature = "store")), path = "reporter/absent/samples.rs")]
mod samples;
#[cfg_attr(not(feature = "server"), path = "reporter/absent/serve.rs")]
mod serve;
#[cfg_attr(not(feature = "sinks"), path = "reporter/absent/ship.rs")]
mod ship;
#[cfg_attr(not(feature = "store"), path = "reporter/absent/storage.rs")]
mod storage;
mod store_thread;
mod thread;

use std::sync::Arc;
use std::time::Duration;

use soundpost_core::snapshot::Snapshot;
use soundpost_core::{Calls, Error, InFlightCall, PerProcess, Registry, ServiceDir};

use crate::config::Config;
use crate::context::ReporterContext;
use crate::{election, exposition};
use thread::ReporterThread;

/// Reports for a service, or waits until it is elected. Each process has one; a forked child gets its own when it
/// first records.
pub struct Reporter {
    context: Arc<ReporterContext>,
    thread: PerProcess<Arc<ReporterThread>>,
}

impl Reporter {
    /// Tries to acquire the reporter's lease. The winner binds the endpoint before this returns. If the port is in use,
    /// sets `unhealthy{reason="port_taken"}` instead of failing.
    ///
    /// # Errors
    /// When the configuration of the server or of a sink is invalid, or the service has another agent.
    pub fn start(
        place: ServiceDir,
        registry: Arc<Registry>,
        calls: Arc<Calls>,
        mut config: Config,
    ) -> Result<Arc<Self>, Error> {
        serve::check(&config)?;
        ship::prepare(&mut config)?;
        storage::prepare_for_forks();
        let announced =
            config.agent.then(|| election::announce(&place, &ship::names(&config))).transpose()?;
        let context = Arc::new(ReporterContext::new(place, registry, calls, config)?);
        let reporter = Arc::new(Self { context, thread: PerProcess::new() });
        reporter.thread().announce(announced);
        if !reporter.context.config.agent {
            reporter.thread().share_sinks();
        }
        reporter.thread().start();
        let weak = Arc::downgrade(&reporter);
        reporter.context.registry.on_fork_child(move || {
            if let Some(reporter) = weak.upgrade() {
                reporter.thread().start();
            }
        });
        Ok(reporter)
    }

    /// Returns the address at which this process or another one serves the service's metrics: `host:port`.
    pub fn address(&self) -> Option<String> {
        self.thread().address()
    }

    /// Returns the merged metrics of all processes of the service.
    pub fn snapshot(&self) -> Snapshot {
        self.thread().snapshot()
    }

    /// Waits until the records of dead processes are stored and their totals merged. Returns false after `timeout`, or
    /// if another process reports.
    pub fn recover(&self, timeout: Duration) -> bool {
        self.thread().recover(timeout)
    }

    /// Returns the process ids of the service's living processes, each in its own PID namespace.
    pub fn pids(&self) -> Vec<u32> {
        self.thread().pids()
    }

    /// Returns the prefix of the service's metrics. An agent reads it from the service's processes.
    pub fn namespace(&self) -> String {
        self.thread().namespace()
    }

    /// Renders the metrics as a scrape would receive them now.
    pub fn render(&self, openmetrics: bool) -> String {
        exposition::render(&self.snapshot(), self.context.config.appendix.as_deref(), openmetrics)
    }

    /// Returns the response to a scrape with these values of `Accept` and `Accept-Encoding`.
    #[cfg(feature = "server")]
    pub fn metrics_response(&self, accept: &str, accept_encoding: &str) -> crate::MetricsResponse {
        let start = std::time::Instant::now();
        let appendix = self.context.config.appendix.as_deref();
        let response = crate::MetricsResponse::new(&self.snapshot(), appendix, accept, accept_encoding);
        self.context.scrape_seconds.observe(start.elapsed().as_secs_f64());
        response
    }

    /// Returns the calls in flight in all processes of the service, oldest first.
    pub fn in_flight(&self) -> Vec<InFlightCall> {
        self.thread().in_flight()
    }

    /// Waits until the records of this process are stored, and then until the sinks shipped them, except to receivers
    /// that do not accept them. Returns false if they were not stored within `timeout`.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.thread().flush(timeout)
    }

    /// Returns whether this process reports.
    pub fn is_elected(&self) -> bool {
        self.thread().is_elected()
    }

    /// Stops reporting, so that another process takes over at once. The last process of the service removes its files.
    /// Waits at most `timeout` for the threads. Recording still works afterwards.
    pub fn shutdown(&self, timeout: Duration) {
        self.thread().stop(timeout);
    }

    fn thread(&self) -> &Arc<ReporterThread> {
        self.thread.get_or_make(|| Arc::new(ReporterThread::new(self.context.clone())))
    }
}
