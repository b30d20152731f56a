//! The reporter of one process: the thread that takes part in the election, and the state of its outcome.
//!
//! The thread `soundpost-watch` beats, ends idle calls and stands for election. In the elected process it also merges
//! dead segments and keeps the other threads running. None of these threads attaches to a Python interpreter.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use soundpost_core::snapshot::{MetricValue, Snapshot};
use soundpost_core::thread::lock;
use soundpost_core::{InFlightCall, LOCKS_UNUSABLE, Shortage, clock, thread};

use super::agent_sinks;
use super::deps::Deps;
use super::elected::Elected;
use super::sample::{Vitals, publish_facts};
use super::ship::{self, UnshippedSinks, add_families};
use super::store_thread::{StoreThread, poll_until};
use crate::config::ADDRESS;
use crate::context::ReporterContext;
use crate::election::{self, Lease};
use crate::sources::{Health, Sources};

/// Interval between ticks: another process takes over within 2 s.
const TICK: Duration = Duration::from_millis(500);
/// Interval between ticks of an agent that waits for the lease of a process of the service.
const WAITING_TICK: Duration = Duration::from_millis(50);
/// Maximum time in which a process stops reporting after an agent announced itself.
const STEP_BACK: Duration = Duration::from_millis(500);
/// Maximum wait of a starting process for the lease of a reader that recovers records for a moment.
const READER_TIMEOUT: Duration = Duration::from_millis(200);
/// Interval between attempts of several stopping processes to become the last one, which removes the files.
const STOP_RETRY: Duration = Duration::from_millis(5);
/// Reasons of `unhealthy` that fail `/healthz`, because the process cannot work.
const FATAL: [&str; 1] = ["poisoned"];

/// The reporter of one process.
pub(crate) struct ReporterThread {
    deps: Arc<Deps>,
    /// Announcement of an agent, and the names of sinks that it contains.
    announced: Mutex<Option<(Lease, Vec<String>)>>,
    elected: Mutex<Option<Elected>>,
    unshipped: UnshippedSinks,
    started: AtomicBool,
    stopping: Mutex<bool>,
    wake: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl ReporterThread {
    pub(crate) fn new(context: Arc<ReporterContext>) -> Self {
        Self {
            deps: Arc::new(Deps::new(context)),
            announced: Mutex::new(None),
            elected: Mutex::new(None),
            unshipped: UnshippedSinks::default(),
            started: AtomicBool::new(false),
            stopping: Mutex::new(false),
            wake: Condvar::new(),
            thread: Mutex::new(None),
        }
    }

    fn context(&self) -> &ReporterContext {
        &self.deps.context
    }

    /// Holds the announcement of an agent until it stops.
    pub(crate) fn announce(&self, announced: Option<Lease>) {
        *lock(&self.announced) = announced.map(|lease| (lease, ship::names(&self.context().config)));
    }

    /// Runs the first tick, and starts the thread; once.
    pub(crate) fn start(self: &Arc<Self>) {
        if self.started.swap(true, Ordering::AcqRel) {
            return;
        }
        let context = self.context();
        if let Some(reason) = context.registry.fallback() {
            context.calls.set_unhealthy("segment_not_shared", true);
            let message = format!("no segment file, other processes do not see this one: {reason}");
            context.warn("segment", &message);
        }
        if let Some((reason, problem)) = context.place.problem() {
            context.calls.set_unhealthy(reason, true);
            context.warn("directory", &format!("directory: {problem}"));
        }
        publish_facts(&context.calls);
        self.tick();
        let this = self.clone();
        match thread::spawn("soundpost-watch", move || this.watch()) {
            Ok(thread) => *lock(&self.thread) = Some(thread),
            Err(error) => context.warn("watch", &format!("cannot start a thread: {error}")),
        }
        context.update_shortages();
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        // In a forked child this starts its thread, which acquires the locks below.
        self.context().registry.join();
        let (mut snapshot, labels) = {
            let mut collector = lock(&self.deps.collector);
            (collector.snapshot(), collector.constant_labels())
        };
        add_families(&self.deps, &mut snapshot, &labels, self.is_elected());
        snapshot
    }

    pub(crate) fn in_flight(&self) -> Vec<InFlightCall> {
        self.context().registry.join();
        lock(&self.deps.collector).in_flight()
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.context().registry.join();
        lock(&self.deps.collector).pids()
    }

    pub(crate) fn namespace(&self) -> String {
        lock(&self.deps.collector).prefix().to_owned()
    }

    pub(crate) fn is_elected(&self) -> bool {
        lock(&self.elected).is_some()
    }

    pub(crate) fn address(&self) -> Option<String> {
        self.context().config.server.as_ref()?;
        let own = self.if_elected(|elected| elected.server.address().map(str::to_owned)).flatten();
        own.or_else(|| self.context().place.read(ADDRESS).ok())
    }

    /// Waits until all records of this moment are stored, and then until the sinks shipped them, except to receivers
    /// that do not accept them. Returns false if they were not stored within `timeout`.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        self.context().registry.join();
        let deadline = clock::deadline(timeout);
        let store = self.if_elected(|elected| elected.store.clone()).flatten();
        let stored = StoreThread::store_all(store.as_ref(), &self.deps, deadline);
        self.if_elected(|elected| elected.sinks.clone()).iter().for_each(|sinks| sinks.flush(deadline));
        stored
    }

