//! The store, and the records on their way into it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use soundpost_core::snapshot::{DeathKey, EndedProcess, RingEvent, RingReader};
use soundpost_core::thread::lock;
use soundpost_core::{
    Counter, Error, FinishedCall, Gauge, LOCKS_UNUSABLE, Merge, RecordOrigin, ServiceDir, Spec, Unit,
};
pub(super) use soundpost_store::prepare_for_forks;
use soundpost_store::{Backlog, Store, StoreError, record_ended_process};
#[cfg(feature = "host")]
use soundpost_vitals::oom_kills;

use super::deps::Deps;

/// Interval at which the store is synced and a failed store is retried.
const SECOND: Duration = Duration::from_secs(1);
/// Interval between retention steps after one with nothing left to do.
const RETENTION: Duration = Duration::from_secs(10);
/// Maximum time for retention in one round: it removes more than is recorded meanwhile, and no ring becomes full.
const RETENTION_LIMIT: Duration = Duration::from_millis(60);
/// Time of failures after which dead segments are merged without being stored.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);
/// Reason of `unhealthy` while the store cannot be written.
const UNWRITABLE: &str = "store_not_writable";

/// The store, and the records that wait for it.
pub(super) struct Storage {
    deps: Arc<Deps>,
    store: Option<Store>,
    backlog: Backlog,
    /// Version and instance of the service for vitals.
    origin: RecordOrigin,
    /// Start of the failures to write the store, and the time of the next attempt.
    failing: Option<(Instant, Instant)>,
    /// Time since which the stored positions of segments cannot be read.
    positions_unknown: Option<Instant>,
    unsynced: Option<Instant>,
    /// Time of the next retention step.
    retention: Instant,
    /// Kills by the OOM killer until the last postmortem.
    oom_kills: Option<u64>,
    bytes: Gauge,
    evicted: Counter,
}

impl Storage {
    pub(super) fn new(deps: &Arc<Deps>) -> Result<Self, Error> {
        let registry = &deps.context.registry;
        let bytes = Spec::gauge("soundpost_store_bytes")
            .unit(Unit::Bytes)
            .help("Size of the store on disk, its log included.")
            .merge(Merge::Last);
        Ok(Self {
            bytes: registry.family(bytes)?.gauge(&[])?,
            evicted: registry.dropped_events("store_backlog")?,
            deps: deps.clone(),
            store: None,
            backlog: Backlog::default(),
            origin: registry.identity().origin(),
            oom_kills: oom_kills(),
            failing: None,
            positions_unknown: None,
            unsynced: None,
            retention: Instant::now() + RETENTION,
        })
    }

    /// Opens the store, and returns whether the stored position of each segment can be read. Until then segments wait,
    /// because records in their rings may be stored already; not for long, and not if a ring `is_nearly_full`.
    pub(super) fn has_positions(&mut self, is_nearly_full: bool) -> bool {
        self.open();
        let waits = self.store.is_none()
            && self.deps.context.config.store.is_some()
            && !self.has_waited_enough(is_nearly_full);
        if waits {
            self.positions_unknown.get_or_insert_with(Instant::now);
        }
        !waits
    }

