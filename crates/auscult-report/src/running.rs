//! One process's reporter at work: its threads, and what they share.
//!
//! The thread `auscult-watch` says that the process lives, ends idle calls, stands for election, and once
//! elected folds segments of ended processes and keeps the server up. `auscult-serve` runs the server.
//! Neither ever attaches to a Python interpreter.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use auscult_core::snapshot::{Activity, Collector, Snapshot, Value};
use auscult_core::thread::lock;
use auscult_core::{InFlightCall, clock, thread};
use auscult_vitals::Listener;
use tokio::sync::watch;

use crate::attribution::Attribution;
use crate::election::{self, Announced, Elected};
use crate::keeper::{Keeper, Surroundings};
use crate::ledger::Ledger;
use crate::reporter::Seed;
use crate::server::{Health, Server, Sources};
use crate::sink::{self, Names, Workers};
use crate::store::{Entity, Reader, SinkState, VitalsSample};
use crate::vitals::{Known, Vitals, Wanted, say_facts};

/// Between two looks: a process takes over well within 2 s.
const TICK: Duration = Duration::from_millis(500);
/// The same for an agent that waits for a process of the service to hand over.
const WAITING_TICK: Duration = Duration::from_millis(50);
/// What a process may take to stop reporting when an agent is there.
const STEP_BACK: Duration = Duration::from_millis(500);
/// Between two tries to listen on a port that was taken.
const PORT_RETRY: Duration = Duration::from_secs(5);
/// Between two looks whether what was recorded is stored.
const FLUSH_LOOK: Duration = Duration::from_millis(5);
/// Between two tries to be the one who removes the files, when several processes stop at once.
const STOP_RETRY: Duration = Duration::from_millis(5);
/// What is kept of the time to stop, for the store to be closed after the sinks are done.
const CLOSING: Duration = Duration::from_millis(300);
/// The file that tells the service's other processes where its metrics are.
pub const ADDRESS: &str = "address";
/// Reasons of `unhealthy` after which the process cannot work: only they fail `/healthz`.
const FATAL: [&str; 1] = ["poisoned"];

pub(crate) struct Running {
    seed: Arc<Seed>,
    collector: Arc<Mutex<Collector>>,
    announced: Mutex<Option<Announced>>,
    elected: Mutex<Option<Arc<Elected>>>,
    server: Mutex<Serving>,
    vitals: Mutex<Option<Vitals>>,
    attribution: Arc<Attribution>,
    keeper: Mutex<Option<Arc<Keeper>>>,
    ledger: Arc<Ledger>,
    workers: Mutex<Option<Arc<Workers>>>,
    started: AtomicBool,
    stopping: Mutex<bool>,
    wake: Condvar,
    watch: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Serving {
    address: Option<String>,
    stop: Option<watch::Sender<bool>>,
    thread: Option<JoinHandle<()>>,
    /// Not before this is listening tried again.
    retry: Option<Instant>,
}

impl Running {
    pub(crate) fn new(seed: Arc<Seed>) -> Self {
        let collector = Collector::new(seed.place.clone(), seed.registry.clone()).only_adopted();
        let collector = Arc::new(Mutex::new(collector));
        let attribution = Arc::new(Attribution::new(seed.calls.clone()));
        let sinks = seed.config.sinks.iter().map(|sink| (sink.name().to_owned(), sink.kinds()));
        let ledger = Arc::new(Ledger::new(sinks.collect()));
        Self {
            seed,
            collector,
            announced: Mutex::new(None),
            elected: Mutex::new(None),
            server: Mutex::default(),
            vitals: Mutex::new(None),
            attribution,
            keeper: Mutex::new(None),
            ledger,
            workers: Mutex::new(None),
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
            self.seed.registry.fault("segment", &message);
        }
        if let Some(problem) = self.seed.place.problem() {
            self.seed.calls.set_unhealthy("directory_not_writable", true);
            self.seed.registry.fault("directory", &format!("directory: {problem}"));
        }
        say_facts(&self.seed.calls);
        self.look();
        let myself = self.clone();
        match thread::spawn("auscult-watch", move || myself.watch()) {
            Ok(thread) => *lock(&self.watch) = Some(thread),
            Err(error) => self.seed.registry.fault("watch", &format!("cannot start a thread: {error}")),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        // In a forked child this starts the watch, which takes the locks below.
        self.seed.registry.join();
        let (mut snapshot, labels) = {
            let mut collector = lock(&self.collector);
            (collector.snapshot(), collector.constant_labels())
        };
        sink::expose(&mut snapshot, &self.sink_states(), &labels);
        snapshot
    }

    /// How the sinks stand: as the keeper knows, or, where another process reports, as the store has it.
    fn sink_states(&self) -> Vec<SinkState> {
        if self.ledger.is_empty() || self.is_elected() {
            return self.ledger.states();
        }
        let reader = Reader::open(self.seed.place.directory()).ok().flatten();
        let states = reader.and_then(|reader| reader.sinks().ok()).unwrap_or_default();
        let own = |state: &SinkState| self.seed.config.sinks.iter().any(|sink| sink.name() == state.sink);
        states.into_iter().filter(own).collect()
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

    pub(crate) fn address(&self) -> Option<String> {
        self.seed.config.server.as_ref()?;
        let own = lock(&self.server).address.clone();
        own.or_else(|| std::fs::read_to_string(self.seed.place.directory().join(ADDRESS)).ok())
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
            let wait =
                elected.is_none() && !self.leaves_it_to_agent() && !lock(&self.collector).goes_on_elsewhere();
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
            lock(&self.collector).end();
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
                self.seed.registry.fault(part, &format!("{part}: {panic}"));
            }
        }
    }

