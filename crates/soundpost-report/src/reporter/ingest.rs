//! Moves records from the segments into the store, round by round.

use std::sync::Arc;
use std::time::{Duration, Instant};

use soundpost_core::snapshot::{DeathKey, EndedProcess, EventBatch, RingEvent, RingReader};
use soundpost_core::thread::lock;
use soundpost_core::{Counter, Error, FinishedCall};

use super::deps::Deps;
use super::storage::Storage;

/// Fill level at which a ring waits neither for the GPU sample after a call nor for the store.
const NEARLY_FULL: f64 = 0.5;
/// Maximum number of records in one transaction.
const MAX_BATCH: usize = 4096;
/// Interval at which segments and deaths are searched.
const SECOND: Duration = Duration::from_secs(1);

/// The ring reader, and the store that its records go to.
pub(super) struct Ingest {
    deps: Arc<Deps>,
    pub(super) rings: RingReader,
    pub(super) storage: Storage,
    /// Position up to which each segment was read and is not stored.
    positions: Vec<(u64, u64)>,
    /// Dead segments that were read to their end and are not stored.
    finished: Vec<u64>,
    attached: Option<Instant>,
    torn: Counter,
}

impl Ingest {
    pub(super) fn new(deps: Arc<Deps>) -> Result<Self, Error> {
        Ok(Self {
            rings: ring_reader(&deps),
            storage: Storage::new(&deps)?,
            torn: deps.context.registry.dropped_events("torn")?,
            deps,
            positions: Vec::new(),
            finished: Vec::new(),
            attached: None,
        })
    }

    /// Reads on after the records that wait for the store. Records that a round read before it panicked are still in the
    /// rings.
    pub(super) fn restart(&mut self) {
        self.rings = ring_reader(&self.deps);
        self.attached = None;
    }

    /// Runs one round. In the `last` one no record waits.
    pub(super) fn round(&mut self, last: bool, is_stopping: impl Fn() -> bool) {
        let due = last || self.attached.is_none_or(|attached| attached.elapsed() >= SECOND);
        if due {
            self.attach();
        }
        self.storage.add_samples(last);
        if due {
            let deaths = self.rings.read_deaths();
            self.add(deaths);
        }
        loop {
            let patient = !last && !self.is_nearly_full();
            let attribution = &self.deps.attribution;
            let (mut ready, mut waits) = (0, u64::MAX);
            let drained = self.rings.read(MAX_BATCH, |call| {
                // A call that has to wait may have overlapped one that is ready.
                attribution.record([call]);
                if patient && call.ended > ready && call.ended < waits {
                    let known = if attribution.is_ready(call.ended) { &mut ready } else { &mut waits };
                    *known = call.ended;
                }
                !patient || call.ended <= ready
            });
            let more = drained.more;
            self.add(drained);
            self.save(last);
            let more = more || self.rings.has_room() && self.attach();
            if !more || !last && is_stopping() {
                break;
            }
        }
        // All at once, because the collector reads all remaining segments again after each merge.
        if self.positions.is_empty() && self.storage.is_empty() {
            self.mark_drained();
        }
        self.storage.maintain(last);
    }

    /// Attaches new segments. Returns false while their stored positions cannot be read.
    fn attach(&mut self) -> bool {
        let is_nearly_full = self.is_nearly_full();
        if !self.storage.has_positions(is_nearly_full) {
            return false;
        }
        let attached = self.storage.attach(&mut self.rings, is_nearly_full);
        self.rings.resume(&self.positions);
        self.attached = Some(Instant::now());
        attached
    }

    fn is_nearly_full(&self) -> bool {
        self.rings.fill() >= NEARLY_FULL
    }

    /// Adds records to those that wait for the store, with their use of GPU memory.
    fn add(&mut self, drained: EventBatch) {
        let EventBatch { mut records, mut died, ended, positions, lost, finished, .. } = drained;
        self.torn.increment_by(lost as f64);
        let attribution = &self.deps.attribution;
        let of_died = died.iter().map(|(_, call)| call);
        attribution.record(records.iter().filter_map(RingEvent::call).chain(of_died));
        let calls = records.iter_mut().filter_map(RingEvent::call_mut);
        let calls = calls.chain(died.iter_mut().map(|(_, call)| call));
        attribution.complete(calls, || lock(&self.deps.collector).in_flight());
        // Where no older process is left, the service ended, unless its supervisor is there to start another one.
        let is_supervised =
            ended.iter().any(|ended| !ended.is_survived) && self.deps.context.config.is_supervised();
        let reported = ended.iter().filter(|ended| ended.is_survived || is_supervised);
        reported.for_each(|ended| self.report_ended(ended, &died));
        // Each segment's records are in order already; sinks receive the batch in order of time.
        records.sort_by_key(RingEvent::unix_nanos);
        self.storage.add(records, died, &positions);
        for (segment, position) in positions {
            match self.positions.iter_mut().find(|(known, _)| *known == segment) {
                Some((_, known)) => *known = position,
                None => self.positions.push((segment, position)),
            }
        }
        self.finished.extend(finished);
    }

    /// Reports a process that ended without a shutdown while its service lived on.
    fn report_ended(&mut self, ended: &EndedProcess, died: &[(DeathKey, FinishedCall)]) {
        let own = |call: &&FinishedCall| (call.segment, call.pid) == (ended.segment, ended.pid);
        let mut calls: Vec<_> = died.iter().map(|(_, call)| call).filter(own).collect();
        calls.sort_by_key(|call| call.started);
        if !self.storage.record_ended(ended, &calls) {
            return;
        }
        let oldest = calls.first().map_or_else(String::new, |call| {
            let stage = call.died_in.as_ref().map(|stage| format!(", in stage {stage}"));
            let (id, seconds) = (&call.request_id, call.duration() as f64 * 1e-9);
            format!("; the oldest: {} {id}, for {seconds:.1} s{}", call.operation, stage.unwrap_or_default())
        });
        let registry = &self.deps.context.registry;
        let message = format!(
            "process {} died while the service lived on; calls in flight: {}{oldest}; soundpost postmortem --service {} has more",
            ended.pid,
            calls.len(),
            registry.identity().service()
        );
        registry.diagnostics().warn("process", &message);
    }

    /// Stores the waiting records and frees their places in the rings.
    fn save(&mut self, last: bool) {
        self.deps.sinks.follow(&self.deps.context, &self.deps.acks);
        self.storage.flush_acks();
        if self.storage.save(last) {
            self.rings.stored(&self.positions);
            return self.positions.clear();
        }
        if self.is_nearly_full() {
            self.rings.discard(&self.positions);
        }
        if self.storage.has_timed_out() {
            self.mark_drained();
        }
    }

    /// Marks dead segments that the collector may merge.
    fn mark_drained(&mut self) {
        if !self.finished.is_empty() {
            let mut collector = lock(&self.deps.collector);
            self.finished.drain(..).for_each(|segment| collector.mark_drained(segment));
        }
    }
}

fn ring_reader(deps: &Deps) -> RingReader {
    RingReader::new(deps.context.place.clone(), deps.context.registry.clone())
}
