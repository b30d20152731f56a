//! The thread that moves finished calls, log events, deaths and vitals from the segments into the store.
//!
//! Records stay in their segments until they are stored, unless the ring becomes full first. The transaction that
//! stores them also stores the position in each segment. So a kill at any point loses nothing, and the next reporter
//! stores nothing twice.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use soundpost_core::thread::lock;
use soundpost_core::{Error, thread};

use super::deps::Deps;
use super::ingest::Ingest;
use crate::election::Lease;

/// Interval at which the fill level of the rings is polled.
const POLL: Duration = Duration::from_millis(50);
/// The same while the rings fill quickly.
const BUSY_POLL: Duration = Duration::from_millis(5);
/// Fill level at one poll from which a ring counts as filling quickly.
const BUSY_FILL: f64 = 0.02;
/// Interval between rounds.
const ROUND: Duration = Duration::from_millis(200);
/// Fill level at which a round begins at once.
const ROUND_FILL: f64 = 0.2;
/// Interval at which a caller polls for stored records.
const STORED_POLL: Duration = Duration::from_millis(5);

pub(super) struct StoreThread {
    deps: Arc<Deps>,
    ingest: Mutex<Ingest>,
    signal: Mutex<Signal>,
    wake: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Held as long as this thread runs, so that a disk that hangs does not give the store a second writer.
    _lease: Arc<Lease>,
}

#[derive(Clone, Copy, Default)]
struct Signal {
    /// A caller waits for the records of this moment.
    hurry: bool,
    /// A sink waits for an acknowledgement to be stored.
    acknowledged: bool,
    stopping: bool,
}

impl StoreThread {
    pub(super) fn new(deps: Arc<Deps>, lease: Arc<Lease>) -> Result<Arc<Self>, Error> {
        let ingest = Mutex::new(Ingest::new(deps.clone())?);
        let (signal, wake, thread) = (Mutex::default(), Condvar::new(), Mutex::default());
        Ok(Arc::new(Self { deps, ingest, signal, wake, thread, _lease: lease }))
    }

    pub(super) fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let mut thread = lock(&self.thread);
        if thread.is_none() {
            let this = self.clone();
            *thread = Some(thread::spawn("soundpost-store", move || this.run())?);
        }
        Ok(())
    }

    /// Begins a round as soon as possible.
    pub(super) fn hurry(&self) {
        lock(&self.signal).hurry = true;
        self.wake.notify_all();
    }

    /// Stores the queued acknowledgements as soon as possible.
    #[cfg(feature = "sinks")]
    pub(super) fn flush_acks(&self) {
        lock(&self.signal).acknowledged = true;
        self.wake.notify_all();
    }

    /// Makes the thread store the remaining records, close the store and end; waits for it until `deadline`. Records
    /// that a hanging disk does not accept stay in the segments.
    pub(super) fn stop(self: &Arc<Self>, deadline: Instant) {
        lock(&self.signal).stopping = true;
        self.wake.notify_all();
        if self.start().is_err() {
            return self.finish();
        }
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            thread::join_until(thread, deadline);
        }
    }

    /// Waits until all records of this moment are stored; returns false at `deadline`.
    pub(super) fn store_all(store: Option<&Arc<Self>>, deps: &Deps, deadline: Instant) -> bool {
        let registry = &deps.context.registry;
        let recorded = registry.events_recorded();
        poll_until(deadline, || {
            let stored = registry.events_stored() >= recorded;
            if let Some(store) = store.filter(|_| !stored) {
                store.hurry();
            }
            stored
        })
    }

    fn run(&self) {
        // The first round is at the first poll, and reads the remains of a crash.
        let mut last: Option<Instant> = None;
        let mut poll = POLL;
        loop {
            let (mut signal, _) = self
                .wake
                .wait_timeout_while(lock(&self.signal), poll, |signal| {
                    !signal.hurry && !signal.acknowledged && !signal.stopping
                })
                .unwrap_or_else(PoisonError::into_inner);
            let (hurry, stopping) = (signal.hurry, signal.stopping);
            signal.acknowledged = false;
            drop(signal);
            if stopping {
                return self.finish();
            }
            let mut ingest = lock(&self.ingest);
            ingest.storage.flush_acks();
            let due = last.is_none_or(|last| last.elapsed() >= ROUND);
            let fill = ingest.rings.fill();
            poll = if fill >= BUSY_FILL { BUSY_POLL } else { POLL };
            if hurry || due || fill >= ROUND_FILL {
                lock(&self.signal).hurry = false;
                self.round(&mut ingest, false);
                last = Some(Instant::now());
            }
        }
    }

    fn finish(&self) {
        let mut ingest = lock(&self.ingest);
        self.round(&mut ingest, true);
        ingest.storage.flush_acks();
        ingest.storage.close();
    }

    fn round(&self, ingest: &mut Ingest, last: bool) {
        let is_stopping = || lock(&self.signal).stopping;
        if let Err(panic) = thread::guarded(|| ingest.round(last, is_stopping)) {
            self.deps.context.warn("store", &format!("store: {panic}"));
            ingest.restart();
        }
    }
}

/// Polls until `done` returns true; returns false at `deadline`.
pub(super) fn poll_until(deadline: Instant, mut done: impl FnMut() -> bool) -> bool {
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(STORED_POLL);
    }
}
