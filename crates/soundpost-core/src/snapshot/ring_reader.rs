//! The drain: takes finished calls and log events out of the event rings of a service's segments, in their order,
//! and calls that were in flight when their process died.
//!
//! What was read stays in the ring until [`RingReader::stored`] says that it is safe elsewhere. A reporter that is
//! killed in between leaves it to the next, which the store tells how far it is.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::names::Names;
use crate::call::{CallRecord, FinishedCall};
use crate::clock;
use crate::log::LogEvent;
use crate::registry::Registry;
use crate::segment::{Owner, ServiceDir, Slot, Source};
use crate::step;

/// Names a call that died, for ever: where it was in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeathKey {
    /// The segment.
    pub segment: u64,
    /// The slot in it.
    pub slot: u32,
    /// How often the slot had been used.
    pub sequence: u64,
}

/// A record that is not finished is waited for so long, nanoseconds. Its writer, should it come back, writes it
/// again.
const PATIENCE: u64 = 1_000_000_000;
/// So many dead segments are read at a time: each takes as much memory as was ever written of it.
const DEAD_AT_ONCE: usize = 8;
/// What lies in an event ring.
#[derive(Clone, Debug, PartialEq)]
pub enum RingEvent {
    /// A call that finished.
    Call(FinishedCall),
    /// A log event.
    Log(LogEvent),
}

impl RingEvent {
    /// When it ended or happened, by the wall clock, nanoseconds since 1970.
    pub fn unix_nanos(&self) -> u64 {
        match self {
            Self::Call(call) => call.ended_unix,
            Self::Log(event) => event.unix_nanos,
        }
    }

    /// The call, if it is one.
    pub fn call(&self) -> Option<&FinishedCall> {
        if let Self::Call(call) = self { Some(call) } else { None }
    }

    /// The call, if it is one.
    pub fn call_mut(&mut self) -> Option<&mut FinishedCall> {
        if let Self::Call(call) = self { Some(call) } else { None }
    }
}

/// What one round took.
#[derive(Debug, Default)]
pub struct EventBatch {
    /// Finished calls and log events, those of a segment in their order.
    pub records: Vec<RingEvent>,
    /// Calls whose process died.
    pub died: Vec<(DeathKey, FinishedCall)>,
    /// Up to where each segment was read.
    pub positions: Vec<(u64, u64)>,
    /// Records that were never finished, or are damaged.
    pub lost: u64,
    /// Segments that nobody writes any more and that were read to their end.
    pub finished: Vec<u64>,
    /// Whether it ended at the limit, and there is more.
    pub more: bool,
}

impl EventBatch {
    /// Whether nothing was taken.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.died.is_empty() && self.lost == 0
    }
}

/// Reads the event rings of a service.
pub struct RingReader {
    dir: ServiceDir,
    registry: Arc<Registry>,
    rings: Vec<Tail>,
    /// Dead segments that were read to their end.
    finished: Vec<(PathBuf, u64)>,
    /// Whether dead segments wait until others are finished.
    waiting: bool,
}

struct Tail {
    source: Source,
    names: Names,
    /// Where to read on.
    position: u64,
    /// The unfinished record that is waited for, and since when.
    waiting: Option<(u64, u64)>,
    /// When somebody who writes it was last seen alive, or had written what was read.
    alive: u64,
    /// Calls that died and were told.
    told: HashSet<DeathKey>,
    /// Calls that seem to have died, and where the ring's head was then: a record of them would be before it.
    suspects: HashMap<DeathKey, u64>,
}

impl RingReader {
    /// A drain for the service of `registry`.
    pub fn new(dir: ServiceDir, registry: Arc<Registry>) -> Self {
        Self { dir, registry, rings: Vec::new(), finished: Vec::new(), waiting: false }
    }

    /// How full the fullest ring is, 0 to 1; looks only at rings that are known, and at the own.
    pub fn fill(&self) -> f64 {
        let known = self.rings.iter().map(|ring| ring.source.ring().fill());
        known.fold(self.registry.segment().ring().fill(), f64::max)
    }

