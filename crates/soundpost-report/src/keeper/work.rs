//! What the keeper works at: reads segments, and has the store take what was in them.

use std::time::{Duration, Instant};

use soundpost_core::snapshot::{EventBatch, RingEvent, RingReader};
use soundpost_core::thread::lock;
use soundpost_core::{Counter, Error, Gauge, Merge, Spec, Unit};
use soundpost_sinks::AckQueue;
use soundpost_store::{Backlog, Store, StoreError};

use super::{Keeper, Surroundings};

/// A ring so full waits neither for the sample behind a call nor for the store.
const NEARLY_FULL: f64 = 0.5;
/// Calls in one transaction.
const LIMIT: usize = 4096;
/// How often segments that came and went, and calls that died, are looked for; and what was written is synced.
const SECOND: Duration = Duration::from_secs(1);
/// Between two steps of retention when the last one had nothing more to do.
const RETENTION: Duration = Duration::from_secs(10);
/// Time for retention in one round: it removes more than can come meanwhile, and the rings do not get full.
const RETAINING: Duration = Duration::from_millis(60);
/// A store that cannot be written for so long does not keep dead segments from being folded any more.
const GIVES_UP: Duration = Duration::from_secs(10);
/// Reason of `unhealthy` while the store cannot be written.
const UNWRITABLE: &str = "store_not_writable";

/// What was read and is not stored, and the store.
pub(super) struct Work {
    drain: RingReader,
    store: Option<Store>,
    backlog: Backlog,
    /// What was read and is not stored.
    positions: Vec<(u64, u64)>,
    /// Dead segments, read to their end, that are not stored.
    finished: Vec<u64>,
    /// Since when the store cannot be written, and when it is tried again.
    failing: Option<(Instant, Instant)>,
    /// Since when it cannot be asked how far segments are stored.
    unasked: Option<Instant>,
    attached: Option<Instant>,
    unsynced: Option<Instant>,
    retention: Instant,
    metrics: Metrics,
}

struct Metrics {
    bytes: Gauge,
    torn: Counter,
    backlog: Counter,
}