    fn keep(self: &Arc<Self>) {
        self.seed.registry.beat();
        self.seed.calls.reap_idle(self.seed.config.idle_limit);
    }

    fn stand(self: &Arc<Self>) {
        if self.leaves_it_to_agent() {
            if !self.ledger.is_empty() && std::env::var_os("AUSCULT_SINKS").is_none() {
                let message = "sinks: an agent reports for this service, and ships to its own sinks; set AUSCULT_SINKS, \
                               which both read";
                self.seed.registry.note("sink", message);
            }
            return self.step_back();
        }
        let mut elected = lock(&self.elected);
        if elected.is_some() {
            return;
        }
        *elected = self.stand_now();
        // Only a process that starts may find that the run before it is over.
        if elected.is_some() && lock(&self.watch).is_none() {
            lock(&self.collector).begin();
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
        collector.fold();
        if self.seed.config.agent {
            collector.turn_over();
        }
    }

    /// Listens and serves if this process is elected and does not yet.
    fn keep_serving(self: &Arc<Self>) {
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
                return self.seed.registry.fault("serve", &message);
            }
        };
        if serving.retry.take().is_some() {
            self.seed.calls.set_unhealthy("port_taken", false);
        }
        let address = server.address().to_string();
        let _ = self.seed.place.write(ADDRESS, &address);
        let (stop, stopped) = watch::channel(false);
        let (sources, registry) = (self.sources(), self.seed.registry.clone());
        let thread = thread::spawn("auscult-serve", move || {
            let served = thread::guarded(|| serve(server, sources, stopped));
            if let Err(error) = served.and_then(|result| result.map_err(|error| error.to_string())) {
                registry.fault("serve", &format!("serve: {error}"));
            }
        });
        match thread {
            Ok(thread) => {
                *serving =
                    Serving { address: Some(address), stop: Some(stop), thread: Some(thread), retry: None };
            }
            Err(error) => self.seed.registry.fault("serve", &format!("cannot start a thread: {error}")),
        }
    }

    /// Moves what is recorded into the store if this process is elected.
    fn keep_storing(self: &Arc<Self>) {
        let Some(elected) = lock(&self.elected).clone() else { return };
        if lock(&self.keeper).is_some() {
            return;
        }
        if let Some(keeper) = self.make_keeper(&elected)
            && let Err(error) = keeper.start()
        {
            self.seed.registry.fault("store", &format!("cannot start a thread: {error}"));
        }
    }

    /// The keeper, made where there is none.
    fn make_keeper(&self, elected: &Arc<Elected>) -> Option<Arc<Keeper>> {
        let mut keeper = lock(&self.keeper);
        if keeper.is_none() {
            let made = Keeper::new(Surroundings {
                place: self.seed.place.clone(),
                calls: self.seed.calls.clone(),
                collector: self.collector.clone(),
                attribution: self.attribution.clone(),
                limits: self.seed.config.store.clone(),
                ledger: self.ledger.clone(),
                _elected: elected.clone(),
            });
            *keeper = made.inspect_err(|error| self.seed.registry.fault("store", &error.to_string())).ok();
        }
        keeper.clone()
    }

    /// Ships what is stored if this process is elected.
    fn keep_shipping(self: &Arc<Self>) {
        if self.ledger.is_empty() || !self.is_elected() {
            return;
        }
        let mut workers = lock(&self.workers);
        workers.get_or_insert_with(|| Arc::new(self.make_workers())).check();
        let version = self.seed.config.agent.then(|| lock(&self.collector).version()).flatten();
        if let (Some(workers), Some(version)) = (workers.as_ref(), version) {
            workers.set_version(&version);
        }
    }

    fn make_workers(&self) -> Workers {
        let (seed, keeper) = (&self.seed, lock(&self.keeper).clone());
        let identity = seed.registry.identity();
        let names = Names::new(identity.service(), identity.own_version(), seed.config.instance.as_deref());
        let settle = Arc::new(move || keeper.iter().for_each(|keeper| keeper.settle()));
        Workers::start(
            &seed.config.sinks,
            &seed.place,
            seed.calls.clone(),
            names,
            self.ledger.clone(),
            settle,
        )
    }

