//! State that exists only while this process reports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use soundpost_core::thread::lock;

use super::deps::Deps;
use super::sample::Vitals;
use super::serve::ServerThread;
use super::ship::SinkThreads;
use super::store_thread::StoreThread;
use crate::election::Lease;

/// Part of the time to stop that is reserved for closing the store after the sinks have stopped.
const CLOSE_TIME: Duration = Duration::from_millis(300);

/// The lease of the reporter, and the threads that hold it.
pub(super) struct Elected {
    lease: Arc<Lease>,
    pub(super) server: ServerThread,
    pub(super) vitals: Option<Vitals>,
    pub(super) store: Option<Arc<StoreThread>>,
    pub(super) sinks: SinkThreads,
}

impl Elected {
    pub(super) fn new(lease: Lease) -> Self {
        Self {
            lease: Arc::new(lease),
            server: ServerThread::default(),
            vitals: None,
            store: None,
            sinks: SinkThreads::default(),
        }
    }

    /// Keeps the store's thread running.
    pub(super) fn ingest(&mut self, deps: &Arc<Deps>) {
        if self.store.is_none() {
            let made = StoreThread::new(deps.clone(), self.lease.clone());
            self.store = made.inspect_err(|error| deps.context.warn("store", &error.to_string())).ok();
        }
        if let Some(Err(error)) = self.store.as_ref().map(StoreThread::start) {
            deps.context.warn("store", &format!("cannot start a thread: {error}"));
        }
    }

    /// Keeps the sinks' workers running.
    pub(super) fn ship(&mut self, deps: &Deps) {
        if let Some(store) = &self.store {
            self.sinks.keep_running(deps, store);
        }
    }

    /// Stops the scrape server and the sampler.
    pub(super) fn stop_serving(&mut self, deps: &Deps, deadline: Instant) {
        std::mem::take(&mut self.server).stop(&deps.context, deadline);
        if let Some(vitals) = self.vitals.take() {
            vitals.stop(deadline);
        }
    }

    /// Stops everything, and leaves the rest to another process.
    pub(super) fn step_back(mut self, deps: &Deps, deadline: Instant) {
        self.stop_serving(deps, deadline);
        self.sinks.stop(Instant::now());
        if let Some(store) = self.store {
            store.stop(deadline);
        }
    }

    /// Stores and ships the rest until `deadline`, as far as the receivers of the sinks accept it, and ends the run.
    pub(super) fn finish(mut self, deps: &Arc<Deps>, deadline: Instant) {
        // The records that other processes left are stored before the last process removes their segments.
        self.ingest(deps);
        if let Some(store) = self.store {
            if !deps.acks.is_empty() {
                let deadline = deadline.checked_sub(CLOSE_TIME).unwrap_or_else(Instant::now);
                StoreThread::store_all(Some(&store), deps, deadline);
                self.sinks.keep_running(deps, &store);
                self.sinks.stop(deadline);
            }
            store.stop(deadline);
        }
        lock(&deps.collector).end_run();
    }
}
