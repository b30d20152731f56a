//! The server, while this process reports.

use std::borrow::Cow;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use soundpost_core::snapshot::MetricValue;
use soundpost_core::thread;
use soundpost_core::thread::lock;
use tokio::sync::watch;

use super::Running;
use crate::server::{Health, Server, Sources};

/// Between two tries to listen on a port that was taken.
const PORT_RETRY: Duration = Duration::from_secs(5);
/// The file that tells the service's other processes where its metrics are.
pub const ADDRESS: &str = "address";
/// Reasons of `unhealthy` after which the process cannot work: only they fail `/healthz`.
const FATAL: [&str; 1] = ["poisoned"];

/// The server at work.
#[derive(Default)]
pub(super) struct Serving {
    pub(super) address: Option<String>,
    stop: Option<watch::Sender<bool>>,
    thread: Option<JoinHandle<()>>,
    /// Not before this is listening tried again.
    retry: Option<Instant>,
}

impl Running {
    pub(crate) fn address(&self) -> Option<String> {
        self.seed.config.server.as_ref()?;
        let own = lock(&self.server).address.clone();
        own.or_else(|| std::fs::read_to_string(self.seed.place.directory().join(ADDRESS)).ok())
    }

    /// Listens and serves if this process is elected and does not yet.
    pub(super) fn keep_serving(self: &Arc<Self>) {
        let Some(config) = self.seed.config.server.as_ref().filter(|_| self.is_elected()) else { return };
        let mut serving = lock(&self.server);
        let running = serving.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        if running || serving.retry.is_some_and(|retry| Instant::now() < retry) {
            return;
        }
        let server = match Server::bind(config) {
            Ok(server) => server,
            Err(error) => {
                serving.retry = Some(Instant::now() + PORT_RETRY);
                drop(serving);
                self.seed.calls.set_unhealthy("port_taken", true);
                let message = format!("listen: cannot serve metrics on {}: {error}", config.listen);
                return self.seed.registry.diagnostics().warn_once("serve", &message);
            }
        };
        if serving.retry.take().is_some() {
            self.seed.calls.set_unhealthy("port_taken", false);
        }
        let address = server.address().to_string();
        let _ = self.seed.place.write(ADDRESS, &address);
        let (stop, stopped) = watch::channel(false);
        let (sources, registry) = (self.sources(), self.seed.registry.clone());
        let thread = thread::spawn("soundpost-serve", move || {
            let served = thread::guarded(|| serve(server, sources, stopped));
            if let Err(error) = served.and_then(|result| result.map_err(|error| error.to_string())) {
                registry.diagnostics().warn_once("serve", &format!("serve: {error}"));
            }
        });
        match thread {
            Ok(thread) => {
                *serving =
                    Serving { address: Some(address), stop: Some(stop), thread: Some(thread), retry: None };
            }
            Err(error) => self
                .seed
                .registry
                .diagnostics()
                .warn_once("serve", &format!("cannot start a thread: {error}")),
        }
    }

    pub(super) fn stop_serving(&self, deadline: Instant) {
        let serving = std::mem::take(&mut *lock(&self.server));
        if let Some(stop) = serving.stop {
            let _ = stop.send(true);
            let _ = std::fs::remove_file(self.seed.place.directory().join(ADDRESS));
        }
        if let Some(thread) = serving.thread {
            thread::join_until(thread, deadline);
        }
    }

    pub(super) fn sources(self: &Arc<Self>) -> Sources {
        let (snapshot, health, seed) = (self.clone(), self.clone(), self.seed.clone());
        let registry = seed.registry.clone();
        Sources {
            snapshot: Arc::new(move || snapshot.snapshot()),
            appendix: seed.config.appendix.clone(),
            health: Arc::new(move || health.health()),
            observe_scrape: Arc::new(move |took| seed.scrapes.observe(took.as_secs_f64())),
            fault: Arc::new(move |part| registry.diagnostics().count_error(part)),
        }
    }

    pub(super) fn health(&self) -> Health {
        let snapshot = self.snapshot();
        let name = format!("{}_unhealthy", self.seed.registry.identity().prefix());
        let family = snapshot.families.iter().find(|family| *family.name == *name);
        let raised = |value: &MetricValue| matches!(value, MetricValue::Float(value) if *value > 0.0);
        let flags: Vec<String> = family
            .into_iter()
            .flat_map(|family| family.series.iter().filter(|series| raised(&series.value)))
            .flat_map(|series| series.labels.iter().filter(|(name, _)| &**name == "reason"))
            .map(|(_, reason)| reason.to_string())
            .collect();
        let healthy = !flags.iter().any(|flag| FATAL.contains(&flag.as_str()));
        Health { healthy, flags: flags.into_iter().map(Cow::Owned).collect() }
    }
}

fn serve(server: Server, sources: Sources, stopped: watch::Receiver<bool>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(server.serve(sources, stopped))
}