    /// Waits until the records and totals of dead processes are stored and merged. Returns false after `timeout`, or
    /// where another process reports.
    pub(crate) fn recover(self: &Arc<Self>, timeout: Duration) -> bool {
        let mut recovered = false;
        poll_until(clock::deadline(timeout), || {
            let Some(store) = self.if_elected(|elected| elected.store.clone()) else { return true };
            store.iter().for_each(|store| store.hurry());
            self.merge_dead();
            recovered = !lock(&self.deps.collector).has_unmerged();
            recovered
        });
        recovered
    }

    /// Stops reporting within `timeout`. The last process of the service stores and ships the rest, and ends the run.
    pub(crate) fn stop(&self, timeout: Duration) {
        let context = self.context();
        // A forked child that never recorded joins now, before locks are acquired, and does not start.
        self.started.store(true, Ordering::Release);
        context.registry.join();
        // Other processes that stop at this moment must see that this one ends.
        if !context.config.agent {
            context.registry.close();
        }
        *lock(&self.stopping) = true;
        self.wake.notify_all();
        let deadline = clock::deadline(timeout);
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            thread::join_until(thread, deadline);
        }
        // Without the lock: a scrape in progress acquires it.
        if let Some(mut elected) = self.take_elected() {
            elected.stop_serving(&self.deps, deadline);
            *lock(&self.elected) = Some(elected);
        }
        let mut elected = lock(&self.elected);
        while elected.is_none() {
            *elected = self.try_acquire().map(Elected::new);
            // The elected process may be stopping as well, and one of them has to be the last.
            let wait =
                elected.is_none() && !self.has_agent() && !lock(&self.deps.collector).has_other_processes();
            if !wait || Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(STOP_RETRY);
        }
        if let Some(elected) = elected.take() {
            elected.finish(&self.deps, deadline);
        }
        *lock(&self.announced) = None;
    }

    fn take_elected(&self) -> Option<Elected> {
        lock(&self.elected).take()
    }

    fn if_elected<T>(&self, step: impl FnOnce(&mut Elected) -> T) -> Option<T> {
        lock(&self.elected).as_mut().map(step)
    }

    fn has_agent(&self) -> bool {
        !self.context().config.agent && election::agent(&self.context().place).is_some()
    }

    fn try_acquire(&self) -> Option<Lease> {
        let context = self.context();
        let acquired = election::try_acquire(&context.place, context.registry.fallback().is_some());
        let is_unusable = acquired.is_err() && Shortage::detect().is_none();
        context.calls.set_unhealthy(LOCKS_UNUSABLE, is_unusable || context.lacks_locks());
        acquired.unwrap_or_else(|error| {
            let message = format!("{error}; no process of the service reports, and recording continues");
            context.warn("election", &message);
            None
        })
    }

    fn watch(self: Arc<Self>) {
        loop {
            let waits = self.context().config.agent && !self.is_elected();
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
            self.tick();
        }
    }

    /// Runs every step once. A panic in a step is counted, and the others run.
    fn tick(self: &Arc<Self>) {
        for (part, step) in [
            ("watch", Self::keep_alive as fn(&Arc<Self>)),
            ("election", Self::stand),
            ("fold", Self::merge_dead),
            ("serve", |this| {
                this.if_elected(|elected| elected.server.keep_running(this.context(), || this.sources()));
            }),
            // Before the store: the calls of a crash get their use of GPU memory from the history.
            ("vitals", |this| {
                this.if_elected(|elected| Vitals::keep_running(&mut elected.vitals, &this.deps));
            }),
            ("store", |this| {
                this.if_elected(|elected| elected.ingest(&this.deps));
            }),
            ("sink", Self::ship),
        ] {
            if let Err(panic) = thread::guarded(|| step(self)) {
                self.context().warn(part, &format!("{part}: {panic}"));
            }
        }
    }

    fn keep_alive(self: &Arc<Self>) {
        let context = self.context();
        context.registry.beat();
        context.update_shortages();
        context.calls.reap_idle(context.config.idle_limit);
    }

    /// Takes part in the election, or leaves reporting to an agent.
    fn stand(self: &Arc<Self>) {
        let context = self.context();
        if self.has_agent() {
            self.unshipped.check(context);
            if let Some(elected) = self.take_elected() {
                elected.step_back(&self.deps, Instant::now() + STEP_BACK);
                context.calls.set_unhealthy("port_taken", false);
            }
            return;
        }
        self.unshipped.clear(context);
        let mut elected = lock(&self.elected);
        if elected.is_some() {
            return;
        }
        *elected = self.try_acquire().map(Elected::new);
        let starts = lock(&self.thread).is_none();
        if starts && elected.is_none() {
            poll_until(Instant::now() + READER_TIMEOUT, || {
                let has_reader = election::has_reader(&context.place);
                *elected = self.try_acquire().map(Elected::new);
                elected.is_some() || !has_reader
            });
        }
        // Only a process that starts may find that the previous run is over.
        if elected.is_some() && starts {
            lock(&self.deps.collector).take_over_last_run();
            context.place.reclaim();
        }
        if elected.is_some() {
            // The file is of a server that is gone.
            let _ = std::fs::remove_file(context.place.directory().join(ADDRESS));
        }
    }

    fn merge_dead(self: &Arc<Self>) {
        if self.is_elected() {
            let mut collector = lock(&self.deps.collector);
            collector.merge_dead();
            if self.context().config.agent {
                collector.start_new_run();
            }
        }
    }

    fn ship(self: &Arc<Self>) {
        let sinks = &self.deps.sinks;
        sinks.follow(self.context(), &self.deps.acks);
        if let Some((announced, known)) = &mut *lock(&self.announced) {
            let names = sinks.names();
            if *known != names {
                match announced.write_sinks(&names) {
                    Ok(()) => *known = names,
                    Err(error) => self.context().warn("sink", &error.to_string()),
                }
            }
        }
        self.if_elected(|elected| elected.ship(&self.deps));
    }

    /// Writes the sinks of this process of the service, for an agent.
    pub(crate) fn share_sinks(&self) {
        agent_sinks::share(self.context(), || lock(&self.deps.collector).has_other_processes());
    }

    fn sources(self: &Arc<Self>) -> Sources {
        let (snapshot, health) = (self.clone(), self.clone());
        let scrape_seconds = self.context().scrape_seconds.clone();
        let (registry, context) = (self.context().registry.clone(), self.deps.context.clone());
        Sources {
            snapshot: Arc::new(move || snapshot.snapshot()),
            appendix: self.context().config.appendix.clone(),
            health: Arc::new(move || health.health()),
            observe_scrape: Arc::new(move |took| scrape_seconds.observe(took.as_secs_f64())),
            fault: Arc::new(move |part| registry.failures().count_error(part)),
            refused: Arc::new(move |message| {
                context.warn("host", &format!("listen: a scrape was refused: {message}"))
            }),
        }
    }

    fn health(&self) -> Health {
        let snapshot = self.snapshot();
        let name = format!("{}_unhealthy", self.context().registry.identity().prefix());
        let family = snapshot.families.iter().find(|family| *family.name == *name);
        let raised = |value: &MetricValue| matches!(value, MetricValue::Float(value) if *value > 0.0);
        let flags: Vec<String> = family
            .into_iter()
            .flat_map(|family| family.series.iter().filter(|series| raised(&series.value)))
            .flat_map(|series| series.labels.iter().filter(|(name, _)| &**name == "reason"))
            .map(|(_, reason)| reason.to_string())
            .collect();
        let healthy = !flags.iter().any(|flag| FATAL.contains(&flag.as_str()));
        let collector = lock(&self.deps.collector);
        Health {
            healthy,
            is_ready: collector.is_ready(),
            is_loading: collector.is_loading(),
            flags: flags.into_iter().map(Cow::Owned).collect(),
        }
    }
}
