//! The threads of all sinks, while this process reports.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use soundpost_core::thread::{self, lock};
use soundpost_core::{Calls, ServiceDir};
use tokio::sync::watch;

use super::ack_queue::AckQueue;
use super::context::{Around, FlushAcks};
use super::health::Board;
use super::origin::Names;
use super::worker::{Phase, Signal, Worker};
use crate::kind::Sink;

/// Between two looks whether threads are done.
const STEP: Duration = Duration::from_millis(5);
/// What a thread is left to note how far it came when it is told to stop.
const NOTING: Duration = Duration::from_millis(100);
/// Work that ended by a panic begins again after so long; after twice as long each further time.
const FIRST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// The workers.
pub struct Workers {
    around: Arc<Around>,
    signal: watch::Sender<Signal>,
    threads: Mutex<Vec<Thread>>,
}

struct Thread {
    sink: Sink,
    hurried: Arc<AtomicU64>,
    handle: Option<JoinHandle<()>>,
}

impl Workers {
    /// Starts a thread for each sink.
    pub fn start(
        sinks: &[Sink],
        place: &ServiceDir,
        calls: Arc<Calls>,
        names: Names,
        acks: Arc<AckQueue>,
        flush_acks: FlushAcks,
    ) -> Self {
        let directory = place.directory().to_path_buf();
        let names = Mutex::new(Arc::new(names));
        let around =
            Around { directory, calls, names, board: Arc::new(Board::new(place.clone())), acks, flush_acks };
        let thread = |sink: &Sink| Thread { sink: sink.clone(), hurried: Arc::default(), handle: None };
        let threads = Mutex::new(sinks.iter().map(thread).collect());
        let workers = Self { around: Arc::new(around), signal: watch::Sender::default(), threads };
        workers.check();
        workers
    }

    /// What is said of the service from now on: an agent learns it from the service's processes.
    pub fn set_names(&self, change: impl FnOnce(Names) -> Names) {
        let mut names = lock(&self.around.names);
        let changed = change(Names::clone(&names));
        if **names != changed {
            *names = Arc::new(changed);
        }
    }

    /// Has threads begin that could not be started yet; to be called now and then.
    pub fn check(&self) {
        if self.signal.borrow().phase == Phase::Run {
            lock(&self.threads)
                .iter_mut()
                .filter(|thread| thread.handle.is_none())
                .for_each(|thread| self.begin(thread));
        }
    }

    fn begin(&self, thread: &mut Thread) {
        let (sink, around) = (thread.sink.clone(), self.around.clone());
        let (signal, hurried) = (self.signal.subscribe(), thread.hurried.clone());
        let name = format!("soundpost-sink-{}", sink.name());
        match thread::spawn(&name, move || work(&sink, &around, &signal, &hurried)) {
            Ok(handle) => thread.handle = Some(handle),
            Err(error) => {
                let message = format!("cannot start a thread: {error}");
                self.around.calls.registry().diagnostics().warn_once("sink", &message);
            }
        }
    }

    /// Waits until all that is stored now is shipped, but for sinks whose receivers take nothing.
    pub fn flush(&self, deadline: Instant) {
        self.signal.send_modify(|signal| signal.hurry += 1);
        let wanted = self.signal.borrow().hurry;
        let waits =
            |thread: &Thread| thread.handle.is_some() && thread.hurried.load(Ordering::Acquire) < wanted;
        while lock(&self.threads).iter().any(waits) && Instant::now() < deadline {
            std::thread::sleep(STEP);
        }
    }

    /// Has what is stored shipped until `deadline`, by those sinks whose receivers take it, and ends all threads.
    pub fn stop(&self, deadline: Instant) {
        self.signal.send_modify(|signal| signal.phase = Phase::Drain);
        let mut threads = std::mem::take(&mut *lock(&self.threads));
        let runs = |thread: &Thread| thread.handle.as_ref().is_some_and(|handle| !handle.is_finished());
        while threads.iter().any(runs) && Instant::now() < deadline {
            std::thread::sleep(STEP);
        }
        self.signal.send_modify(|signal| signal.phase = Phase::Stop);
        let end = Instant::now() + NOTING;
        threads
            .iter_mut()
            .filter_map(|thread| thread.handle.take())
            .for_each(|handle| thread::join_until(handle, end));
    }
}

/// The body of a thread: begins again when it fails, sooner or later.
fn work(sink: &Sink, around: &Arc<Around>, signal: &watch::Receiver<Signal>, hurried: &Arc<AtomicU64>) {
    let mut rest = FIRST_REST;
    loop {
        let attempt = || match Worker::new(sink.clone(), around.clone(), signal.clone(), hurried.clone()) {
            Ok(worker) => worker.run().map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let Err(error) = thread::guarded(attempt).and_then(|ended| ended) else { return };
        around.calls.registry().diagnostics().warn_once("sink", &format!("sink {sink}: {error}"));
        let begins = Instant::now() + rest;
        while Instant::now() < begins {
            if signal.borrow().phase != Phase::Run {
                return;
            }
            std::thread::sleep(STEP);
        }
        rest = (rest * 2).min(LONGEST_REST);
    }
}
