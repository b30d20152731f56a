//! The sampler: asks each source on a thread of its own, at a steady rate, and shows what it said.
//!
//! A source that hangs holds up nothing but itself: what it showed is taken down, it is flagged, and it is
//! asked again when it comes back. One that panics is asked again at the next sample; one that is not there
//! knows itself how often to look.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use soundpost_core::history::HistoryWriter;
use soundpost_core::thread::lock;
use soundpost_core::{Error, Family, Merge, Registry, Spec, thread};

use crate::board::Board;
use crate::glances::{Glances, Watch};
use crate::gpu::Visible;
use crate::reading::Readings;
use crate::schedule::{Interval, Schedule};
use crate::source::{Problem, Source};

/// A source that has been at it for so long hangs.
const HANGS_AFTER: Duration = Duration::from_secs(5);
/// Its reason while it hangs.
const HANGS: &str = "hangs";
/// Its reason after it panicked.
const PANICKED: &str = "panicked";

/// How to sample.
#[derive(Clone, Debug, Default)]
pub struct Sampling {
    /// Between two samples.
    pub interval: Interval,
    /// Glances between them; none: no glances.
    pub glances: Option<Glances>,
    /// Where samples and glances are kept.
    pub history: Option<Arc<HistoryWriter>>,
    /// Who else is told of each sample, on the source's thread.
    pub listener: Option<Listener>,
}

/// Hears of every sample.
#[derive(Clone)]
pub struct Listener(pub Arc<dyn Fn(&Readings) + Send + Sync>);

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

/// Samples sources until it is dropped.
#[must_use = "sampling ends when this is dropped"]
pub struct Sampler {
    lanes: Vec<(Arc<Lane>, Option<JoinHandle<()>>)>,
}

/// One source's side of the sampler.
struct Lane {
    name: &'static str,
    registry: Arc<Registry>,
    available: Availability,
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    board: Board,
    pids: Vec<u32>,
    visible: Vec<(u32, Visible)>,
    /// When the sample that is being taken began.
    sampling_since: Option<Instant>,
    stopping: bool,
}

impl Sampler {
    /// Starts to sample; returns at once, whatever the sources do.
    ///
    /// # Errors
    /// When a name of the sampler's own metrics is taken, or no thread can be started.
    pub fn start(
        registry: &Arc<Registry>,
        sampling: &Sampling,
        sources: Vec<Box<dyn Source>>,
    ) -> Result<Self, Error> {
        let mut sampler = Self { lanes: Vec::with_capacity(sources.len()) };
        for source in sources {
            let name = source.name();
            let state = State {
                board: Board::new(registry, sampling.history.clone())?,
                pids: vec![std::process::id()],
                visible: Vec::new(),
                sampling_since: None,
                stopping: false,
            };
            let lane = Arc::new(Lane {
                name,
                registry: registry.clone(),
                available: Availability::new(registry, name)?,
                state: Mutex::new(state),
                wake: Condvar::new(),
            });
            let (running, sampling) = (lane.clone(), sampling.clone());
            let thread = thread::spawn(&format!("soundpost-{name}"), move || running.run(source, &sampling))
                .map_err(|error| Error::config(format!("cannot start a thread: {error}")))?;
            sampler.lanes.push((lane, Some(thread)));
        }
        Ok(sampler)
    }

    /// The processes of the service from now on.
    pub fn set_pids(&self, pids: &[u32]) {
        for (lane, _) in &self.lanes {
            lock(&lane.state).pids = pids.to_vec();
        }
    }

    /// What the environments of the service's processes show them of GPUs, by pid, from now on.
    pub fn set_visible(&self, visible: &[(u32, Visible)]) {
        for (lane, _) in &self.lanes {
            lock(&lane.state).visible = visible.to_vec();
        }
    }

    /// Flags the sources that hang; to be called about once a second.
    pub fn check(&self) {
        for (lane, _) in &self.lanes {
            let mut state = lock(&lane.state);
            if state.sampling_since.is_some_and(|since| since.elapsed() > HANGS_AFTER) {
                state.board.clear();
                drop(state);
                let message = format!("{} does not answer; what it showed is taken down", lane.name);
                lane.unavailable(&Problem { reason: HANGS, message });
            }
        }
    }

    /// Ends sampling and waits for the threads until `deadline`; one that hangs is left behind.
    pub fn stop(mut self, deadline: Instant) {
        self.tell_to_stop();
        for (_, thread) in &mut self.lanes {
            if let Some(thread) = thread.take() {
                thread::join_until(thread, deadline);
            }
        }
    }

