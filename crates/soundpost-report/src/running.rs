//! One process's reporter at work: its threads, and what they share.
//!
//! The thread `soundpost-watch` says that the process lives, ends idle calls, stands for election, and once
//! elected folds segments of ended processes and keeps the server up. `soundpost-serve` runs the server.
//! Neither ever attaches to a Python interpreter.

mod sampling;
mod serving;
mod storing;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use soundpost_core::snapshot::{Collector, Snapshot};
use soundpost_core::thread::lock;
use soundpost_core::{InFlightCall, clock, thread};
use soundpost_sinks::{AckQueue, Workers, add_sink_families};

use self::serving::Serving;
use crate::attribution::Attribution;
use crate::election::{self, Announced, Elected};
use crate::keeper::Keeper;
use crate::reporter::Seed;
use crate::vitals::{Vitals, say_facts};
pub use serving::ADDRESS;

/// Between two looks: a process takes over well within 2 s.
const TICK: Duration = Duration::from_millis(500);
/// The same for an agent that waits for a process of the service to hand over.
const WAITING_TICK: Duration = Duration::from_millis(50);
/// What a process may take to stop reporting when an agent is there.
const STEP_BACK: Duration = Duration::from_millis(500);
/// Between two tries to be the one who removes the files, when several processes stop at once.
const STOP_RETRY: Duration = Duration::from_millis(5);

pub(crate) struct Running {
    seed: Arc<Seed>,
    collector: Arc<Mutex<Collector>>,
    announced: Mutex<Option<Announced>>,
    elected: Mutex<Option<Arc<Elected>>>,
    server: Mutex<Serving>,
    vitals: Mutex<Option<Vitals>>,
    attribution: Arc<Attribution>,
    keeper: Mutex<Option<Arc<Keeper>>>,
    acks: Arc<AckQueue>,
    workers: Mutex<Option<Arc<Workers>>>,
    /// Looks in a row at which an agent did not ship to a sink of ours.
    unshipped: AtomicU32,
    started: AtomicBool,
    stopping: Mutex<bool>,
    wake: Condvar,
    watch: Mutex<Option<JoinHandle<()>>>,
}

impl Running {
    pub(crate) fn new(seed: Arc<Seed>) -> Self {
        let collector = Collector::new(seed.place.clone(), seed.registry.clone()).keep_undrained();
        let collector = Arc::new(Mutex::new(collector));
        let attribution = Arc::new(Attribution::new(seed.calls.clone()));
        let sinks = seed.config.sinks.iter().map(|sink| (sink.name().to_owned(), sink.kinds()));
        let acks = Arc::new(AckQueue::new(sinks.collect()));
        Self {
            seed,
            collector,
            announced: Mutex::new(None),
            elected: Mutex::new(None),
            server: Mutex::default(),
            vitals: Mutex::new(None),
            attribution,
            keeper: Mutex::new(None),
            acks,
            workers: Mutex::new(None),
            unshipped: AtomicU32::new(0),
            started: AtomicBool::new(false),
            stopping: Mutex::new(false),
            wake: Condvar::new(),
            watch: Mutex::new(None),
        }
    }

    /// Keeps what says that this process is the agent until it stops.
    pub(crate) fn announce(&self, announced: Option<Announced>) {
        *lock(&self.announced) = announced;
    }

