//! The sampler: samples each source on a thread of its own, at a steady rate, and publishes the readings.
//!
//! A hanging source delays no other: its gauges are retracted after two intervals, it is flagged, and it is sampled
//! again when it returns. A source that panics is sampled again at the next interval. An unavailable source decides itself
//! how often to retry.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use soundpost_core::history::HistoryWriter;
use soundpost_core::thread::lock;
use soundpost_core::{Error, Family, Merge, Registry, Shortage, Spec, thread};

use crate::fast_sampler::{FastSampler, FastSampling};
use crate::gpu_selection::Visible;
use crate::publisher::GaugePublisher;
use crate::reading::Readings;
use crate::schedule::{Interval, Schedule};
use crate::source::{Problem, Source};

/// Duration of a sample after which the source counts as hanging.
const HANGS_AFTER: Duration = Duration::from_secs(5);
/// Maximum time between two checks of the age of gauges.
const EXPIRY_CHECK: Duration = Duration::from_secs(1);
const HANGS: &str = "hangs";
const PANICKED: &str = "panicked";

/// Configuration of the sampler.
#[derive(Clone, Debug, Default)]
pub struct Sampling {
    /// Interval between two samples.
    pub interval: Interval,
    /// Fast sampling; `None`: off.
    pub fast: Option<FastSampling>,
    /// History of samples and fast samples.
    pub history: Option<Arc<HistoryWriter>>,
    /// Callback invoked after every sample, on the source's thread.
    pub listener: Option<Listener>,
}

impl Sampling {
    /// Returns the age beyond which a figure is no longer of now: two intervals.
    pub fn max_age(&self) -> Duration {
        2 * self.interval.get()
    }
}

/// Callback invoked after every sample.
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
    lanes: Vec<Arc<SourceSampler>>,
    stopped: Arc<(Mutex<bool>, Condvar)>,
    threads: Vec<JoinHandle<()>>,
}

struct SourceSampler {
    name: &'static str,
    registry: Arc<Registry>,
    available: Availability,
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    publisher: GaugePublisher,
    pids: Vec<u32>,
    visible: Vec<(u32, Visible)>,
    sampling_since: Option<Instant>,
    /// Warning of the last sample.
    warning: Option<&'static str>,
    /// Time of the published gauges.
    published: Instant,
    stopping: bool,
}

impl Sampler {
    /// Starts sampling, and returns at once.
    ///
    /// # Errors
    /// When a name of the sampler's own metrics is taken, or no thread can be started.
    pub fn start(
        registry: &Arc<Registry>,
        sampling: &Sampling,
        sources: Vec<Box<dyn Source>>,
    ) -> Result<Self, Error> {
        let failed = |error| Error::config(format!("cannot start a thread: {error}"));
        let mut sampler = Self { lanes: Vec::new(), stopped: Arc::default(), threads: Vec::new() };
        for source in sources {
            let name = source.name();
            let state = State {
                publisher: GaugePublisher::new(registry, sampling.history.clone())?,
                pids: vec![std::process::id()],
                visible: Vec::new(),
                sampling_since: None,
                warning: None,
                published: Instant::now(),
                stopping: false,
            };
            let lane = Arc::new(SourceSampler {
                name,
                registry: registry.clone(),
                available: Availability::new(registry, name)?,
                state: Mutex::new(state),
                wake: Condvar::new(),
            });
            let (running, sampling) = (lane.clone(), sampling.clone());
            let thread = thread::spawn(&format!("soundpost-{name}"), move || running.run(source, &sampling));
            sampler.lanes.push(lane);
            sampler.threads.push(thread.map_err(failed)?);
        }
        let (lanes, stopped, max_age) = (sampler.lanes.clone(), sampler.stopped.clone(), sampling.max_age());
        let thread = thread::spawn("soundpost-expire", move || expire(&lanes, max_age, &stopped));
        sampler.threads.push(thread.map_err(failed)?);
        Ok(sampler)
    }

    /// Sets the processes of the service.
    pub fn set_pids(&self, pids: &[u32]) {
        for lane in &self.lanes {
            lock(&lane.state).pids = pids.to_vec();
        }
    }

    /// Sets the GPU environment of the service's processes, by pid.
    pub fn set_visible(&self, visible: &[(u32, Visible)]) {
        for lane in &self.lanes {
            lock(&lane.state).visible = visible.to_vec();
        }
    }

    /// Stops sampling and joins the threads until `deadline`; a hanging thread is left behind.
    pub fn stop(mut self, deadline: Instant) {
        self.request_stop();
        for thread in self.threads.drain(..) {
            thread::join_until(thread, deadline);
        }
    }

    fn request_stop(&self) {
        for lane in &self.lanes {
            let mut state = lock(&lane.state);
            state.stopping = true;
            state.publisher.clear();
            lane.wake.notify_all();
        }
        *lock(&self.stopped.0) = true;
        self.stopped.1.notify_all();
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.request_stop();
    }
}

