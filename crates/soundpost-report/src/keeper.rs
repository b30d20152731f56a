//! The keeper: moves finished calls, calls that died and vitals from the segments into the store.
//!
//! What it takes stays in its segment until it is stored, unless that takes so long that the ring gets full.
//! Killed at any point it loses nothing, and the next one stores nothing twice: how far each segment is stored
//! is written in the same transaction.

mod work;

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use soundpost_core::snapshot::Collector;
use soundpost_core::thread::lock;
use soundpost_core::{Calls, Error, ServiceDir, thread};
use soundpost_sinks::AckQueue;
use soundpost_store::{Limits, VitalsSample};

use crate::attribution::Attribution;
use crate::election::Elected;
use crate::moments::Moments;
use work::Work;

/// How often it is looked how full the rings are.
const LOOK: Duration = Duration::from_millis(50);
/// The same while they fill quickly.
const BUSY_LOOK: Duration = Duration::from_millis(5);
/// A ring fills quickly that has so much at a look.
const BUSY: f64 = 0.02;
/// How often they are read when they are not.
const ROUND: Duration = Duration::from_millis(200);
/// A ring so full is read at once.
const FILLING: f64 = 0.2;

/// What a keeper works with.
pub(crate) struct Surroundings {
    pub(crate) place: ServiceDir,
    pub(crate) calls: Arc<Calls>,
    pub(crate) collector: Arc<Mutex<Collector>>,
    pub(crate) attribution: Arc<Attribution>,
    /// None: calls are attributed and let go.
    pub(crate) limits: Option<Limits>,
    /// What the sinks did with what is stored.
    pub(crate) acks: Arc<AckQueue>,
    /// Being the reporter, for as long as this thread is at it: a disk that hangs must not give the store a second
    /// writer.
    pub(crate) _elected: Arc<Elected>,
}

/// Keeps while it is not stopped.
pub(crate) struct Keeper {
    around: Surroundings,
    work: Mutex<Work>,
    samples: Mutex<Moments>,
    signal: Mutex<Signal>,
    wake: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Clone, Copy, Default)]
struct Signal {
    /// Somebody waits for what was recorded.
    hurry: bool,
    /// A sink waits for what it did to be written.
    acknowledged: bool,
    stopping: bool,
}

impl Keeper {
    /// A keeper that has not begun.
    ///
    /// # Errors
    /// When a name of its metrics is taken.
    pub(crate) fn new(around: Surroundings) -> Result<Arc<Self>, Error> {
        let work = Work::new(&around)?;
        Ok(Arc::new(Self {
            around,
            work: Mutex::new(work),
            samples: Mutex::default(),
            signal: Mutex::default(),
            wake: Condvar::new(),
            thread: Mutex::default(),
        }))
    }

    /// Starts its thread.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let myself = self.clone();
        *lock(&self.thread) = Some(thread::spawn("soundpost-store", move || myself.run())?);
        Ok(())
    }

    /// Whether it has not begun.
    pub(crate) fn is_new(&self) -> bool {
        lock(&self.thread).is_none()
    }

    /// Takes samples of vitals; beyond a bound the oldest go.
    pub(crate) fn take(&self, sampled: Vec<VitalsSample>) {
        lock(&self.samples).take(sampled);
    }

    /// Stores what was recorded up to now soon.
    pub(crate) fn hurry(&self) {
        lock(&self.signal).hurry = true;
        self.wake.notify_all();
    }

    /// Writes what the acks holds at once.
    pub(crate) fn settle(&self) {
        lock(&self.signal).acknowledged = true;
        self.wake.notify_all();
    }

    /// Has its thread store what is there, close the store and end; waits for that until `deadline`. What a disk
    /// that hangs does not take stays in the segments.
    pub(crate) fn stop(self: &Arc<Self>, deadline: Instant) {
        lock(&self.signal).stopping = true;
        self.wake.notify_all();
        if lock(&self.thread).is_none() && self.start().is_err() {
            return self.finish();
        }
        if let Some(thread) = lock(&self.thread).take() {
            thread::join_until(thread, deadline);
        }
    }

    fn run(&self) {
        // What a crash left is read at the first look.
        let mut last: Option<Instant> = None;
        let mut look = LOOK;
        loop {
            let (mut signal, _) = self
                .wake
                .wait_timeout_while(lock(&self.signal), look, |signal| {
                    !signal.hurry && !signal.acknowledged && !signal.stopping
                })
                .unwrap_or_else(PoisonError::into_inner);
            let (hurry, stopping) = (signal.hurry, signal.stopping);
            signal.acknowledged = false;
            drop(signal);
            if stopping {
                return self.finish();
            }
            let mut work = lock(&self.work);
            work.settle(self);
            let due = last.is_none_or(|last| last.elapsed() >= ROUND);
            let fill = work.fill();
            look = if fill >= BUSY { BUSY_LOOK } else { LOOK };
            if hurry || due || fill >= FILLING {
                lock(&self.signal).hurry = false;
                self.round(&mut work, false);
                last = Some(Instant::now());
            }
        }
    }

    /// The last round.
    fn finish(&self) {
        let mut work = lock(&self.work);
        self.round(&mut work, true);
        work.settle(self);
        work.close();
    }

    fn round(&self, work: &mut Work, last: bool) {
        if let Err(panic) = thread::guarded(|| work.round(self, last)) {
            self.around.calls.registry().diagnostics().warn_once("store", &format!("store: {panic}"));
            work.begin_again(&self.around);
        }
    }

    fn is_stopping(&self) -> bool {
        lock(&self.signal).stopping
    }
}
