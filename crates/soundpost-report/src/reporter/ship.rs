//! The sinks' workers, while this process reports.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use soundpost_core::snapshot::{Labels, Snapshot};
use soundpost_core::thread::lock;
use soundpost_core::{Error, clock};
use soundpost_sinks::{OwnedOrigin, Sink, Workers, add_sink_families, prepared};
use soundpost_store::{Reader, SinkState};

use super::deps::Deps;
use super::store_thread::StoreThread;
use crate::config::Config;
use crate::context::ReporterContext;
use crate::election;

/// Completes the configured sinks.
///
/// # Errors
/// When a sink is invalid, or there is no store to ship from.
pub(super) fn prepare(config: &mut Config) -> Result<(), Error> {
    config.sinks = prepared(std::mem::take(&mut config.sinks))?;
    match config.store.is_none() && !config.sinks.is_empty() {
        true => Err(Error::config("sinks: they ship what the store has, and there is to be no store")),
        false => Ok(()),
    }
}

pub(super) fn names(config: &Config) -> Vec<String> {
    config.sinks.iter().map(|sink| sink.name().to_owned()).collect()
}

/// Number of checks that an agent has for reading the sinks of the service.
const AGENT_CHECKS: u32 = 3;

/// The sinks' workers: they deliver stored records, and queue acknowledgements for the store.
#[derive(Clone, Default)]
pub(super) struct SinkThreads {
    workers: Option<Arc<Workers>>,
    /// Number of changes of the sinks that the workers have.
    changes: u64,
}

impl SinkThreads {
    /// Starts the workers of the sinks, and starts those again that ended; replaces them where the sinks have changed.
    pub(super) fn keep_running(&mut self, deps: &Deps, store: &Arc<StoreThread>) {
        if deps.acks.is_empty() && self.workers.is_none() {
            return;
        }
        let workers = self.workers.get_or_insert_with(|| start_workers(deps, store));
        if self.changes != deps.sinks.changes() {
            let (sinks, changes) = deps.sinks.current();
            workers.replace(&sinks);
            self.changes = changes;
        }
        workers.check();
        if deps.context.config.agent {
            update_names(deps, workers);
        }
    }

    /// Waits until the stored records are shipped, except to receivers that do not accept them.
    pub(super) fn flush(&self, deadline: Instant) {
        self.workers.iter().for_each(|workers| workers.flush(deadline));
    }

    /// Ships the rest until `deadline`, and ends the workers.
    pub(super) fn stop(&self, deadline: Instant) {
        self.workers.iter().for_each(|workers| workers.stop(deadline));
    }
}

fn start_workers(deps: &Deps, store: &Arc<StoreThread>) -> Arc<Workers> {
    let (context, store) = (&deps.context, store.clone());
    let identity = context.registry.identity();
    let names = OwnedOrigin::new(identity.service(), identity.origin(), identity.labels().to_vec());
    Arc::new(Workers::start(
        &deps.sinks.current().0,
        &context.place,
        context.calls.clone(),
        names,
        deps.acks.clone(),
        Arc::new(move || store.flush_acks()),
    ))
}

/// Updates version, instance and labels of an agent's records to those of the service's processes. The records of a
/// service without processes keep the last ones.
fn update_names(deps: &Deps, workers: &Workers) {
    let collector = lock(&deps.collector);
    let labels = collector.constant_labels();
    workers.update_names(|names| {
        collector.update_origin(&mut names.default);
        if !labels.is_empty() {
            let owned = |(name, value): &(Arc<str>, Arc<str>)| (name.to_string(), value.to_string());
            names.labels = labels.iter().map(owned).collect();
        }
    });
}

/// Adds the families of the sinks to a snapshot, from the store where another process reports.
pub(super) fn add_families(deps: &Deps, snapshot: &mut Snapshot, labels: &Labels, is_elected: bool) {
    let states = match deps.acks.is_empty() || is_elected {
        true => deps.acks.states(),
        false => stored_states(&deps.context),
    };
    add_sink_families(snapshot, &states, labels, clock::unix_nanos());
}

/// Reads the states of this process's sinks from the store, which another process writes.
fn stored_states(context: &ReporterContext) -> Vec<SinkState> {
    let reader = Reader::open(context.place.directory()).ok().flatten();
    let states = reader.and_then(|reader| reader.sinks().ok()).unwrap_or_default();
    let own = |state: &SinkState| context.config.sinks.iter().any(|sink| sink.name() == state.sink);
    states.into_iter().filter(own).collect()
}

/// Detects an agent that does not ship to a sink of this process.
#[derive(Default)]
pub(super) struct UnshippedSinks {
    /// Number of consecutive checks that found such a sink.
    checks: AtomicU32,
}

impl UnshippedSinks {
    /// Compares the sinks of this process with those that the agent ships to.
    pub(super) fn check(&self, context: &ReporterContext) {
        let Some(shipped) = election::agents_sinks(&context.place) else { return };
        let is_shipped = |sink: &&Sink| shipped.iter().any(|name| name == sink.name());
        let mut unshipped = context.config.sinks.iter().filter(|sink| !is_shipped(sink)).peekable();
        if unshipped.peek().is_none() {
            return self.clear(context);
        }
        // The first checks may precede the agent's reading of the sinks.
        if self.checks.fetch_add(1, Ordering::Relaxed) == AGENT_CHECKS {
            context.calls.set_unhealthy("sink_not_shipped", true);
            for sink in unshipped {
                let why = sink.agents_obstacle().unwrap_or_else(|| "see the agent's log".to_owned());
                let message =
                    format!("sink {sink}: an agent reports for this service and does not ship to it; {why}");
                context.registry.diagnostics().warn("sink", &message);
            }
        }
    }

    /// Clears the flag.
    pub(super) fn clear(&self, context: &ReporterContext) {
        if self.checks.swap(0, Ordering::Relaxed) > 0 {
            context.calls.set_unhealthy("sink_not_shipped", false);
        }
    }
}