/// Retracts gauges that are older than `max_age`, until sampling stops.
fn expire(lanes: &[Arc<SourceSampler>], max_age: Duration, stopped: &(Mutex<bool>, Condvar)) {
    loop {
        let now = Instant::now();
        let next = lanes.iter().map(|lane| lane.expire(now, max_age)).min();
        let wait = next.map_or(EXPIRY_CHECK, |next| (next - now).min(EXPIRY_CHECK));
        let (stopped, _) = stopped
            .1
            .wait_timeout_while(lock(&stopped.0), wait, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        if *stopped {
            return;
        }
    }
}

impl SourceSampler {
    /// Retracts the gauges if they are older than `max_age`, and flags a hanging source. Returns when the gauges, or
    /// those of the next sample, can become too old.
    fn expire(&self, now: Instant, max_age: Duration) -> Instant {
        let mut state = lock(&self.state);
        let (expiry, since) = (state.published + max_age, state.sampling_since);
        let is_expired = expiry <= now;
        if is_expired {
            state.publisher.clear();
        }
        drop(state);
        if since.is_some_and(|since| now.saturating_duration_since(since) > HANGS_AFTER) {
            let message = format!("{} does not answer; its gauges are retracted", self.name);
            self.unavailable(&Problem { reason: HANGS, message });
        }
        if is_expired { now + max_age } else { expiry }
    }

    fn run(&self, mut source: Box<dyn Source>, sampling: &Sampling) {
        let start = Instant::now();
        let mut schedule = Schedule::new(sampling.interval, start);
        let fast = sampling.fast.clone().filter(|_| source.fast_source().is_some());
        let mut fast_sampler = fast.map(|fast| FastSampler::new(fast, start));
        let mut readings = Readings::default();
        let mut available = false;
        loop {
            let now = Instant::now();
            // An unavailable source has no fast samples.
            let fast_sample = fast_sampler
                .as_ref()
                .filter(|_| available)
                .map_or(Duration::MAX, |fast_sampler| fast_sampler.wait(now));
            if !self.sleep(schedule.wait(now).min(fast_sample)) {
                return;
            }
            let now = Instant::now();
            if schedule.take(now) {
                available = self.sample(&mut *source, &mut readings);
                let notified =
                    sampling.listener.as_ref().map(|Listener(call)| thread::guarded(|| call(&readings)));
                if let Some(Err(panic)) = notified {
                    self.registry.diagnostics().warn_once("vitals", &format!("{}: {panic}", self.name));
                }
            } else if available
                && fast_sampler.as_mut().is_some_and(|fast_sampler| fast_sampler.is_wanted(now))
            {
                self.fast_sample(&mut *source, &mut readings);
            }
        }
    }

    /// Takes and publishes one sample. Returns whether the source is available.
    fn sample(&self, source: &mut dyn Source, readings: &mut Readings) -> bool {
        let sampled = self.read(source, readings, |source, readings| source.sample(readings));
        if sampled.is_ok() {
            self.available.set(None);
        }
        {
            let mut state = lock(&self.state);
            if !state.stopping {
                state.publisher.publish(readings);
                state.published = Instant::now();
            }
        }
        let warning = source.warning();
        if std::mem::replace(&mut lock(&self.state).warning, warning) != warning
            && let Some(warning) = warning
        {
            self.registry.diagnostics().warn_once("vitals", warning);
        }
        sampled.inspect_err(|problem| self.unavailable(problem)).is_ok()
    }

    /// Takes one fast sample. The next full sample reports an unavailable source.
    fn fast_sample(&self, source: &mut dyn Source, readings: &mut Readings) {
        let fast = self.read(source, readings, |source, readings| {
            source.fast_source().map_or(Ok(()), |source| source.fast_sample(readings))
        });
        match fast {
            Ok(()) => {
                let state = lock(&self.state);
                if !state.stopping {
                    state.publisher.fast_sample(readings);
                }
            }
            Err(problem) if problem.reason == PANICKED => self.unavailable(&problem),
            Err(_) => {}
        }
    }

    /// Calls the source without holding a lock, so that a hanging source delays no other.
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
            // Discard its partial readings.
            readings.clear();
            let message = format!("{}: sampling panicked: {panic}", self.name);
            Err(Problem { reason: PANICKED, message })
        })
    }

    fn unavailable(&self, problem: &Problem) {
        // Each panic is an error of its own.
        let reason = Shortage::detect().map_or(problem.reason, Shortage::reason);
        if !self.available.set(Some(reason)) && reason != PANICKED {
            return;
        }
        let message = format!("{} off: {}", self.name.to_uppercase(), problem.message);
        if [HANGS, PANICKED].contains(&reason) || reason != problem.reason {
            self.registry.failures().warn_once("vitals", &message);
        } else {
            // A machine without the source is not an error.
            self.registry.diagnostics().info_once("vitals", &message);
        }
    }

    /// Sleeps. Returns false at the end of sampling.
    fn sleep(&self, time: Duration) -> bool {
        let (state, _) = self
            .wake
            .wait_timeout_while(lock(&self.state), time, |state| !state.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        !state.stopping
    }
}

/// Gauge `soundpost_<source>_available{reason}`: 1, or 0 with the reason.
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

    /// Publishes the reason, or its absence. Returns whether it changed.
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
