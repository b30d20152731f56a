//! What each finished call did to GPU memory, worked out by the reporter from the history of samples: it costs a
//! call nothing, and is there for calls that died as well.

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use soundpost_core::history::{CallWindow, GpuSamples, HistoryReader, HistoryWriter};
use soundpost_core::thread::lock;
use soundpost_core::{Calls, FinishedCall, GpuUse, InFlightCall, Outcome, clock};

/// The first sample after a call is waited for at most this long, nanoseconds: three glances.
const PATIENCE: u64 = 300_000_000;
/// A call that died was there for up to so long after its end, which is when its process was last heard of, nanoseconds.
const UNHEARD: u64 = 1_000_000_000;
/// Calls whose times are remembered, to tell which overlapped.
const REMEMBERED: usize = 4096;

/// Completes finished calls with their use of GPU memory.
pub struct Attribution {
    calls: Arc<Calls>,
    state: Mutex<State>,
}

/// A call: when it ended and started, its segment, its process.
type Seen = (u64, u64, u64, u32);

#[derive(Default)]
struct State {
    history: Option<Arc<HistoryWriter>>,
    reader: Option<HistoryReader>,
    /// The calls seen that ended last.
    seen: BTreeSet<Seen>,
}

impl Attribution {
    /// Completes nothing until there is a history.
    pub fn new(calls: Arc<Calls>) -> Self {
        Self { calls, state: Mutex::default() }
    }

    /// The history to go by from now on, also when sampling has ended.
    pub fn set_history(&self, history: Arc<HistoryWriter>) {
        let mut state = lock(&self.state);
        (state.history, state.reader) = (Some(history), None);
    }

    /// Takes note of calls that finished: others may have run at the same time. To be told of each call at least
    /// once, before any that it overlapped is completed.
    pub fn record<'a>(&self, calls: impl IntoIterator<Item = &'a FinishedCall>) {
        let mut state = lock(&self.state);
        state.seen.extend(calls.into_iter().map(seen));
        while state.seen.len() > REMEMBERED {
            state.seen.pop_first();
        }
    }

    /// Whether a call that ended then can be completed: a GPU was sampled after its end, none is sampled, or
    /// there was time enough for one.
    pub fn is_ready(&self, ended: u64) -> bool {
        if clock::monotonic_nanos().saturating_sub(ended) >= PATIENCE {
            return true;
        }
        let mut state = lock(&self.state);
        state.reader().is_none_or(|reader| CallWindow::is_sampled_after(reader, ended).unwrap_or(true))
    }

    /// Says of calls that were seen what they did to GPU memory, and observes their peaks. `running`: the calls
    /// in flight now.
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
                let window = CallWindow { pid: call.pid, started: call.started, ended: Some(ended) };
                looks.get(&call.pid).and_then(|looks| looks.use_in(&window, false))
            };
            let mut used = until(call.ended);
            if call.outcome == Outcome::Died {
                used = used.zip(until(call.ended.saturating_add(UNHEARD))).map(until_death);
            }
            call.gpu = used.map(|used| GpuUse {
                shared: is_shared(by_end.get_or_insert_with(|| state.by_end()), call, &running),
                ..used
            });
            if let Some(gpu) = call.gpu {
                let FinishedCall { operation, labels, request_id, .. } = call;
                self.calls.observe_gpu_peak(operation, labels, gpu.memory_peak, request_id);
            }
        }
    }
}

impl State {
    fn reader(&mut self) -> Option<&mut HistoryReader> {
        let history = self.history.as_ref()?;
        if self.reader.as_ref().is_none_or(HistoryReader::is_over) {
            self.reader = Some(history.reader());
        }
        self.reader.as_mut()
    }

    /// What the history says of the processes of these calls: read once for all, there may be thousands.
    fn samples_for(&mut self, calls: &[&mut FinishedCall]) -> HashMap<u32, GpuSamples> {
        let mut since: HashMap<u32, u64> = HashMap::new();
        for call in calls {
            let earliest = since.entry(call.pid).or_insert(call.started);
            *earliest = call.started.min(*earliest);
        }
        let Some(reader) = self.reader() else { return HashMap::new() };
        since.into_iter().map(|(pid, since)| (pid, GpuSamples::read(reader, pid, since))).collect()
    }

    /// The calls seen, in the order of their ends; with each the earliest start of it and those after it.
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

/// What a call did that died between two moments: up to the first of them, and up to the second. Of a device it is told
/// how much was in use, but not by whom: what is less at the second may be what the death freed.
fn until_death((heard, later): (GpuUse, GpuUse)) -> GpuUse {
    if later.of_process { later } else { GpuUse { memory_peak: later.memory_peak, ..heard } }
}

/// Whether another call ran while this one did.
fn is_shared(by_end: &[(Seen, u64)], call: &FinishedCall, running: &[InFlightCall]) -> bool {
    let place = by_end.partition_point(|(other, _)| *other < seen(call));
    let ended_before = place.checked_sub(1).map(|before| by_end[before].0.0);
    let own = by_end.get(place).is_some_and(|(other, _)| *other == seen(call));
    let later = by_end.get(place + usize::from(own)).map(|(_, earliest)| *earliest);
    // One that has just finished may still have its slot.
    let itself = |other: &InFlightCall| other.started == call.started && other.request_id == call.request_id;
    ended_before.is_some_and(|ended| ended > call.started)
        || later.is_some_and(|started| started < call.ended)
        || running.iter().any(|other| other.started < call.ended && !itself(other))
}

fn seen(call: &FinishedCall) -> Seen {
    (call.ended, call.started, call.segment, call.pid)
}
