//! The ring reader: finished calls and log events from the event rings of a service's segments, in order, and
//! calls that were in flight when their process died.
//!
//! Records stay in the ring until [`RingReader::stored`] confirms them. If a reporter is killed before that,
//! the next one reads them; the store reports its position.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::names::Names;
use crate::call::{CallRecord, FinishedCall};
use crate::clock;
use crate::log::LogEvent;
use crate::registry::Registry;
use crate::segment::{Owner, ProcessRole, ServiceDir, Slot, Source};
use crate::step;

/// Permanent key of a call that died: its place in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeathKey {
    /// Segment.
    pub segment: u64,
    /// Slot in the segment.
    pub slot: u32,
    /// Sequence number of the slot.
    pub sequence: u64,
}

/// Timeout for an incomplete record, nanoseconds. A writer that resumes later appends its record again.
const PATIENCE: u64 = 1_000_000_000;
/// Maximum number of dead segments read at a time; each takes as much memory as was written to it.
const DEAD_AT_ONCE: usize = 8;

/// A record of an event ring.
#[derive(Clone, Debug, PartialEq)]
pub enum RingEvent {
    /// A finished call.
    Call(FinishedCall),
    /// A log event.
    Log(LogEvent),
}

impl RingEvent {
    /// Returns the time of the end or of the event by the wall clock, nanoseconds since 1970.
    pub fn unix_nanos(&self) -> u64 {
        match self {
            Self::Call(call) => call.ended_unix,
            Self::Log(event) => event.unix_nanos,
        }
    }

    /// Returns the finished call.
    pub fn call(&self) -> Option<&FinishedCall> {
        if let Self::Call(call) = self { Some(call) } else { None }
    }

    /// Returns the finished call, mutable.
    pub fn call_mut(&mut self) -> Option<&mut FinishedCall> {
        if let Self::Call(call) = self { Some(call) } else { None }
    }
}

/// A process that ended without a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedProcess {
    /// Segment.
    pub segment: u64,
    /// Permanent key of the process in its segment.
    pub key: u64,
    /// Process id, as the process itself saw it.
    pub pid: u32,
    /// Time of its end, as far as it is known, nanoseconds since 1970.
    pub unix_nanos: u64,
    /// Whether an older process of the service lives on.
    pub is_survived: bool,
}

/// Result of one read.
#[derive(Debug, Default)]
pub struct EventBatch {
    /// Finished calls and log events, in order within a segment.
    pub records: Vec<RingEvent>,
    /// Calls whose process died.
    pub died: Vec<(DeathKey, FinishedCall)>,
    /// Processes that died. After a change of the reporter they are found again.
    pub ended: Vec<EndedProcess>,
    /// End of the read part of each segment.
    pub positions: Vec<(u64, u64)>,
    /// Number of incomplete or damaged records.
    pub lost: u64,
    /// Segments without a writer that were read completely.
    pub finished: Vec<u64>,
    /// Whether the limit was reached and more records exist.
    pub more: bool,
}

impl EventBatch {
    /// Reports whether the batch is empty.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.died.is_empty() && self.lost == 0
    }
}

/// Reads the event rings of a service.
pub struct RingReader {
    dir: ServiceDir,
    registry: Arc<Registry>,
    rings: Vec<Tail>,
    /// Dead segments that were read completely.
    finished: Vec<(PathBuf, u64)>,
    /// Whether dead segments wait for others to be completed.
    waiting: bool,
}

struct Tail {
    source: Source,
    names: Names,
    /// Position of the next read.
    position: u64,
    /// The incomplete record that is waited for, and since when.
    waiting: Option<(u64, u64)>,
    /// Last time when a writer was known to live or had written.
    alive: u64,
    told: HashSet<DeathKey>,
    /// Possible deaths, with the ring's head at their detection: their record would be before it.
    suspects: HashMap<DeathKey, u64>,
    /// Processes that died, with the ring's head at their detection; `None` if they were reported.
    died: HashMap<Owner, Option<u64>>,
}

impl RingReader {
    /// Makes a reader for the service of `registry`.
    pub fn new(dir: ServiceDir, registry: Arc<Registry>) -> Self {
        Self { dir, registry, rings: Vec::new(), finished: Vec::new(), waiting: false }
    }

    /// Returns the fill level of the fullest known ring, 0 to 1.
    pub fn fill(&self) -> f64 {
        let known = self.rings.iter().map(|ring| ring.source.ring().fill());
        known.fold(self.registry.segment().ring().fill(), f64::max)
    }