    /// Attaches new segments to the rings from their stored positions, and forgets those of removed segments. Returns
    /// false after an error.
    pub(super) fn attach(&mut self, rings: &mut RingReader, is_nearly_full: bool) -> bool {
        let waited = self.has_waited_enough(is_nearly_full);
        let attached = match &mut self.store {
            Some(store) => rings.attach(|segment| match store.segment_cursor(segment) {
                Err(_) if waited => Ok(None),
                cursor => cursor,
            }),
            None => rings.attach(|_| Ok(None)),
        };
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

    fn has_waited_enough(&self, is_nearly_full: bool) -> bool {
        is_nearly_full || self.positions_unknown.is_some_and(|since| since.elapsed() >= STORE_TIMEOUT)
    }

    /// Adds the samples whose groups are complete, or all of them in the `last` round.
    pub(super) fn add_samples(&mut self, last: bool) {
        lock(&self.deps.collector).update_origin(&mut self.origin);
        self.backlog.set_vitals_origin(self.origin.clone());
        self.deps.samples.move_settled(last, &mut self.backlog);
    }

    /// Adds records, calls of dead processes, and the positions up to which the segments were read.
    pub(super) fn add(
        &mut self,
        records: Vec<RingEvent>,
        died: Vec<(DeathKey, FinishedCall)>,
        positions: &[(u64, u64)],
    ) {
        records.into_iter().for_each(|record| self.backlog.record(record));
        died.into_iter().for_each(|(key, call)| self.backlog.died(key, call));
        positions.iter().for_each(|(segment, position)| self.backlog.cursor(*segment, *position));
    }

    /// Writes the postmortem of a process. Returns whether it is new.
    pub(super) fn record_ended(&mut self, ended: &EndedProcess, calls: &[&FinishedCall]) -> bool {
        let kills = std::mem::replace(&mut self.oom_kills, oom_kills());
        let is_oom = kills.zip(self.oom_kills).is_some_and(|(before, now)| now > before);
        let context = &self.deps.context;
        let service = context.registry.identity().service();
        let written = record_ended_process(context.place.directory(), service, ended, is_oom, calls);
        written.unwrap_or_else(|error| {
            context.warn("store", &format!("postmortem: cannot write: {error}"));
            true
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.backlog.is_empty()
    }

    /// Returns whether the store has failed for so long that dead segments are merged without being stored.
    pub(super) fn has_timed_out(&self) -> bool {
        self.failing.is_some_and(|(since, _)| since.elapsed() >= STORE_TIMEOUT)
    }

    /// Stores the waiting records. Returns whether none is left; without a store they are dropped.
    pub(super) fn save(&mut self, last: bool) -> bool {
        if self.deps.context.config.store.is_none() {
            self.backlog = Backlog::default();
            return true;
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
                        let context = &self.deps.context;
                        context.calls.set_unhealthy(UNWRITABLE, false);
                        context.calls.set_unhealthy(LOCKS_UNUSABLE, context.lacks_locks());
                    }
                    return true;
                }
                Err(error) => self.failed(&error),
            }
        }
        self.evicted.increment_by(self.backlog.take_evicted().records as f64);
        false
    }

    /// Stores the queued acknowledgements of the sinks.
    pub(super) fn flush_acks(&mut self) {
        let acks = &self.deps.acks;
        let Some(store) = self.store.as_mut().filter(|_| acks.has_entries()) else { return };
        if let Err(error) = acks.write(store) {
            self.failed(&error);
        }
    }

    /// Syncs the store and runs retention.
    pub(super) fn maintain(&mut self, last: bool) {
        let Some(mut store) = self.store.take() else { return };
        let due = self.unsynced.is_some_and(|since| last || since.elapsed() >= SECOND);
        let mut maintained = Ok(());
        if due {
            maintained = store.sync();
            self.unsynced = self.unsynced.filter(|_| maintained.is_err());
        }
        let began = Instant::now();
        if self.failing.is_none() && (began >= self.retention || store.is_over()) {
            let mut step = store.retain();
            while step.as_ref().is_ok_and(|step| step.more) && began.elapsed() < RETENTION_LIMIT {
                step = store.retain();
            }
            let more = step.as_ref().is_ok_and(|step| step.more);
            self.retention = Instant::now() + if more { Duration::ZERO } else { RETENTION };
            maintained = maintained.and(step.map(drop));
            self.bytes.set(store.bytes() as f64);
            maintained = maintained.and_then(|()| self.deps.acks.refresh(&mut store));
        }
        self.store = Some(store);
        if let Err(error) = maintained {
            self.failed(&error);
        }
    }

    pub(super) fn close(&mut self) {
        self.store = None;
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

    fn failed(&mut self, error: &StoreError) {
        let now = Instant::now();
        let since = self.failing.map_or(now, |(since, _)| since);
        self.failing = Some((since, now + SECOND));
        let context = &self.deps.context;
        context.calls.set_unhealthy(UNWRITABLE, true);
        let locks = ServiceDir::check_locks(context.place.directory()).err();
        context.calls.set_unhealthy(LOCKS_UNUSABLE, locks.is_some() || context.lacks_locks());
        let cause = locks.map_or_else(String::new, |locks| format!("; {locks}"));
        context.warn("store", &format!("store: {error}{cause}"));
    }
}

#[cfg(not(feature = "host"))]
fn oom_kills() -> Option<u64> {
    None
}
