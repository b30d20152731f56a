//! The sampler: asks each source on a thread of its own, at a steady rate, and shows what it said.
//!
//! A source that hangs holds up nothing but itself: what it showed is taken down, it is flagged, and it is
//! asked again when it comes back. One that panics or is not there is asked again ever more slowly.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use auscult_core::{Error, Family, Merge, Registry, Spec, thread};

use crate::board::Board;
use crate::reading::Readings;
use crate::schedule::{Interval, Schedule};
use crate::source::{Problem, Source};

/// A source that has been at it for so long hangs.
const HANGS_AFTER: Duration = Duration::from_secs(5);
/// A source that is not there is asked this often, at the most slowly.
const SLOWEST_RETRY: Duration = Duration::from_secs(60);
/// Its reason while it hangs.
const HANGS: &str = "hangs";
/// Its reason after it panicked.
const PANICKED: &str = "panicked";

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
        interval: Interval,
        sources: Vec<Box<dyn Source>>,
    ) -> Result<Self, Error> {
        let mut sampler = Self { lanes: Vec::with_capacity(sources.len()) };
        for source in sources {
            let name = source.name();
            let state = State {
                board: Board::new(registry)?,
                pids: vec![std::process::id()],
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
            let running = lane.clone();
            let thread = thread::spawn(&format!("auscult-{name}"), move || running.run(source, interval))
                .map_err(|error| Error::config(format!("cannot start a thread: {error}")))?;
            sampler.lanes.push((lane, Some(thread)));
        }
        Ok(sampler)
    }

    /// The processes of the service from now on.
    pub fn set_pids(&self, pids: &[u32]) {
        for (lane, _) in &self.lanes {
            lane.lock().pids = pids.to_vec();
        }
    }

    /// Flags the sources that hang; to be called about once a second.
    pub fn check(&self) {
        for (lane, _) in &self.lanes {
            let mut state = lane.lock();
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
            let mut state = lane.lock();
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
    fn run(&self, mut source: Box<dyn Source>, interval: Interval) {
        let mut schedule = Schedule::new(interval, Instant::now());
        let mut readings = Readings::default();
        let mut failures = 0_u32;
        while self.sleep(schedule.wait(Instant::now())) {
            if !schedule.take(Instant::now()) {
                continue;
            }
            readings.clear();
            match self.sample(&mut *source, &mut readings) {
                Ok(()) => {
                    failures = 0;
                    self.available.set(None);
                    let mut state = self.lock();
                    if !state.stopping {
                        state.board.show(&readings);
                    }
                }
                Err(problem) => {
                    self.lock().board.clear();
                    self.unavailable(&problem);
                    failures = failures.saturating_add(1);
                    let slower = interval.get().saturating_mul(1 << failures.min(10)).min(SLOWEST_RETRY);
                    if !self.sleep(slower) {
                        return;
                    }
                }
            }
        }
    }

    /// One sample. No lock is held meanwhile, so that a source that hangs holds up nobody.
    fn sample(&self, source: &mut dyn Source, readings: &mut Readings) -> Result<(), Problem> {
        let pids = {
            let mut state = self.lock();
            state.sampling_since = Some(Instant::now());
            state.pids.clone()
        };
        let sampled = thread::guarded(|| {
            source.set_pids(&pids);
            source.sample(readings)
        });
        self.lock().sampling_since = None;
        sampled.unwrap_or_else(|panic| {
            let message = format!("{}: sampling panicked: {panic}", self.name);
            Err(Problem { reason: PANICKED, message })
        })
    }

    fn unavailable(&self, problem: &Problem) {
        if !self.available.set(Some(problem.reason)) {
            return;
        }
        let message = format!("{} off: {}", self.name.to_uppercase(), problem.message);
        if [HANGS, PANICKED].contains(&problem.reason) {
            self.registry.fault("vitals", &message);
        } else {
            // A machine without one is no fault.
            self.registry.note("vitals", &message);
        }
    }

    /// Sleeps; false when it is time to end.
    fn sleep(&self, time: Duration) -> bool {
        let (state, _) = self
            .wake
            .wait_timeout_while(self.lock(), time, |state| !state.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        !state.stopping
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `auscult_<source>_available{reason}`: 1, or 0 with the reason.
struct Availability {
    family: Family,
    shown: Mutex<Option<Option<&'static str>>>,
}

impl Availability {
    fn new(registry: &Arc<Registry>, source: &str) -> Result<Self, Error> {
        let spec = Spec::gauge(&format!("auscult_{source}_available"))
            .help("1 while the source of vitals can be read, else 0 with the reason.")
            .merge(Merge::Last)
            .labels(&["reason"]);
        Ok(Self { family: registry.family(spec)?, shown: Mutex::new(None) })
    }

    /// Shows the reason, or that there is none; true when it is another than before.
    fn set(&self, reason: Option<&'static str>) -> bool {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
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
