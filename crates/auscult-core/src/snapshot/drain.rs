//! The drain: takes finished calls out of the event rings of a service's segments, in their order, and calls
//! that were in flight when their process died.
//!
//! What was read stays in the ring until [`Drain::stored`] says that it is safe elsewhere. A reporter that is
//! killed in between leaves it to the next, which the store tells how far it is.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::names::Names;
use crate::call::{Entry, FinishedCall};
use crate::registry::Registry;
use crate::segment::{Owner, Place, Ring, Slot, Source};

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

/// What one round took.
#[derive(Debug, Default)]
pub struct Drained {
    /// Finished calls, those of a segment in their order.
    pub calls: Vec<FinishedCall>,
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

impl Drained {
    /// Whether nothing was taken.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.died.is_empty() && self.lost == 0
    }
}

/// Reads the event rings of a service.
pub struct Drain {
    place: Place,
    registry: Arc<Registry>,
    rings: Vec<Tail>,
}

struct Tail {
    source: Source,
    names: Names,
    /// Where to read on.
    position: u64,
    /// The last call that was read of each slot.
    last: HashMap<u32, u64>,
    /// Calls that died and were told.
    told: HashSet<DeathKey>,
    /// Calls that seem to have died, and where the ring's head was then: a record of them would be before it.
    suspects: HashMap<DeathKey, u64>,
}

impl Drain {
    /// A drain for the service of `registry`.
    pub fn new(place: Place, registry: Arc<Registry>) -> Self {
        Self { place, registry, rings: Vec::new() }
    }

    /// How full the fullest ring is, 0 to 1; looks only at rings that are known.
    pub fn fill(&self) -> f64 {
        self.rings.iter().map(|ring| ring.source.ring().fill()).fold(0.0, f64::max)
    }

    /// Looks for segments that came; `stored` tells up to where one is in the store. Gives those that are gone.
    pub fn attach(&mut self, mut stored: impl FnMut(u64) -> Option<u64>) -> Vec<u64> {
        let files = self.place.segment_files();
        let mut gone = Vec::new();
        self.rings.retain(|ring| {
            let here = |path| files.iter().any(|file| file == path);
            let kept = ring.source.is_own() || ring.source.path().is_some_and(here);
            gone.extend((!kept).then(|| ring.source.id()));
            kept
        });
        if self.rings.is_empty() {
            self.push(Source::own(self.registry.segment().clone()), &mut stored);
        }
        for file in &files {
            if self.rings.iter().all(|ring| ring.source.path() != Some(file)) {
                // One that cannot be read is set aside by the collector, which also says so.
                if let Ok(source) = Source::open_to_drain(file) {
                    self.push(source, &mut stored);
                }
            }
        }
        gone
    }

    fn push(&mut self, source: Source, stored: &mut impl FnMut(u64) -> Option<u64>) {
        let tail = source.ring().tail();
        // A reporter that was killed had them stored, and had not freed them yet.
        let position = stored(source.id()).filter(|stored| *stored > tail).unwrap_or(tail);
        source.ring().free(position);
        let (names, last, told, suspects) = Default::default();
        self.rings.push(Tail { source, names, position, last, told, suspects });
    }

    /// Takes up to about `limit` calls. A call that is not `ready` is left for the next round, with all that
    /// follow it in its segment; `ready` is asked of those as well.
    pub fn read(&mut self, limit: usize, mut ready: impl FnMut(&FinishedCall) -> bool) -> Drained {
        let mut drained = Drained::default();
        for ring in &mut self.rings {
            // Asked first: who is dead now has written all that it will.
            let dead = ring.source.is_dead();
            let complete = ring.read(dead, limit, &mut drained, &mut ready);
            if dead && complete {
                ring.deaths(true, &mut drained);
                drained.finished.push(ring.source.id());
            }
        }
        drained
    }

    /// Finds calls of processes that died, in segments that others still write.
    pub fn read_deaths(&mut self) -> Drained {
        let mut drained = Drained::default();
        for ring in self.rings.iter_mut().filter(|ring| !ring.source.is_dead()) {
            ring.deaths(false, &mut drained);
        }
        drained
    }

    /// Says that segments are in the store up to these positions: their rings are freed.
    pub fn stored(&mut self, positions: &[(u64, u64)]) {
        self.let_go(positions);
        self.rings_at(positions).for_each(|(ring, position)| ring.set_stored(position));
    }

    /// Frees rings up to these positions, because the store cannot be written and they get full.
    pub fn let_go(&mut self, positions: &[(u64, u64)]) {
        self.rings_at(positions).for_each(|(ring, position)| ring.free(position));
    }

    /// Reads on from these positions where it is not further: up to there somebody has what was read.
    pub fn resume(&mut self, positions: &[(u64, u64)]) {
        for (segment, position) in positions {
            for ring in self.rings.iter_mut().filter(|ring| ring.source.id() == *segment) {
                ring.position = ring.position.max(*position);
            }
        }
    }

    fn rings_at(&self, positions: &[(u64, u64)]) -> impl Iterator<Item = (Ring<'_>, u64)> {
        positions.iter().flat_map(|(segment, position)| {
            let rings = self.rings.iter().filter(|ring| ring.source.id() == *segment);
            rings.map(|ring| (ring.source.ring(), *position))
        })
    }
}

impl Tail {
    /// Shows the calls from `position` on, and takes none.
    fn show(&mut self, mut position: u64, limit: usize, ready: &mut impl FnMut(&FinishedCall) -> bool) {
        for _ in 0..limit {
            // One that is not finished is not waited for.
            match self.source.ring().read(position, |_| true) {
                Slot::End | Slot::Unfinished => return,
                Slot::Freed { next } | Slot::Lost { next } => position = next,
                Slot::Record { payload, next } => {
                    if let Some(entry) = Entry::decode(&payload) {
                        ready(&self.names.finished(&self.source, entry));
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
        drained: &mut Drained,
        ready: &mut impl FnMut(&FinishedCall) -> bool,
    ) -> bool {
        let (source, before) = (&self.source, self.position);
        let ring = source.ring();
        let mut behind = None;
        let complete = loop {
            if drained.calls.len() >= limit {
                drained.more = true;
                break false;
            }
            match ring.read(self.position, |owner| !dead && source.is_alive(owner)) {
                Slot::End => break true,
                Slot::Unfinished => break false,
                Slot::Freed { next } => self.position = next,
                Slot::Lost { next } => {
                    drained.lost += 1;
                    self.position = next;
                }
                Slot::Record { payload, next } => {
                    match Entry::decode(&payload) {
                        Some(entry) => {
                            let slot = entry.slot;
                            let call = self.names.finished(source, entry);
                            if !ready(&call) {
                                behind = Some(next);
                                break false;
                            }
                            self.last.extend(slot.map(|slot| (slot.index, slot.sequence)));
                            drained.calls.push(call);
                        }
                        None => drained.lost += 1,
                    }
                    self.position = next;
                }
            }
        };
        if self.position != before {
            drained.positions.push((source.id(), self.position));
        }
        if let Some(behind) = behind {
            self.show(behind, limit, ready);
        }
        complete
    }

    /// Finds calls that nobody will end; `all`: nobody is left who could.
    fn deaths(&mut self, all: bool, drained: &mut Drained) {
        let source = &self.source;
        let ended = source.heartbeat();
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
            // Killed right after its record was written, before its slot said so.
            if self.last.get(&call.index) != Some(&call.sequence) {
                drained.died.push((key, self.names.died(source, &call, ended)));
            }
        }
    }
}