    fn tell_to_stop(&self) {
        for (lane, _) in &self.lanes {
            let mut state = lock(&lane.state);
            state.stopping = true;
            state.board.clear();
            lane.wake.notify_all();
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.tell_to_stop();
    }
}

impl Lane {
    fn run(&self, mut source: Box<dyn Source>, sampling: &Sampling) {
        let start = Instant::now();
        let mut schedule = Schedule::new(sampling.interval, start);
        let glances = sampling.glances.clone().filter(|_| source.glance().is_some());
        let mut watch = glances.map(|glances| Watch::new(glances, start));
        let mut readings = Readings::default();
        let mut there = false;
        loop {
            let now = Instant::now();
            // No glance of what is not there is ever due.
            let glance = watch.as_ref().filter(|_| there).map_or(Duration::MAX, |watch| watch.wait(now));
            if !self.sleep(schedule.wait(now).min(glance)) {
                return;
            }
            let now = Instant::now();
            if schedule.take(now) {
                there = self.sample(&mut *source, &mut readings);
                let heard =
                    sampling.listener.as_ref().map(|Listener(hear)| thread::guarded(|| hear(&readings)));
                if let Some(Err(panic)) = heard {
                    self.registry.diagnostics().warn_once("vitals", &format!("{}: {panic}", self.name));
                }
            } else if there && watch.as_mut().is_some_and(|watch| watch.is_wanted(now)) {
                self.glance(&mut *source, &mut readings);
            }
        }
    }

    /// One sample, shown; whether the source is there.
    fn sample(&self, source: &mut dyn Source, readings: &mut Readings) -> bool {
        let sampled = self.read(source, readings, |source, readings| source.sample(readings));
        if sampled.is_ok() {
            self.available.set(None);
        }
        {
            let mut state = lock(&self.state);
            if !state.stopping {
                state.board.show(readings);
            }
        }
        if let Some(note) = source.note() {
            self.registry.diagnostics().info_once("vitals", note);
        }
        sampled.inspect_err(|problem| self.unavailable(problem)).is_ok()
    }

    /// One glance, kept. That the source is not there any more is left to the next sample to say.
    fn glance(&self, source: &mut dyn Source, readings: &mut Readings) {
        let glanced = self.read(source, readings, |source, readings| {
            source.glance().map_or(Ok(()), |source| source.glance(readings))
        });
        match glanced {
            Ok(()) => {
                let state = lock(&self.state);
                if !state.stopping {
                    state.board.glance(readings);
                }
            }
            Err(problem) if problem.reason == PANICKED => self.unavailable(&problem),
            Err(_) => {}
        }
    }

    /// Asks the source. No lock is held meanwhile, so that a source that hangs holds up nobody.
    fn read(
        &self,
        source: &mut dyn Source,
        readings: &mut Readings,
        ask: impl FnOnce(&mut dyn Source, &mut Readings) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let (pids, visible) = {
            let mut state = lock(&self.state);
            state.sampling_since = Some(Instant::now());
            (state.pids.clone(), state.visible.clone())
        };
        readings.clear();
        let read = thread::guarded(|| {
            source.set_pids(&pids);
            source.set_visible(&visible);
            ask(source, readings)
        });
        lock(&self.state).sampling_since = None;
        read.unwrap_or_else(|panic| {
            // What it was about to say is not believed.
            readings.clear();
            let message = format!("{}: sampling panicked: {panic}", self.name);
            Err(Problem { reason: PANICKED, message })
        })
    }

    fn unavailable(&self, problem: &Problem) {
        // Each panic is a fault of its own.
        if !self.available.set(Some(problem.reason)) && problem.reason != PANICKED {
            return;
        }
        let message = format!("{} off: {}", self.name.to_uppercase(), problem.message);
        if [HANGS, PANICKED].contains(&problem.reason) {
            self.registry.diagnostics().warn_once("vitals", &message);
        } else {
            // A machine without one is no fault.
            self.registry.diagnostics().info_once("vitals", &message);
        }
    }

    /// Sleeps; false when it is time to end.
    fn sleep(&self, time: Duration) -> bool {
        let (state, _) = self
            .wake
            .wait_timeout_while(lock(&self.state), time, |state| !state.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        !state.stopping
    }
}

/// `soundpost_<source>_available{reason}`: 1, or 0 with the reason.
struct Availability {
    family: Family,
    shown: Mutex<Option<Option<&'static str>>>,
}

impl Availability {
    fn new(registry: &Arc<Registry>, source: &str) -> Result<Self, Error> {
        let spec = Spec::gauge(&format!("soundpost_{source}_available"))
            .help("1 while the source of vitals can be read, else 0 with the reason.")
            .merge(Merge::Last)
            .labels(&["reason"]);
        Ok(Self { family: registry.family(spec)?, shown: Mutex::new(None) })
    }

    /// Shows the reason, or that there is none; true when it is another than before.
    fn set(&self, reason: Option<&'static str>) -> bool {
        let mut shown = lock(&self.shown);
        if *shown == Some(reason) {
            return false;
        }
        if let Some(before) = *shown {
            let _ = self.family.remove(&[before.unwrap_or_default()]);
        }
        if let Ok(gauge) = self.family.gauge(&[reason.unwrap_or_default()]) {
            gauge.set(f64::from(u8::from(reason.is_none())));
        }
        *shown = Some(reason);
        true
    }
}

impl Drop for Availability {
    fn drop(&mut self) {
        self.family.clear();
    }
}