    /// Stands for election, listens if elected, and starts the watching thread; once.
    pub(crate) fn start(self: &Arc<Self>) {
        if self.started.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(reason) = self.seed.registry.fallback() {
            self.seed.calls.set_unhealthy("segment_not_shared", true);
            let message = format!("no segment file, other processes do not see this one: {reason}");
            self.seed.registry.diagnostics().warn_once("segment", &message);
        }
        if let Some(problem) = self.seed.place.problem() {
            self.seed.calls.set_unhealthy("directory_not_writable", true);
            self.seed.registry.diagnostics().warn_once("directory", &format!("directory: {problem}"));
        }
        say_facts(&self.seed.calls);
        self.look();
        let myself = self.clone();
        match thread::spawn("soundpost-watch", move || myself.watch()) {
            Ok(thread) => *lock(&self.watch) = Some(thread),
            Err(error) => self
                .seed
                .registry
                .diagnostics()
                .warn_once("watch", &format!("cannot start a thread: {error}")),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        // In a forked child this starts the watch, which takes the locks below.
        self.seed.registry.join();
        let (mut snapshot, labels) = {
            let mut collector = lock(&self.collector);
            (collector.snapshot(), collector.constant_labels())
        };
        add_sink_families(&mut snapshot, &self.sink_states(), &labels, clock::unix_nanos());
        snapshot
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.seed.registry.join();
        lock(&self.collector).pids()
    }

    pub(crate) fn namespace(&self) -> String {
        lock(&self.collector).prefix().to_owned()
    }

    pub(crate) fn is_elected(&self) -> bool {
        lock(&self.elected).is_some()
    }

    pub(crate) fn stop(&self, timeout: Duration) {
        // A forked child that never recorded joins now, before locks are taken, and starts nothing any more.
        self.started.store(true, Ordering::Release);
        self.seed.registry.join();
        // First of all, so that others who stop at this moment see that nobody goes on.
        if !self.seed.config.agent {
            self.seed.registry.close();
        }
        *lock(&self.stopping) = true;
        self.wake.notify_all();
        let deadline = clock::deadline(timeout);
        let watch = lock(&self.watch).take();
        if let Some(watch) = watch {
            thread::join_until(watch, deadline);
        }
        self.stop_serving(deadline);
        self.stop_sampling(deadline);
        let mut elected = lock(&self.elected);
        while elected.is_none() {
            *elected = self.stand_now();
            // Whoever is elected may be about to stop as well; somebody has to be the last.
            let wait = elected.is_none()
                && !self.leaves_it_to_agent()
                && !lock(&self.collector).has_other_processes();
            if !wait || Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(STOP_RETRY);
        }
        if let Some(elected) = &*elected {
            // What the others left is taken over before the last one removes it.
            if let Some(keeper) = self.make_keeper(elected)
                && keeper.is_new()
            {
                let _ = keeper.start();
            }
            self.ship_out(deadline);
            self.stop_storing(deadline);
            lock(&self.collector).end_run();
        }
        *elected = None;
        *lock(&self.announced) = None;
    }

    /// Whether an agent reports for this process.
    fn leaves_it_to_agent(&self) -> bool {
        !self.seed.config.agent && election::agent(&self.seed.place).is_some()
    }

    fn stand_now(&self) -> Option<Arc<Elected>> {
        election::stand(&self.seed.place, self.seed.registry.fallback().is_some()).map(Arc::new)
    }

    fn watch(self: Arc<Self>) {
        loop {
            let waits = self.seed.config.agent && !self.is_elected();
            let tick = if waits { WAITING_TICK } else { TICK };
            let stopping = lock(&self.stopping);
            let (stopping, _) = self
                .wake
                .wait_timeout_while(stopping, tick, |stopping| !*stopping)
                .unwrap_or_else(PoisonError::into_inner);
            if *stopping {
                return;
            }
            drop(stopping);
            self.look();
        }
    }

    /// Everything that is done once a tick; a panic in it is counted and the next tick goes on.
    fn look(self: &Arc<Self>) {
        for (part, step) in [
            ("watch", Self::keep as fn(&Arc<Self>)),
            ("election", Self::stand),
            ("fold", Self::fold),
            ("serve", Self::keep_serving),
            // Before the store: calls that a crash left are completed from the history.
            ("vitals", Self::keep_sampling),
            ("store", Self::keep_storing),
            ("sink", Self::keep_shipping),
        ] {
            if let Err(panic) = thread::guarded(|| step(self)) {
                self.seed.registry.diagnostics().warn_once(part, &format!("{part}: {panic}"));
            }
        }
    }

    fn keep(self: &Arc<Self>) {
        self.seed.registry.beat();
        self.seed.calls.reap_idle(self.seed.config.idle_limit);
    }

    fn stand(self: &Arc<Self>) {
        if self.leaves_it_to_agent() {
            self.look_who_ships();
            return self.step_back();
        }
        self.set_unshipped(false);
        let mut elected = lock(&self.elected);
        if elected.is_some() {
            return;
        }
        *elected = self.stand_now();
        // Only a process that starts may find that the run before it is over.
        if elected.is_some() && lock(&self.watch).is_none() {
            lock(&self.collector).take_over_last_run();
            self.seed.place.reclaim();
        }
        if elected.is_some() {
            // What it says is of a server that is gone.
            let _ = std::fs::remove_file(self.seed.place.directory().join(ADDRESS));
        }
    }

    /// Leaves reporting to the agent, if this process was elected.
    fn step_back(&self) {
        if !self.is_elected() {
            return;
        }
        let deadline = Instant::now() + STEP_BACK;
        self.stop_serving(deadline);
        self.seed.calls.set_unhealthy("port_taken", false);
        self.stop_sampling(deadline);
        self.stop_shipping();
        self.stop_storing(deadline);
        *lock(&self.elected) = None;
    }

    fn fold(self: &Arc<Self>) {
        if !self.is_elected() {
            return;
        }
        let mut collector = lock(&self.collector);
        collector.merge_dead();
        if self.seed.config.agent {
            collector.start_new_run();
        }
    }

    pub(crate) fn in_flight(&self) -> Vec<InFlightCall> {
        self.seed.registry.join();
        lock(&self.collector).in_flight()
    }
}