    /// Looks for segments that came; `stored` tells up to where one is in the store. Gives those that are gone. Of dead
    /// ones it takes a few, see [`RingReader::has_room`].
    ///
    /// # Errors
    /// What `stored` said: that segment and those behind it are left for the next time.
    pub fn attach<E>(
        &mut self,
        mut stored: impl FnMut(u64) -> Result<Option<u64>, E>,
    ) -> Result<Vec<u64>, E> {
        let files = self.dir.segment_files();
        let mut gone = Vec::new();
        let here = |path: &Path| files.iter().any(|file| file == path);
        self.rings.retain(|ring| {
            let kept = ring.source.is_own() || ring.source.path().is_some_and(here);
            gone.extend((!kept).then(|| ring.source.id()));
            kept
        });
        self.finished.retain(|(path, id)| {
            gone.extend((!here(path)).then_some(*id));
            here(path)
        });
        if !self.rings.iter().any(|ring| ring.source.is_own()) {
            self.push(Source::own(self.registry.segment().clone()), &mut stored)?;
        }
        self.waiting = false;
        for file in files.iter().filter(|file| !self.knows(file)).collect::<Vec<_>>() {
            if self.dead() >= DEAD_AT_ONCE && Source::is_unused(file) {
                self.waiting = true;
            } else if let Ok(source) = Source::open_to_drain(file) {
                // One that cannot be read is set aside by the collector, which also says so.
                self.push(source, &mut stored)?;
            }
        }
        Ok(gone)
    }

    /// Whether dead segments wait that [`RingReader::attach`] would take now.
    pub fn has_room(&self) -> bool {
        self.waiting && self.dead() < DEAD_AT_ONCE
    }

    /// How many dead segments are being read.
    fn dead(&self) -> usize {
        self.rings.iter().filter(|ring| ring.source.is_copy()).count()
    }

    fn knows(&self, file: &Path) -> bool {
        self.rings.iter().any(|ring| ring.source.path() == Some(file))
            || self.finished.iter().any(|(path, _)| path == file)
    }

    fn push<E>(
        &mut self,
        source: Source,
        stored: &mut impl FnMut(u64) -> Result<Option<u64>, E>,
    ) -> Result<(), E> {
        let tail = source.ring().tail();
        // A reporter that was killed had them stored, and had not freed them yet.
        let position = stored(source.id())?.filter(|stored| *stored > tail).unwrap_or(tail);
        pass(&source, tail, position);
        source.ring().free(position, |owner| source.is_alive(owner));
        let (names, told, suspects) = Default::default();
        let alive = source.heartbeat();
        self.rings.push(Tail { source, names, position, waiting: None, alive, told, suspects });
        Ok(())
    }

    /// Takes up to about `limit` records. A call that is not `ready` is left for the next round, with all that
    /// follow it in its segment; `ready` is asked of those as well.
    pub fn read(&mut self, limit: usize, mut ready: impl FnMut(&FinishedCall) -> bool) -> EventBatch {
        let mut drained = EventBatch::default();
        let finished = &mut self.finished;
        self.rings.retain_mut(|ring| {
            // Asked first: who is dead now has written all that it will.
            let dead = ring.source.is_dead();
            let complete = ring.read(dead, limit, &mut drained, &mut ready);
            if dead && complete {
                ring.deaths(true, &mut drained);
                drained.finished.push(ring.source.id());
                finished.extend(ring.source.path().map(|path| (path.to_owned(), ring.source.id())));
            }
            !(dead && complete)
        });
        drained
    }

    /// Finds calls of processes that died, in segments that others still write, and puts right what keeps these from
    /// their ring.
    pub fn read_deaths(&mut self) -> EventBatch {
        let mut drained = EventBatch::default();
        for ring in self.rings.iter_mut().filter(|ring| !ring.source.is_dead()) {
            drained.lost += u64::from(ring.mend());
            ring.deaths(false, &mut drained);
        }
        drained
    }

    /// Says that segments are in the store up to these positions: their rings are freed.
    pub fn stored(&mut self, positions: &[(u64, u64)]) {
        self.discard(positions);
        self.tails(positions).for_each(|(ring, position)| ring.source.ring().set_stored(position));
    }

    /// Frees rings up to these positions, because the store cannot be written and they get full.
    pub fn discard(&mut self, positions: &[(u64, u64)]) {
        for (ring, position) in self.tails(positions) {
            ring.source.ring().free(position, |owner| ring.source.is_alive(owner));
        }
    }

    /// Reads on from these positions where it is not further: up to there somebody has what was read.
    pub fn resume(&mut self, positions: &[(u64, u64)]) {
        for (segment, position) in positions {
            for ring in self.rings.iter_mut().filter(|ring| ring.source.id() == *segment) {
                ring.position = ring.position.max(*position);
            }
        }
    }

    fn tails(&self, positions: &[(u64, u64)]) -> impl Iterator<Item = (&Tail, u64)> {
        positions.iter().flat_map(|(segment, position)| {
            let rings = self.rings.iter().filter(|ring| ring.source.id() == *segment);
            rings.map(|ring| (ring, *position))
        })
    }
}