    /// Attaches new segments; `stored` returns the stored position of a segment. Returns the segments that
    /// are gone. Takes a limited number of dead segments, see [`RingReader::has_room`].
    ///
    /// # Errors
    /// The error of `stored`; that segment and later ones are left for the next call.
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
                // The collector sets unreadable segments aside and reports them.
                self.push(source, &mut stored)?;
            }
        }
        Ok(gone)
    }

    /// Reports whether dead segments wait and [`RingReader::attach`] would take one.
    pub fn has_room(&self) -> bool {
        self.waiting && self.dead() < DEAD_AT_ONCE
    }

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
        // A killed reporter had stored these records and not freed them. A damaged position may be anywhere.
        let is_in_ring = |stored: &u64| *stored > tail && stored - tail <= source.ring().capacity();
        let position = stored(source.id())?.filter(is_in_ring).unwrap_or(tail);
        pass(&source, tail, position);
        source.ring().free(position, |owner| source.is_alive(owner));
        let (told, suspects, died) = Default::default();
        let names = Names::new(self.registry.identity().origin().instance);
        let alive = source.heartbeat();
        self.rings.push(Tail { source, names, position, waiting: None, alive, told, suspects, died });
        Ok(())
    }

    /// Reads about `limit` records. A call that is not `ready` is left for the next read, with all later
    /// records of its segment; `ready` is called for those as well.
    pub fn read(&mut self, limit: usize, mut ready: impl FnMut(&FinishedCall) -> bool) -> EventBatch {
        let mut drained = EventBatch::default();
        let finished = &mut self.finished;
        self.rings.retain_mut(|ring| {
            // Test first: a dead process has written all its records.
            let dead = ring.source.is_dead();
            let complete = ring.read(dead, limit, &mut drained, &mut ready);
            if dead && complete {
                ring.deaths(true, &mut drained);
                ring.endings(true, &mut drained);
                drained.finished.push(ring.source.id());
                finished.extend(ring.source.path().map(|path| (path.to_owned(), ring.source.id())));
            }
            !(dead && complete)
        });
        let survives = |tail: &Tail, ended: &EndedProcess| {
            tail.source.role() == ProcessRole::Service
                && !tail.source.is_left()
                && tail.source.created_unix() <= ended.unix_nanos
        };
        for ended in &mut drained.ended {
            ended.is_survived = self.rings.iter().any(|ring| survives(ring, ended));
        }
        drained
    }

    /// Finds calls of dead processes in segments with living writers, and repairs damaged rings.
    pub fn read_deaths(&mut self) -> EventBatch {
        let mut drained = EventBatch::default();
        for ring in self.rings.iter_mut().filter(|ring| !ring.source.is_dead()) {
            drained.lost += u64::from(ring.mend());
            ring.deaths(false, &mut drained);
            ring.endings(false, &mut drained);
        }
        drained
    }

    /// Confirms that records are stored up to these positions, and frees them.
    pub fn stored(&mut self, positions: &[(u64, u64)]) {
        self.discard(positions);
        self.tails(positions).for_each(|(ring, position)| ring.source.ring().set_stored(position));
    }

    /// Frees records up to these positions without storing them, because the store cannot be written and the
    /// rings are filling.
    pub fn discard(&mut self, positions: &[(u64, u64)]) {
        for (ring, position) in self.tails(positions) {
            ring.source.ring().free(position, |owner| ring.source.is_alive(owner));
        }
    }

    /// Moves the read positions forward to these positions, whose records the caller already has.
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

/// Clears the record positions of incomplete records in a stored range before it is freed.
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
    /// Passes calls from `position` on to `ready` without taking them.
    fn peek(&mut self, mut position: u64, limit: usize, ready: &mut impl FnMut(&FinishedCall) -> bool) {
        for _ in 0..limit {
            // Does not wait for an incomplete record.
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

    /// Reads records. Returns true at the end.
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
                    // The writer is stopped, or its liveness is unknown; later records must not wait for it.
                    // If it committed just now, its record is read.
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

    /// Repairs a ring without unread records. Returns whether it was damaged.
    fn mend(&self) -> bool {
        let ring = self.source.ring();
        matches!(ring.read(self.position, |_| true), Slot::End) && ring.mend(self.position)
    }

    /// Finds calls that no process will end. With `all` no process is left.
    fn deaths(&mut self, all: bool, drained: &mut EventBatch) {
        let source = &self.source;
        // In a segment with living writers the heartbeat is current.
        let ended = if all { self.alive } else { 0 }.max(source.heartbeat());
        let mut alive: HashMap<Owner, bool> = HashMap::new();
        for call in source.in_flight().read_unrecorded() {
            let owner = call.owner();
            let lives = !all && *alive.entry(owner).or_insert_with(|| source.is_alive(owner));
            let key = DeathKey { segment: source.id(), slot: call.index, sequence: call.sequence };
            if lives || self.told.contains(&key) {
                continue;
            }
            // The last records of the dead process are before the current head.
            let head = *self.suspects.entry(key).or_insert_with(|| source.ring().head());
            if !all && self.position < head {
                continue;
            }
            self.suspects.remove(&key);
            self.told.insert(key);
            // If the process was killed right after writing its record, the ring contains it.
            if call.record_at().is_none_or(|at| source.ring().is_unfinished(at)) {
                drained.died.push((key, self.names.died(source, &call, ended)));
            }
        }
    }

    /// Finds processes that died, after their last records were read. With `all` no process is left.
    fn endings(&mut self, all: bool, drained: &mut EventBatch) {
        let source = &self.source;
        if source.role() == ProcessRole::Agent {
            return;
        }
        let last = if all { self.alive.max(source.heartbeat()) } else { clock::monotonic_nanos() };
        for owner in source.died() {
            let found = self.died.entry(owner).or_insert_with(|| Some(source.ring().head()));
            if found.take_if(|head| all || self.position >= *head).is_some() {
                drained.ended.push(EndedProcess {
                    segment: source.id(),
                    key: owner.word(),
                    pid: source.pid(owner) as u32,
                    unix_nanos: last.wrapping_add(source.wall_offset()),
                    is_survived: !all,
                });
            }
        }
    }
}
