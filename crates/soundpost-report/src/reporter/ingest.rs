//! Moves records from the segments into the store, round by round.

use std::sync::Arc;
use std::time::{Duration, Instant};

use soundpost_core::snapshot::{EventBatch, RingEvent, RingReader};
use soundpost_core::thread::lock;
use soundpost_core::{Counter, Error, Gauge, Merge, Spec, Unit};
use soundpost_store::{Backlog, Store, StoreError};

use super::deps::Deps;

/// Fill level at which a ring waits neither for the GPU sample after a call nor for the store.
const NEARLY_FULL: f64 = 0.5;
/// Maximum number of records in one transaction.
const MAX_BATCH: usize = 4096;
/// Interval at which segments and deaths are searched, the store is synced, and a failed store is retried.
const SECOND: Duration = Duration::from_secs(1);
/// Interval between retention steps after one with nothing left to do.
const RETENTION: Duration = Duration::from_secs(10);
/// Maximum time for retention in one round: it removes more than is recorded meanwhile, and no ring becomes full.
const RETENTION_LIMIT: Duration = Duration::from_millis(60);
/// Time of failures after which dead segments are merged without being stored.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);
/// Reason of `unhealthy` while the store cannot be written.
const UNWRITABLE: &str = "store_not_writable";

/// The ring reader, the store, and the records between them.
pub(super) struct Ingest {
    deps: Arc<Deps>,
    rings: RingReader,
    store: Option<Store>,
    backlog: Backlog,
    /// Position up to which each segment was read and is not stored.
    positions: Vec<(u64, u64)>,
    /// Dead segments that were read to their end and are not stored.
    finished: Vec<u64>,
    /// Start of the failures to write the store, and the time of the next attempt.
    failing: Option<(Instant, Instant)>,
    /// Time since which the stored positions of segments cannot be read.
    positions_unknown: Option<Instant>,
    attached: Option<Instant>,
    unsynced: Option<Instant>,
    /// Time of the next retention step.
    retention: Instant,
    metrics: Metrics,
}

struct Metrics {
    bytes: Gauge,
    torn: Counter,
    backlog: Counter,
}

impl Ingest {
    pub(super) fn new(deps: Arc<Deps>) -> Result<Self, Error> {
        let registry = &deps.context.registry;
        let bytes = Spec::gauge("soundpost_store_bytes")
            .unit(Unit::Bytes)
            .help("Size of the store on disk, its log included.")
            .merge(Merge::Last);
        let metrics = Metrics {
            bytes: registry.family(bytes)?.gauge(&[])?,
            torn: registry.dropped_events("torn")?,
            backlog: registry.dropped_events("store_backlog")?,
        };
        Ok(Self {
            rings: ring_reader(&deps),
            deps,
            store: None,
            backlog: Backlog::default(),
            positions: Vec::new(),
            finished: Vec::new(),
            failing: None,
            positions_unknown: None,
            attached: None,
            unsynced: None,
            retention: Instant::now() + RETENTION,
            metrics,
        })
    }

    /// Reads on after the records that wait for the store. Records that a round read before it panicked are still in the
    /// rings.
    pub(super) fn restart(&mut self) {
        self.rings = ring_reader(&self.deps);
        self.attached = None;
    }

    /// Returns the fill level of the fullest ring, 0 to 1.
    pub(super) fn fill(&self) -> f64 {
        self.rings.fill()
    }

    /// Closes the store.
    pub(super) fn close(&mut self) {
        self.store = None;
    }