/// Notes which records of a stretch that is stored were never finished, before it is freed.
fn pass(source: &Source, mut at: u64, to: u64) {
    while at < to {
        at = match source.ring().read(at, |owner| source.is_alive(owner)) {
            Slot::End | Slot::Unfinished => return,
            Slot::Freed { next } | Slot::Record { next, .. } => next,
            Slot::Lost { next } => {
                source.in_flight().forget_record(at);
                next
            }
        }
    }
}

impl Tail {
    /// Shows the calls from `position` on, and takes none.
    fn peek(&mut self, mut position: u64, limit: usize, ready: &mut impl FnMut(&FinishedCall) -> bool) {
        for _ in 0..limit {
            // One that is not finished is not waited for.
            match self.source.ring().read(position, |_| true) {
                Slot::End | Slot::Unfinished => return,
                Slot::Freed { next } | Slot::Lost { next } => position = next,
                Slot::Record { payload, next } => {
                    if let Some(record) = CallRecord::decode(&payload) {
                        ready(&self.names.finished(&self.source, record));
                    }
                    position = next;
                }
            }
        }
    }

    /// Reads on; true when there is nothing left.
    fn read(
        &mut self,
        dead: bool,
        limit: usize,
        drained: &mut EventBatch,
        ready: &mut impl FnMut(&FinishedCall) -> bool,
    ) -> bool {
        let (source, before, now) = (&self.source, self.position, clock::monotonic_nanos());
        let ring = source.ring();
        if !dead {
            self.alive = now;
        }
        let mut behind = None;
        let complete = loop {
            if drained.records.len() >= limit {
                drained.more = true;
                break false;
            }
            match ring.read(self.position, |owner| !dead && source.is_alive(owner)) {
                Slot::End => break true,
                Slot::Unfinished => {
                    let waiting = self.waiting.filter(|(position, _)| *position == self.position);
                    let (_, since) = *self.waiting.insert(waiting.unwrap_or((self.position, now)));
                    if now.saturating_sub(since) < PATIENCE {
                        break false;
                    }
                    // Its process is stopped, or nobody can tell whether it lives: what others wrote behind it
                    // must not wait for ever. If it has just finished, it is read.
                    ring.abandon(self.position);
                }
                Slot::Freed { next } => self.position = next,
                Slot::Lost { next } => {
                    drained.lost += 1;
                    source.in_flight().forget_record(self.position);
                    self.position = next;
                }
                Slot::Record { payload, next } => {
                    step::reach("drain");
                    if let Some(record) = CallRecord::decode(&payload) {
                        self.alive = self.alive.max(record.ended);
                        let call = self.names.finished(source, record);
                        if !ready(&call) {
                            behind = Some(next);
                            break false;
                        }
                        drained.records.push(RingEvent::Call(call));
                    } else if let Some(event) = LogEvent::decode(&payload, source) {
                        drained.records.push(RingEvent::Log(self.names.labelled(source, event)));
                    } else {
                        drained.lost += 1;
                    }
                    self.position = next;
                }
            }
        };
        if self.position != before {
            drained.positions.push((source.id(), self.position));
        }
        if let Some(behind) = behind {
            self.peek(behind, limit, ready);
        }
        complete
    }

    /// Puts right what keeps writers from the ring, once there is nothing to read; whether something was damaged.
    fn mend(&self) -> bool {
        let ring = self.source.ring();
        matches!(ring.read(self.position, |_| true), Slot::End) && ring.mend(self.position)
    }

    /// Finds calls that nobody will end; `all`: nobody is left who could.
    fn deaths(&mut self, all: bool, drained: &mut EventBatch) {
        let source = &self.source;
        // Where others still write it, they say so to this day.
        let ended = if all { self.alive } else { 0 }.max(source.heartbeat());
        let mut alive: HashMap<Owner, bool> = HashMap::new();
        for call in source.in_flight().read_unrecorded() {
            let owner = call.owner();
            let lives = !all && *alive.entry(owner).or_insert_with(|| source.is_alive(owner));
            let key = DeathKey { segment: source.id(), slot: call.index, sequence: call.sequence };
            if lives || self.told.contains(&key) {
                continue;
            }
            // Its process is gone: what it wrote last lies before the head of now.
            let head = *self.suspects.entry(key).or_insert_with(|| source.ring().head());
            if !all && self.position < head {
                continue;
            }
            self.suspects.remove(&key);
            self.told.insert(key);
            // Killed right after its record was written, before its slot said so: the ring knows.
            if call.record_at().is_none_or(|at| source.ring().is_unfinished(at)) {
                drained.died.push((key, self.names.died(source, &call, ended)));
            }
        }
    }
}
