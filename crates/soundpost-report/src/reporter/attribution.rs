//! Use of GPU memory by each finished call, computed by the reporter from the history of samples. It costs a call
//! nothing, and includes calls that died.

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use soundpost_core::history::{CallWindow, GpuSamples, HistoryReader, HistoryWriter};
use soundpost_core::thread::lock;
use soundpost_core::{Calls, FinishedCall, GpuUse, InFlightCall, Outcome, clock};

/// Maximum wait for the first sample after a call, nanoseconds: three fast samples.
const PATIENCE: u64 = 300_000_000;
/// Maximum time for which a dead call may have lived after its end, the last heartbeat of its process, nanoseconds.
const UNHEARD: u64 = 1_000_000_000;
/// Maximum number of recent calls that are kept to detect overlaps.
const REMEMBERED: usize = 4096;

/// Adds the use of GPU memory to finished calls.
pub struct Attribution {
    calls: Arc<Calls>,
    state: Mutex<State>,
}

/// A call by its end, start, segment and process.
type Seen = (u64, u64, u64, u32);

#[derive(Default)]
struct State {
    history: Option<Arc<HistoryWriter>>,
    reader: Option<HistoryReader>,
    /// The recent calls, by their end.
    seen: BTreeSet<Seen>,
}

impl Attribution {
    /// Creates an attribution without a history, which adds nothing.
    pub fn new(calls: Arc<Calls>) -> Self {
        Self { calls, state: Mutex::default() }
    }

    /// Sets the history to read, also after sampling has stopped.
    pub fn set_history(&self, history: Arc<HistoryWriter>) {
        let mut state = lock(&self.state);
        (state.history, state.reader) = (Some(history), None);
    }

    /// Sets the history that an earlier reporter left.
    #[cfg(feature = "store")]
    pub(crate) fn set_reader(&self, reader: HistoryReader) {
        lock(&self.state).reader = Some(reader);
    }

    /// Records finished calls as possible overlaps. Each call must be recorded before any call that it overlapped is
    /// completed.
    pub fn record<'a>(&self, calls: impl IntoIterator<Item = &'a FinishedCall>) {
        let mut state = lock(&self.state);
        state.seen.extend(calls.into_iter().map(seen));
        while state.seen.len() > REMEMBERED {
            state.seen.pop_first();
        }
    }

    /// Returns whether a call with this end can be completed: a GPU was sampled after it, none is sampled, or the
    /// wait is over.
    pub fn is_ready(&self, ended: u64) -> bool {
        if clock::monotonic_nanos().saturating_sub(ended) >= PATIENCE {
            return true;
        }
        let mut state = lock(&self.state);
        state.reader().is_none_or(|reader| CallWindow::is_sampled_after(reader, ended).unwrap_or(true))
    }

    /// Adds the use of GPU memory to recorded calls, and observes their peaks. `running` returns the calls in flight.
    pub fn complete<'a>(
        &self,
        calls: impl IntoIterator<Item = &'a mut FinishedCall>,
        running: impl FnOnce() -> Vec<InFlightCall>,
    ) {
        let running = LazyCell::new(running);
        let mut state = lock(&self.state);
        let mut by_end = None;
        let calls: Vec<_> = calls.into_iter().filter(|call| call.gpu.is_none()).collect();
        let looks = state.samples_for(&calls);
        for call in calls {
            let until = |ended| {
                let window = CallWindow { pid: call.pid, started: call.started, ended };
                looks.get(&call.pid).and_then(|looks| looks.use_in(&window, false))
            };
            let mut used = until(call.ended);
            if call.outcome == Outcome::Died {
                let later = until(call.ended.saturating_add(UNHEARD));
                used = used.map(|used| later.map_or(used, |later| until_death(used, later)));
            }
            call.gpu = used.map(|used| GpuUse {
                shared: is_shared(by_end.get_or_insert_with(|| state.by_end()), call, &running),
                ..used
            });
            if let Some(gpu) = call.gpu.filter(|_| !call.warmup) {
                let FinishedCall { operation, labels, request_id, .. } = call;
                self.calls.observe_gpu_peak(operation, labels, gpu.memory_peak, request_id);
            }
        }
    }
}

impl State {
    fn reader(&mut self) -> Option<&mut HistoryReader> {
        if let Some(history) = &self.history
            && self.reader.as_ref().is_none_or(HistoryReader::is_over)
        {
            self.reader = Some(history.reader());
        }
        self.reader.as_mut()
    }

    /// Reads the samples of the processes of these calls, once for all calls.
    fn samples_for(&mut self, calls: &[&mut FinishedCall]) -> HashMap<u32, GpuSamples> {
        let mut since: HashMap<u32, u64> = HashMap::new();
        for call in calls {
            let earliest = since.entry(call.pid).or_insert(call.started);
            *earliest = call.started.min(*earliest);
        }
        let Some(reader) = self.reader() else { return HashMap::new() };
        since.into_iter().map(|(pid, since)| (pid, GpuSamples::read(reader, pid, since))).collect()
    }

    /// Returns the recent calls in the order of their ends, each with the earliest start from it on.
    fn by_end(&self) -> Vec<(Seen, u64)> {
        let mut earliest = u64::MAX;
        let backwards = self.seen.iter().rev().map(|seen| {
            earliest = earliest.min(seen.1);
            (*seen, earliest)
        });
        let mut by_end: Vec<_> = backwards.collect();
        by_end.reverse();
        by_end
    }
}

/// Returns the use of a call that died between two times, from its use until each of them. For a device, the samples
/// have no owner: a decrease at the second time may be memory that the death freed.
fn until_death(heard: GpuUse, later: GpuUse) -> GpuUse {
    if later.of_process { later } else { GpuUse { memory_peak: later.memory_peak, ..heard } }
}

/// Returns whether another call overlapped this one.
fn is_shared(by_end: &[(Seen, u64)], call: &FinishedCall, running: &[InFlightCall]) -> bool {
    let place = by_end.partition_point(|(other, _)| *other < seen(call));
    let ended_before = place.checked_sub(1).map(|before| by_end[before].0.0);
    let own = by_end.get(place).is_some_and(|(other, _)| *other == seen(call));
    let later = by_end.get(place + usize::from(own)).map(|(_, earliest)| *earliest);
    // A call that has just finished may still have its slot.
    let itself = |other: &InFlightCall| other.started == call.started && other.request_id == call.request_id;
    ended_before.is_some_and(|ended| ended > call.started)
        || later.is_some_and(|started| started < call.ended)
        || running.iter().any(|other| other.started < call.ended && !itself(other))
}

fn seen(call: &FinishedCall) -> Seen {
    (call.ended, call.started, call.segment, call.pid)
}