    /// Runs one round. In the `last` one no record waits.
    pub(super) fn round(&mut self, last: bool, is_stopping: impl Fn() -> bool) {
        let due = last || self.attached.is_none_or(|attached| attached.elapsed() >= SECOND);
        if due {
            self.attach();
        }
        self.deps.samples.take_settled(last).into_iter().for_each(|sample| self.backlog.vitals(sample));
        if due {
            let deaths = self.rings.read_deaths();
            self.add(deaths);
        }
        loop {
            let patient = !last && self.rings.fill() < NEARLY_FULL;
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
        if self.positions.is_empty() && self.backlog.is_empty() {
            self.mark_drained();
        }
        self.maintain(last);
    }

    /// Attaches new segments. The store is opened first, because it has the position of each segment. Returns false
    /// while the positions cannot be read: records in the rings may be stored already, so the segments wait.
    fn attach(&mut self) -> bool {
        self.open();
        let waited = self.has_waited_enough();
        if self.store.is_none() && self.deps.context.config.store.is_some() && !waited {
            self.positions_unknown.get_or_insert_with(Instant::now);
            return false;
        }
        let attached = match &mut self.store {
            Some(store) => self.rings.attach(|segment| match store.segment_cursor(segment) {
                Err(_) if waited => Ok(None),
                cursor => cursor,
            }),
            None => self.rings.attach(|_| Ok(None)),
        };
        self.rings.resume(&self.positions);
        self.attached = Some(Instant::now());
        match attached {
            Ok(gone) => {
                self.positions_unknown = self.positions_unknown.filter(|_| self.store.is_none());
                for gone in gone {
                    let _ = self.store.as_mut().map(|store| store.forget_segment(gone));
                }
                true
            }
            Err(error) => {
                self.positions_unknown.get_or_insert_with(Instant::now);
                self.failed(&error);
                false
            }
        }
    }

    /// Returns whether new records cannot wait for the store any longer.
    fn has_waited_enough(&self) -> bool {
        self.rings.fill() >= NEARLY_FULL
            || self.positions_unknown.is_some_and(|since| since.elapsed() >= STORE_TIMEOUT)
    }

    /// Stores the queued acknowledgements of the sinks.
    pub(super) fn flush_acks(&mut self) {
        let acks = &self.deps.acks;
        let Some(store) = self.store.as_mut().filter(|_| acks.has_entries()) else { return };
        if let Err(error) = acks.write(store) {
            self.failed(&error);
        }
    }

    fn open(&mut self) {
        let context = &self.deps.context;
        let Some(limits) = context.config.store.as_ref().filter(|_| self.store.is_none()) else { return };
        if self.failing.is_some_and(|(_, retry)| Instant::now() < retry) {
            return;
        }
        let opened = Store::open(context.place.directory(), limits.clone()).and_then(|mut opened| {
            self.deps.acks.register_sinks(&mut opened.0)?;
            Ok(opened)
        });
        match opened {
            Ok((store, notice)) => {
                self.store = Some(store);
                notice.into_iter().for_each(|notice| self.deps.context.warn("store", &notice));
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Adds records to those that wait for the store, with their use of GPU memory.
    fn add(&mut self, drained: EventBatch) {
        let EventBatch { mut records, mut died, positions, lost, finished, .. } = drained;
        self.metrics.torn.increment_by(lost as f64);
        let attribution = &self.deps.attribution;
        let of_died = died.iter().map(|(_, call)| call);
        attribution.record(records.iter().filter_map(RingEvent::call).chain(of_died));
        let calls = records.iter_mut().filter_map(RingEvent::call_mut);
        let calls = calls.chain(died.iter_mut().map(|(_, call)| call));
        attribution.complete(calls, || lock(&self.deps.collector).in_flight());
        // Each segment's records are in order already; sinks receive the batch in order of time.
        records.sort_by_key(RingEvent::unix_nanos);
        records.into_iter().for_each(|record| self.backlog.record(record));
        died.into_iter().for_each(|(key, call)| self.backlog.died(key, call));
        for (segment, position) in positions {
            self.backlog.cursor(segment, position);
            match self.positions.iter_mut().find(|(known, _)| *known == segment) {
                Some((_, known)) => *known = position,
                None => self.positions.push((segment, position)),
            }
        }
        self.finished.extend(finished);
    }

    /// Stores the waiting records and frees their places in the rings.
    fn save(&mut self, last: bool) {
        if self.deps.context.config.store.is_none() {
            self.backlog = Backlog::default();
            return self.saved();
        }
        self.open();
        let waits = !last && self.failing.is_some_and(|(_, retry)| Instant::now() < retry);
        if !waits && let Some(mut store) = self.store.take() {
            let written = self.write(&mut store);
            store.take_notice().into_iter().for_each(|notice| self.deps.context.warn("store", &notice));
            self.store = Some(store);
            match written {
                Ok(()) => {
                    if self.failing.take().is_some() {
                        self.deps.context.calls.set_unhealthy(UNWRITABLE, false);
                    }
                    return self.saved();
                }
                Err(error) => self.failed(&error),
            }
        }
        if self.rings.fill() >= NEARLY_FULL {
            self.rings.discard(&self.positions);
        }
        if self.failing.is_some_and(|(since, _)| since.elapsed() >= STORE_TIMEOUT) {
            self.mark_drained();
        }
        self.metrics.backlog.increment_by(self.backlog.take_evicted().records as f64);
    }

    fn write(&mut self, store: &mut Store) -> Result<(), StoreError> {
        while !self.backlog.is_empty() {
            let batch = self.backlog.batch();
            let rows = batch.records.len() + batch.died.len() + batch.vitals.len();
            store.write(&batch)?;
            self.backlog.stored();
            if rows > 0 {
                self.unsynced.get_or_insert_with(Instant::now);
                self.deps.acks.refresh(store)?;
                self.deps.acks.notify_stored();
            }
        }
        Ok(())
    }

    fn saved(&mut self) {
        self.rings.stored(&self.positions);
        self.positions.clear();
    }

    /// Marks dead segments that the collector may merge.
    fn mark_drained(&mut self) {
        if !self.finished.is_empty() {
            let mut collector = lock(&self.deps.collector);
            self.finished.drain(..).for_each(|segment| collector.mark_drained(segment));
        }
    }

    /// Syncs the store and runs retention.
    fn maintain(&mut self, last: bool) {
        let Some(mut store) = self.store.take() else { return };
        let due = self.unsynced.is_some_and(|since| last || since.elapsed() >= SECOND);
        let mut maintained = Ok(());
        if due {
            maintained = store.sync();
            self.unsynced = self.unsynced.filter(|_| maintained.is_err());
        }
        let began = Instant::now();
        if self.failing.is_none() && began >= self.retention {
            let mut step = store.retain();
            while step.as_ref().is_ok_and(|step| step.more) && began.elapsed() < RETENTION_LIMIT {
                step = store.retain();
            }
            let more = step.as_ref().is_ok_and(|step| step.more);
            self.retention = Instant::now() + if more { Duration::ZERO } else { RETENTION };
            maintained = maintained.and(step.map(drop));
            self.metrics.bytes.set(store.bytes() as f64);
            maintained = maintained.and_then(|()| self.deps.acks.refresh(&mut store));
        }
        self.store = Some(store);
        if let Err(error) = maintained {
            self.failed(&error);
        }
    }

    fn failed(&mut self, error: &StoreError) {
        let now = Instant::now();
        let since = self.failing.map_or(now, |(since, _)| since);
        self.failing = Some((since, now + SECOND));
        self.deps.context.calls.set_unhealthy(UNWRITABLE, true);
        self.deps.context.warn("store", &format!("store: {error}"));
    }
}

fn ring_reader(deps: &Deps) -> RingReader {
    RingReader::new(deps.context.place.clone(), deps.context.registry.clone())
}
