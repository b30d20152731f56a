//! The store and the sinks, while this process reports.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use soundpost_core::clock;
use soundpost_core::thread::lock;
use soundpost_sinks::{Names, Sink, Workers};
use soundpost_store::{Reader, SinkState};

use super::Running;
use crate::election::{self, Elected};
use crate::keeper::{Keeper, Surroundings};

/// What is kept of the time to stop, for the store to be closed after the sinks are done.
const CLOSING: Duration = Duration::from_millis(300);
/// Between two looks whether what was recorded is stored.
const FLUSH_LOOK: Duration = Duration::from_millis(5);

impl Running {
    /// How the sinks stand: as the keeper knows, or, where another process reports, as the store has it.
    pub(super) fn sink_states(&self) -> Vec<SinkState> {
        if self.acks.is_empty() || self.is_elected() {
            return self.acks.states();
        }
        let reader = Reader::open(self.seed.place.directory()).ok().flatten();
        let states = reader.and_then(|reader| reader.sinks().ok()).unwrap_or_default();
        let own = |state: &SinkState| self.seed.config.sinks.iter().any(|sink| sink.name() == state.sink);
        states.into_iter().filter(own).collect()
    }

    /// Moves what is recorded into the store if this process is elected.
    pub(super) fn keep_storing(self: &Arc<Self>) {
        let Some(elected) = lock(&self.elected).clone() else { return };
        if lock(&self.keeper).is_some() {
            return;
        }
        if let Some(keeper) = self.make_keeper(&elected)
            && let Err(error) = keeper.start()
        {
            self.seed.registry.diagnostics().warn_once("store", &format!("cannot start a thread: {error}"));
        }
    }

    /// The keeper, made where there is none.
    pub(super) fn make_keeper(&self, elected: &Arc<Elected>) -> Option<Arc<Keeper>> {
        let mut keeper = lock(&self.keeper);
        if keeper.is_none() {
            let made = Keeper::new(Surroundings {
                place: self.seed.place.clone(),
                calls: self.seed.calls.clone(),
                collector: self.collector.clone(),
                attribution: self.attribution.clone(),
                limits: self.seed.config.store.clone(),
                acks: self.acks.clone(),
                _elected: elected.clone(),
            });
            *keeper = made
                .inspect_err(|error| self.seed.registry.diagnostics().warn_once("store", &error.to_string()))
                .ok();
        }
        keeper.clone()
    }

    /// Ships what is stored if this process is elected.
    pub(super) fn keep_shipping(self: &Arc<Self>) {
        if self.acks.is_empty() || !self.is_elected() {
            return;
        }
        let mut workers = lock(&self.workers);
        workers.get_or_insert_with(|| Arc::new(self.make_workers())).check();
        if let Some(workers) = workers.as_ref().filter(|_| self.seed.config.agent) {
            let collector = lock(&self.collector);
            let (version, labels) = (collector.version(), collector.constant_labels());
            drop(collector);
            let owned = |(name, value): &(Arc<str>, Arc<str>)| (name.to_string(), value.to_string());
            let labels: Vec<_> = labels.iter().map(owned).collect();
            workers.set_names(|names| {
                let names = version.iter().fold(names, |names, version| names.of_version(version));
                // Those of a service that is gone are still those of its records.
                if labels.is_empty() { names } else { names.with_labels(labels) }
            });
        }
    }

    pub(super) fn make_workers(&self) -> Workers {
        let (seed, keeper) = (&self.seed, lock(&self.keeper).clone());
        let identity = seed.registry.identity();
        let names = Names::new(identity.service(), identity.own_version(), seed.config.instance.as_deref())
            .with_labels(identity.labels().to_vec());
        let settle = Arc::new(move || keeper.iter().for_each(|keeper| keeper.settle()));
        Workers::start(&seed.config.sinks, &seed.place, seed.calls.clone(), names, self.acks.clone(), settle)
    }

    /// Looks whether the agent ships to the sinks of this process, whose settings it does not know.
    pub(super) fn look_who_ships(&self) {
        let Some(shipped) = election::agents_sinks(&self.seed.place) else { return };
        let mut left_out: Vec<&str> = self.seed.config.sinks.iter().map(Sink::name).collect();
        left_out.retain(|name| !shipped.iter().any(|shipped| shipped == name));
        if left_out.is_empty() {
            return self.set_unshipped(false);
        }
        // What an agent that begins says may be that of an earlier one, once.
        if self.unshipped.fetch_add(1, Ordering::Relaxed) == 1 {
            self.set_unshipped(true);
            let message = format!(
                "sinks: an agent reports for this service and does not ship to {}; name them in SOUNDPOST_SINKS in the \
                 agent's environment",
                left_out.join(", ")
            );
            self.seed.registry.diagnostics().warn_once("sink", &message);
        }
    }

    /// Shows whether an agent does not ship to a sink of this process.
    pub(super) fn set_unshipped(&self, unshipped: bool) {
        if unshipped || self.unshipped.swap(0, Ordering::Relaxed) > 0 {
            self.seed.calls.set_unhealthy("sink_not_shipped", unshipped);
        }
    }

    /// Has all that is recorded stored and shipped by the sinks whose receivers take it, until `deadline`.
    pub(super) fn ship_out(&self, deadline: Instant) {
        if self.acks.is_empty() {
            return;
        }
        let now = Instant::now();
        let deadline = deadline.checked_sub(CLOSING).unwrap_or(now);
        self.store_all(deadline);
        let workers = lock(&self.workers).take();
        workers.unwrap_or_else(|| Arc::new(self.make_workers())).stop(deadline);
    }

    pub(super) fn stop_shipping(&self) {
        let workers = lock(&self.workers).take();
        if let Some(workers) = workers {
            workers.stop(Instant::now());
        }
    }

    pub(super) fn stop_storing(&self, deadline: Instant) {
        let keeper = lock(&self.keeper).take();
        if let Some(keeper) = keeper {
            keeper.stop(deadline);
        }
    }

    /// Waits until what this process recorded so far is stored; false when `timeout` passed first. Then waits until the
    /// sinks have shipped it, but for those whose receivers do not take it.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        self.seed.registry.join();
        let deadline = clock::deadline(timeout);
        let stored = self.store_all(deadline);
        let workers = lock(&self.workers).clone();
        workers.iter().for_each(|workers| workers.flush(deadline));
        stored
    }

    /// Waits until what this process recorded so far is stored; false when `deadline` passed first.
    pub(super) fn store_all(&self, deadline: Instant) -> bool {
        let recorded = self.seed.registry.events_recorded();
        let keeper = lock(&self.keeper).clone();
        while self.seed.registry.events_stored() < recorded {
            if Instant::now() >= deadline {
                return false;
            }
            keeper.iter().for_each(|keeper| keeper.hurry());
            std::thread::sleep(FLUSH_LOOK);
        }
        true
    }

    /// Waits until what processes that are gone have left is in the store and in the totals; false when `timeout`
    /// passed first, or this process is not elected.
    pub(crate) fn recover(self: &Arc<Self>, timeout: Duration) -> bool {
        let deadline = clock::deadline(timeout);
        while self.is_elected() {
            let keeper = lock(&self.keeper).clone();
            keeper.iter().for_each(|keeper| keeper.hurry());
            self.fold();
            if !lock(&self.collector).has_unmerged() {
                return true;
            }
            if Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(FLUSH_LOOK);
        }
        false
    }
}
