//! The scrape server's thread, while this process reports.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use soundpost_core::{Error, Shortage, thread};
use tokio::sync::watch;

use crate::config::{ADDRESS, Config};
use crate::context::ReporterContext;
use crate::server::Server;
use crate::sources::Sources;

/// Interval between attempts to listen on a port that is in use.
const PORT_RETRY: Duration = Duration::from_secs(5);

pub(super) fn check(config: &Config) -> Result<(), Error> {
    let checked = config.server.as_ref().map_or(Ok(()), |server| server.check());
    checked.map_err(|error| Error::config(error.to_string()))
}

/// The scrape server, which is started again if its thread ends.
#[derive(Default)]
pub(super) struct ServerThread {
    running: Option<Running>,
    /// Time of the next attempt, if the port was in use.
    retry: Option<Instant>,
}

struct Running {
    address: String,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl ServerThread {
    pub(super) fn address(&self) -> Option<&str> {
        self.running.as_ref().map(|running| &*running.address)
    }

    /// Starts the server if it is configured and does not run.
    pub(super) fn keep_running(&mut self, context: &ReporterContext, sources: impl FnOnce() -> Sources) {
        let Some(config) = &context.config.server else { return };
        let runs = self.running.as_ref().is_some_and(|running| !running.thread.is_finished());
        if runs || self.retry.is_some_and(|retry| Instant::now() < retry) {
            return;
        }
        let server = match Server::bind(config) {
            Ok(server) => server,
            Err(error) => {
                self.retry = Some(Instant::now() + PORT_RETRY);
                context.calls.set_unhealthy("port_taken", Shortage::of(&error).is_none());
                let message = format!("listen: cannot serve metrics on {}: {error}", config.listen);
                return context.warn("serve", &message);
            }
        };
        if self.retry.take().is_some() {
            context.calls.set_unhealthy("port_taken", false);
        }
        let address = server.address().to_string();
        let _ = context.place.write(ADDRESS, &address);
        let (stop, stopped) = watch::channel(false);
        let (sources, registry) = (sources(), context.registry.clone());
        let thread = thread::spawn("soundpost-serve", move || {
            let served = thread::guarded(|| serve(server, sources, stopped));
            if let Err(error) = served.and_then(|result| result.map_err(|error| error.to_string())) {
                registry.failures().warn_once("serve", &format!("serve: {error}"));
            }
        });
        match thread {
            Ok(thread) => self.running = Some(Running { address, stop, thread }),
            Err(error) => context.warn("serve", &format!("cannot start a thread: {error}")),
        }
    }

    /// Stops the server and waits for its thread until `deadline`.
    pub(super) fn stop(self, context: &ReporterContext, deadline: Instant) {
        let Some(Running { stop, thread, .. }) = self.running else { return };
        let _ = stop.send(true);
        let _ = std::fs::remove_file(context.place.directory().join(ADDRESS));
        thread::join_until(thread, deadline);
    }
}

fn serve(server: Server, sources: Sources, stopped: watch::Receiver<bool>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(server.serve(sources, stopped))
}