    /// Has all that is recorded stored and shipped by the sinks whose receivers take it, until `deadline`.
    fn ship_out(&self, deadline: Instant) {
        if self.ledger.is_empty() {
            return;
        }
        let now = Instant::now();
        let deadline = deadline.checked_sub(CLOSING).unwrap_or(now);
        self.store_all(deadline);
        let workers = lock(&self.workers).take();
        workers.unwrap_or_else(|| Arc::new(self.make_workers())).stop(deadline);
    }

    fn stop_shipping(&self) {
        let workers = lock(&self.workers).take();
        if let Some(workers) = workers {
            workers.stop(Instant::now());
        }
    }

    fn stop_storing(&self, deadline: Instant) {
        let keeper = lock(&self.keeper).take();
        if let Some(keeper) = keeper {
            keeper.stop(deadline);
        }
    }

    pub(crate) fn in_flight(&self) -> Vec<InFlightCall> {
        self.seed.registry.join();
        lock(&self.collector).in_flight()
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
    fn store_all(&self, deadline: Instant) -> bool {
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
            if !lock(&self.collector).has_remains() {
                return true;
            }
            if Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(FLUSH_LOOK);
        }
        false
    }

    /// Samples host, processes and GPUs if this process is elected: one does for all.
    fn keep_sampling(self: &Arc<Self>) {
        let config = &self.seed.config;
        let Some(interval) = config.sample_interval.filter(|_| self.is_elected()) else { return };
        let known = Known::of(&mut lock(&self.collector));
        let mut vitals = lock(&self.vitals);
        if let Some(vitals) = vitals.as_ref() {
            vitals.set_known(&known);
            return vitals.check();
        }
        let keeper = Arc::downgrade(self);
        let listener = Listener(Arc::new(move |readings| {
            let Some(running) = keeper.upgrade() else { return };
            let keeper = lock(&running.keeper).clone();
            if let Some(keeper) = keeper {
                let mut samples = VitalsSample::of(clock::unix_nanos(), readings);
                let (in_flight, pids) = {
                    let mut collector = lock(&running.collector);
                    (collector.in_flight().len(), collector.pids())
                };
                for sample in &mut samples {
                    match (&mut sample.entity, &pids[..]) {
                        (Entity::Host, _) => sample.values.push(("requests_in_flight", in_flight as f64)),
                        (Entity::Process { pid }, [only]) if *pid == 0 => *pid = *only,
                        _ => {}
                    }
                }
                keeper.take(samples);
            }
        }));
        let (glances, gpus) = (config.gpu_memory_interval, config.gpus.clone());
        let wanted = Wanted { interval, glances, gpus, listener };
        let myself = Arc::downgrade(self);
        let activity = move || {
            let running = myself.upgrade();
            running.map_or_else(Activity::default, |running| lock(&running.collector).activity())
        };
        match Vitals::start(&self.seed.place, &self.seed.calls, &wanted, &known, activity) {
            Ok(started) => {
                self.attribution.set_history(started.history().clone());
                *vitals = Some(started);
            }
            Err(error) => self.seed.registry.fault("vitals", &error.to_string()),
        }
    }

    fn stop_sampling(&self, deadline: Instant) {
        let vitals = lock(&self.vitals).take();
        if let Some(vitals) = vitals {
            vitals.stop(deadline);
        }
    }

    fn stop_serving(&self, deadline: Instant) {
        let serving = std::mem::take(&mut *lock(&self.server));
        if let Some(stop) = serving.stop {
            let _ = stop.send(true);
            let _ = std::fs::remove_file(self.seed.place.directory().join(ADDRESS));
        }
        if let Some(thread) = serving.thread {
            thread::join_until(thread, deadline);
        }
    }

    fn sources(self: &Arc<Self>) -> Sources {
        let (snapshot, health, seed) = (self.clone(), self.clone(), self.seed.clone());
        let registry = seed.registry.clone();
        Sources {
            snapshot: Arc::new(move || snapshot.snapshot()),
            appendix: seed.config.appendix.clone(),
            health: Arc::new(move || health.health()),
            observe_scrape: Arc::new(move |took| seed.scrapes.observe(took.as_secs_f64())),
            fault: Arc::new(move |part| registry.error(part)),
        }
    }

    fn health(&self) -> Health {
        let snapshot = self.snapshot();
        let name = format!("{}_unhealthy", self.seed.registry.identity().prefix());
        let family = snapshot.families.iter().find(|family| *family.name == *name);
        let raised = |value: &Value| matches!(value, Value::Float(value) if *value > 0.0);
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
