//! The reporter's part in one process: standing for election, and reporting while elected.

use std::sync::Arc;
use std::time::Duration;

use soundpost_core::snapshot::Snapshot;
use soundpost_core::{Calls, Error, Histogram, InFlightCall, PerProcess, Registry, ServiceDir, Spec, Unit};
use soundpost_sinks::{Sink, prepared};
use soundpost_store as store;
use soundpost_vitals::{GpuSelection, Interval};

use crate::running::Running;
use crate::server::ServerConfig;
use crate::{election, exposition};

/// Upper bounds for the time a scrape takes, seconds.
const SCRAPE_BUCKETS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// Text that another exporter renders.
pub type Appendix = Arc<dyn Fn() -> String + Send + Sync>;

/// How to report.
#[derive(Clone)]
pub struct Config {
    /// Where to serve scrapes; `None`: nowhere.
    pub server: Option<ServerConfig>,
    /// Calls without progress for so long are `abandoned`.
    pub idle_limit: Duration,
    /// Text appended to the exposition, see `Sources::appendix`.
    pub appendix: Option<Appendix>,
    /// How often host, processes and GPUs are sampled; `None`: never.
    pub sample_interval: Option<Interval>,
    /// How often a glance is taken at the GPUs while calls run; `None`: never.
    pub gpu_memory_interval: Option<Interval>,
    /// GpuSelection GPUs are sampled with them; `None`: none, and NVML is not loaded.
    pub gpus: Option<GpuSelection>,
    /// What the store keeps; `None`: there is no store, and finished calls are let go.
    pub store: Option<store::Limits>,
    /// Where what the store has is shipped to.
    pub sinks: Vec<Sink>,
    /// What the instance of the service is called; `None`: as its host.
    pub instance: Option<String>,
    /// Whether this process is no process of the service, but reports for it: the others leave it to this one.
    pub agent: bool,
}

/// What a reporter works with; the same in a process and its forked children.
pub(crate) struct Seed {
    pub(crate) place: ServiceDir,
    pub(crate) registry: Arc<Registry>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) config: Config,
    pub(crate) scrapes: Histogram,
}

/// Reports for a service, or waits for its turn to. One for each process; forked children get their own
/// when they first record.
pub struct Reporter {
    seed: Arc<Seed>,
    running: PerProcess<Arc<Running>>,
}

impl Reporter {
    /// Stands for election and, if elected, listens, before it returns. A port that is taken is no error
    /// but a flag.
    ///
    /// # Errors
    /// When the configuration of the server or of a sink cannot be used, or the service has another agent.
    pub fn start(
        place: ServiceDir,
        registry: Arc<Registry>,
        calls: Arc<Calls>,
        mut config: Config,
    ) -> Result<Arc<Self>, Error> {
        if let Some(server) = &config.server {
            server.check().map_err(|error| Error::config(error.to_string()))?;
        }
        config.sinks = prepared(std::mem::take(&mut config.sinks))?;
        soundpost_store::prepare_for_forks();
        if config.store.is_none() && !config.sinks.is_empty() {
            return Err(Error::config("sinks: they ship what the store has, and there is to be no store"));
        }
        let spec = Spec::histogram("soundpost_scrape_duration_seconds", &SCRAPE_BUCKETS)
            .unit(Unit::Seconds)
            .help("Time to read all segments, render and compress one scrape.");
        let scrapes = registry.family(spec)?.histogram(&[])?;
        let names: Vec<&str> = config.sinks.iter().map(Sink::name).collect();
        let announced = config.agent.then(|| election::announce(&place, &names)).transpose()?;
        let seed = Arc::new(Seed { place, registry, calls, config, scrapes });
        let reporter = Arc::new(Self { seed, running: PerProcess::new() });
        reporter.running().announce(announced);
        reporter.running().start();
        let myself = Arc::downgrade(&reporter);
        reporter.seed.registry.on_fork_child(move || {
            if let Some(reporter) = myself.upgrade() {
                reporter.running().start();
            }
        });
        Ok(reporter)
    }

    /// Where the service's metrics are served, by this process or another: `host:port`.
    pub fn address(&self) -> Option<String> {
        self.running().address()
    }

    /// Everything the service exposes now, all processes merged.
    pub fn snapshot(&self) -> Snapshot {
        self.running().snapshot()
    }

    /// Waits until what processes that are gone have left is in the store and in the totals; false when `timeout`
    /// passed first, or another process reports.
    pub fn recover(&self, timeout: Duration) -> bool {
        self.running().recover(timeout)
    }

    /// Process ids of the service's living processes, as they see themselves.
    pub fn pids(&self) -> Vec<u32> {
        self.running().pids()
    }

    /// What the names of the service's metrics begin with; an agent learns it from the service's processes.
    pub fn namespace(&self) -> String {
        self.running().namespace()
    }

    /// The text a scrape would get now.
    pub fn render(&self, openmetrics: bool) -> String {
        let snapshot = self.snapshot();
        match (&self.seed.config.appendix, openmetrics) {
            (Some(appendix), _) => {
                let mut text = exposition::text(&snapshot);
                crate::server::append(&mut text, &snapshot, &appendix());
                text
            }
            (None, true) => exposition::openmetrics(&snapshot),
            (None, false) => exposition::text(&snapshot),
        }
    }

    /// Calls in flight in all processes of the service, the oldest first.
    pub fn in_flight(&self) -> Vec<InFlightCall> {
        self.running().in_flight()
    }

    /// Waits until what this process recorded so far is in the store; false when `timeout` passed first.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.running().flush(timeout)
    }

    /// Whether this process is the reporter.
    pub fn is_elected(&self) -> bool {
        self.running().is_elected()
    }

    /// Stops reporting, so that another process takes over at once; the last process of the service
    /// removes its files. Waits for its threads at most `timeout`. Recording goes on working.
    pub fn shutdown(&self, timeout: Duration) {
        self.running().stop(timeout);
    }

    fn running(&self) -> &Arc<Running> {
        self.running.get_or_make(|| Arc::new(Running::new(self.seed.clone())))
    }
}