impl Work {
    pub(super) fn new(around: &Surroundings) -> Result<Self, Error> {
        let registry = around.calls.registry();
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
            drain: drain_of(around),
            store: None,
            backlog: Backlog::default(),
            positions: Vec::new(),
            finished: Vec::new(),
            failing: None,
            unasked: None,
            attached: None,
            unsynced: None,
            retention: Instant::now() + RETENTION,
            metrics,
        })
    }

    /// Reads on behind what waits for the store: what was just read when a round panicked is still in the rings.
    pub(super) fn begin_again(&mut self, around: &Surroundings) {
        self.drain = drain_of(around);
        self.attached = None;
    }

    /// How full the fullest ring is, 0 to 1.
    pub(super) fn fill(&self) -> f64 {
        self.drain.fill()
    }

    /// Closes the store.
    pub(super) fn close(&mut self) {
        self.store = None;
    }

    /// One round; in the last one nothing waits for anything.
    pub(super) fn round(&mut self, keeper: &Keeper, last: bool) {
        let due = last || self.attached.is_none_or(|attached| attached.elapsed() >= SECOND);
        if due {
            self.attach(keeper);
        }
        lock(&keeper.samples).settled(last).into_iter().for_each(|sample| self.backlog.vitals(sample));
        if due {
            let deaths = self.drain.read_deaths();
            self.take(keeper, deaths);
        }
        loop {
            let patient = !last && self.drain.fill() < NEARLY_FULL;
            let attribution = &keeper.around.attribution;
            let (mut ready, mut waits) = (0, u64::MAX);
            let drained = self.drain.read(LIMIT, |call| {
                // One that has to wait may have run beside one that is ready.
                attribution.see([call]);
                if patient && call.ended > ready && call.ended < waits {
                    let known = if attribution.is_ready(call.ended) { &mut ready } else { &mut waits };
                    *known = call.ended;
                }
                !patient || call.ended <= ready
            });
            let more = drained.more;
            self.take(keeper, drained);
            self.save(keeper, last);
            let more = more || self.drain.has_room() && self.attach(keeper);
            if !more || !last && keeper.is_stopping() {
                break;
            }
        }
        // All at once, because each time they are folded all that are left are read anew.
        if self.positions.is_empty() && self.backlog.is_empty() {
            self.adopt(keeper);
        }
        self.tend(keeper, last);
    }

    /// Looks for segments; opens the store first, which knows how far they are stored. As long as nobody can ask it
    /// they wait: what is in their rings may be stored already. False when they wait.
    fn attach(&mut self, keeper: &Keeper) -> bool {
        self.open(keeper);
        let waited = self.has_waited_enough();
        if self.store.is_none() && keeper.around.limits.is_some() && !waited {
            self.unasked.get_or_insert_with(Instant::now);
            return false;
        }
        let attached = match &mut self.store {
            Some(store) => self.drain.attach(|segment| match store.segment_cursor(segment) {
                Err(_) if waited => Ok(None),
                cursor => cursor,
            }),
            None => self.drain.attach(|_| Ok(None)),
        };
        self.drain.resume(&self.positions);
        self.attached = Some(Instant::now());
        match attached {
            Ok(gone) => {
                self.unasked = self.unasked.filter(|_| self.store.is_none());
                for gone in gone {
                    let _ = self.store.as_mut().map(|store| store.forget_segment(gone));
                }
                true
            }
            Err(error) => {
                self.unasked.get_or_insert_with(Instant::now);
                self.failed(keeper, &error);
                false
            }
        }
    }

    /// Whether what comes cannot wait for the store any more.
    fn has_waited_enough(&self) -> bool {
        self.drain.fill() >= NEARLY_FULL || self.unasked.is_some_and(|since| since.elapsed() >= GIVES_UP)
    }

    /// Tells the store what the sinks did.
    pub(super) fn settle(&mut self, keeper: &Keeper) {
        let acks = &keeper.around.acks;
        let Some(store) = self.store.as_mut().filter(|_| acks.has_entries()) else { return };
        if let Err(error) = acks.write(store) {
            self.failed(keeper, &error);
        }
    }

    fn open(&mut self, keeper: &Keeper) {
        let Some(limits) = keeper.around.limits.as_ref().filter(|_| self.store.is_none()) else { return };
        if self.failing.is_some_and(|(_, retry)| Instant::now() < retry) {
            return;
        }
        let opened = Store::open(keeper.around.place.directory(), limits.clone()).and_then(|mut opened| {
            keeper.around.acks.register_sinks(&mut opened.0)?;
            Ok(opened)
        });
        match opened {
            Ok((store, notice)) => {
                self.store = Some(store);
                notice.into_iter().for_each(|notice| {
                    keeper.around.calls.registry().diagnostics().warn_once("store", &notice)
                });
            }
            Err(error) => self.failed(keeper, &error),
        }
    }

    /// Completes what was drained, and puts it where it waits for the store.
    fn take(&mut self, keeper: &Keeper, drained: EventBatch) {
        let EventBatch { mut records, mut died, positions, lost, finished, .. } = drained;
        self.metrics.torn.increment_by(lost as f64);
        let attribution = &keeper.around.attribution;
        let of_died = died.iter().map(|(_, call)| call);
        attribution.see(records.iter().filter_map(RingEvent::call).chain(of_died));
        let calls = records.iter_mut().filter_map(RingEvent::call_mut);
        let calls = calls.chain(died.iter_mut().map(|(_, call)| call));
        attribution.complete(calls, || lock(&keeper.around.collector).in_flight());
        // Those of each segment are in their order; sinks get those of all in the order of time, as far as they came
        // together.
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

    /// Writes what waits; what is stored is let go.
    fn save(&mut self, keeper: &Keeper, last: bool) {
        if keeper.around.limits.is_none() {
            self.backlog = Backlog::default();
            return self.saved();
        }
        self.open(keeper);
        let waits = !last && self.failing.is_some_and(|(_, retry)| Instant::now() < retry);
        if !waits && let Some(mut store) = self.store.take() {
            let written = self.write(&mut store, &keeper.around.acks);
            store.take_notice().into_iter().for_each(|notice| {
                keeper.around.calls.registry().diagnostics().warn_once("store", &notice);
            });
            self.store = Some(store);
            match written {
                Ok(()) => {
                    if self.failing.take().is_some() {
                        keeper.around.calls.set_unhealthy(UNWRITABLE, false);
                    }
                    return self.saved();
                }
                Err(error) => self.failed(keeper, &error),
            }
        }
        if self.drain.fill() >= NEARLY_FULL {
            self.drain.discard(&self.positions);
        }
        if self.failing.is_some_and(|(since, _)| since.elapsed() >= GIVES_UP) {
            self.adopt(keeper);
        }
        self.metrics.backlog.increment_by(self.backlog.take_dropped().records as f64);
    }

    fn write(&mut self, store: &mut Store, acks: &AckQueue) -> Result<(), StoreError> {
        while !self.backlog.is_empty() {
            let batch = self.backlog.batch();
            let rows = batch.records.len() + batch.died.len() + batch.vitals.len();
            store.write(&batch)?;
            self.backlog.stored();
            if rows > 0 {
                self.unsynced.get_or_insert_with(Instant::now);
                acks.refresh(store)?;
                acks.notify_stored();
            }
        }
        Ok(())
    }

    fn saved(&mut self) {
        self.drain.stored(&self.positions);
        self.positions.clear();
    }

    /// Lets dead segments be folded.
    fn adopt(&mut self, keeper: &Keeper) {
        if !self.finished.is_empty() {
            let mut collector = lock(&keeper.around.collector);
            self.finished.drain(..).for_each(|segment| collector.mark_drained(segment));
        }
    }

    /// Makes durable what was written, and keeps the store within its bounds.
    fn tend(&mut self, keeper: &Keeper, last: bool) {
        let Some(mut store) = self.store.take() else { return };
        let due = self.unsynced.is_some_and(|since| last || since.elapsed() >= SECOND);
        let mut tended = Ok(());
        if due {
            tended = store.sync();
            self.unsynced = self.unsynced.filter(|_| tended.is_err());
        }
        let began = Instant::now();
        if self.failing.is_none() && began >= self.retention {
            let mut step = store.retain();
            while step.as_ref().is_ok_and(|step| step.more) && began.elapsed() < RETAINING {
                step = store.retain();
            }
            let more = step.as_ref().is_ok_and(|step| step.more);
            self.retention = Instant::now() + if more { Duration::ZERO } else { RETENTION };
            tended = tended.and(step.map(drop));
            self.metrics.bytes.set(store.bytes() as f64);
            tended = tended.and_then(|()| keeper.around.acks.refresh(&mut store));
        }
        self.store = Some(store);
        if let Err(error) = tended {
            self.failed(keeper, &error);
        }
    }

    fn failed(&mut self, keeper: &Keeper, error: &StoreError) {
        let now = Instant::now();
        let since = self.failing.map_or(now, |(since, _)| since);
        self.failing = Some((since, now + SECOND));
        let calls = &keeper.around.calls;
        calls.set_unhealthy(UNWRITABLE, true);
        calls.registry().diagnostics().warn_once("store", &format!("store: {error}"));
    }
}

fn drain_of(around: &Surroundings) -> RingReader {
    RingReader::new(around.place.clone(), around.calls.registry().clone())
}
