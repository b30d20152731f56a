//! A store and its model, which run the same steps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use soundpost_core::{FinishedCall, LogEvent};
use soundpost_store::{
    Acknowledgement, Batch, DeathKey, Entity, Limits, Reader, Record, RecordBatch, RecordKinds, Rejected,
    RingEvent, SinkState, Store, VitalsSample,
};

use super::{AGE, Kind, Known, Model, SINKS, Sink, Step};
use crate::support::*;
use tempfile::TempDir;

/// A store and the model that it is compared with.
pub(super) struct Run {
    place: TempDir,
    clock: Clock,
    store: Option<Store>,
    reader: Reader,
    model: Model,
    /// Counters of sinks at the last check.
    seen: BTreeMap<String, [u64; 4]>,
}

impl Run {
    pub(super) fn new() -> Self {
        let (place, clock) = (directory(), Clock::new());
        let store = open_with(place.path(), limits(&clock));
        let reader = reader(place.path());
        let mut model = Model::default();
        model.clock.advance(clock.now());
        Self { place, clock, store: Some(store), reader, model, seen: BTreeMap::new() }
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }

    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Write { ages, sampled, died, cursor } => self.write(&ages, sampled, &died, cursor),
            Step::AddSink(sink) => {
                self.store().add_sink(SINKS[sink].0, SINKS[sink].1).unwrap();
                let last = self.model.last;
                let new = || Sink { start: last, cursor: last, ..Sink::default() };
                self.model.sinks.entry(sink).or_insert_with(new);
            }
            Step::Ship { sink, most } => self.ship(sink, most),
            Step::Acknowledge { sink, done, refused } => self.acknowledge(sink, done, refused),
            Step::Forget(sink) => {
                if let Some(sink) = self.model.sinks.get_mut(&sink) {
                    sink.read = RecordBatch::default();
                }
            }
            Step::Lie { sink, after, through, delivered } => self.lie(sink, after, through, delivered),
            Step::Wait(seconds) => self.clock.advance(Duration::from_secs(seconds)),
            Step::Retain => {
                while self.store().retain().unwrap().more {}
                let now = self.clock.now();
                self.model.retain(now);
            }
            Step::Crash => {
                let place = directory();
                for name in ["store.sqlite", "store.sqlite-wal"] {
                    fs::copy(self.place.path().join(name), place.path().join(name)).unwrap();
                }
                self.begin_again(place);
            }
            Step::Restart => {
                self.store = None;
                let place = std::mem::replace(&mut self.place, directory());
                self.begin_again(place);
            }
        }
    }

    fn begin_again(&mut self, place: TempDir) {
        self.store = Some(open_with(place.path(), limits(&self.clock)));
        self.reader = reader(place.path());
        self.place = place;
        self.model.clock.last_read = None;
        self.model.clock.advance(self.clock.now());
        self.model.sinks.values_mut().for_each(|sink| sink.read = RecordBatch::default());
    }

    fn write(&mut self, ages: &[(bool, u64)], sampled: bool, died: &[u32], cursor: Option<u64>) {
        // Samples of one millisecond are one record.
        self.clock.advance(Duration::from_millis(1));
        let now = self.clock.now();
        let made = |name: String, age| FinishedCall { ended_unix: now - age * SECOND, ..call(&name) };
        let record = |(place, (is_call, age)): (usize, &(bool, u64))| {
            let name = format!("{now}-{place}");
            if *is_call {
                RingEvent::Call(made(name, *age))
            } else {
                RingEvent::Log(LogEvent { unix_nanos: now - age * SECOND, ..event(&name) })
            }
        };
        let records: Vec<_> = ages.iter().enumerate().map(record).collect();
        let key = |slot| DeathKey { segment: 9, slot, sequence: 1 };
        let died: Vec<_> = died.iter().map(|slot| (key(*slot), made(format!("died-{slot}"), 0))).collect();
        let cursors: Vec<_> = cursor.into_iter().map(|position| (1, position)).collect();
        let sample =
            |entity| VitalsSample { unix_nanos: now, entity, values: vec![("process_threads", 1.0)] };
        let vitals: Vec<_> = [1, 2].map(|pid| sample(Entity::Process { pid })).into_iter().collect();
        let vitals = if sampled { vitals.as_slice() } else { &[] };
        self.store()
            .write(&Batch { records: &records, died: &died, cursors: &cursors, vitals, vitals_origin: None })
            .unwrap();
        for record in &records {
            match record {
                RingEvent::Call(call) => self.model.add(Kind::Call, &call.request_id, call.ended_unix),
                RingEvent::Log(event) => self.model.add(Kind::Event, &event.message, event.unix_nanos),
            }
        }
        for (key, call) in &died {
            if !self.model.deaths.contains_key(&key.slot) {
                self.model.add(Kind::Call, &call.request_id, call.ended_unix);
                self.model.deaths.insert(key.slot, self.model.last);
            }
        }
        if sampled {
            self.model.add(Kind::Vitals, "2 samples", now);
        }
        self.model.cursor = cursor.or(self.model.cursor);
    }

    fn ship(&mut self, name: usize, most: usize) {
        let Some(sink) = self.model.sinks.get_mut(&name) else { return };
        let kinds = SINKS[name].1;
        let read = self.reader.records(sink.cursor, kinds, most).unwrap();
        let wanted: Vec<_> = self
            .model
            .records
            .range(sink.cursor + 1..)
            .filter(|(_, known)| known.0.is_of(kinds))
            .take(most)
            .map(|(sequence, known)| (*sequence, known.clone()))
            .collect();
        let got: Vec<_> = read.records.iter().map(|record| (record.sequence(), known(record))).collect();
        assert_eq!(got, wanted, "records that a sink reads");
        sink.read = read;
    }

    fn acknowledge(&mut self, name: usize, done: usize, refused: u8) {
        let Some(sink) = self.model.sinks.get(&name) else { return };
        let done = done.min(sink.read.records.len());
        if sink.read.after != sink.cursor || sink.read == RecordBatch::default() {
            return;
        }
        let numbers: Vec<u64> = sink.read.records[..done].iter().map(Record::sequence).collect();
        let is_refused = |place: usize| refused >> (place % 8) & 1 == 1;
        let rejected: BTreeSet<u64> = numbers
            .iter()
            .enumerate()
            .filter(|(place, _)| is_refused(*place))
            .map(|(_, number)| *number)
            .collect();
        let delivered: BTreeSet<u64> =
            numbers.iter().copied().filter(|number| !rejected.contains(number)).collect();
        let refused = Rejected { refused: rejected.len() as u64, ..Rejected::default() };
        let said = sink.read.acknowledgement(done, delivered.len() as u64, refused, 0);
        let passed = if said.through > said.after {
            self.model.numbers(said.after + 1..=said.through, SINKS[name].1)
        } else {
            BTreeSet::new()
        };
        // Some records were removed after the sink read them. The store counts delivered ones as dropped first.
        let late = numbers.iter().filter(|number| **number <= self.model.deleted).count();
        let late: BTreeSet<u64> = delivered.iter().chain(&rejected).copied().take(late).collect();
        let Some(sink) = self.model.sinks.get_mut(&name) else { return };
        sink.missed.extend(passed.iter().filter(|number| !numbers.contains(number)));
        sink.missed.extend(&late);
        sink.delivered.extend(&delivered - &late);
        sink.rejected.extend(&rejected - &late);
        sink.cursor = said.through;
        sink.read = std::mem::take(&mut sink.read).skip(done);
        self.store().acknowledge(SINKS[name].0, said).unwrap();
        if said.through > said.after {
            assert!(self.store().acknowledge(SINKS[name].0, said).is_err(), "twice the same");
        }
    }

    /// Sends an acknowledgement of more records than there were, or of another place, which is refused.
    fn lie(&mut self, name: usize, after: u64, through: u64, delivered: u64) {
        let (sink_name, kinds) = SINKS[name];
        let passed = self.model.numbers(..=through, kinds).len() as u64;
        let rejected = Rejected::default();
        let said = Acknowledgement {
            after,
            through,
            passed,
            delivered,
            rejected,
            dropped: 0,
            damaged: 0,
            erased: 0,
        };
        let Some(sink) = self.model.sinks.get(&name) else {
            assert!(self.store().acknowledge(sink_name, said).is_err());
            return;
        };
        let count = |from, to| if from <= to { self.model.numbers(from..=to, kinds).len() as u64 } else { 0 };
        let possible = after == sink.cursor
            && (after..=self.model.last).contains(&through)
            && delivered <= count(after + 1, through);
        if !possible {
            assert!(self.store().acknowledge(sink_name, said).is_err(), "{said:?}");
        }
    }

    pub(super) fn check(&mut self) {
        let states = self.store().sinks().unwrap();
        assert_eq!(states, self.model.states());
        for state in &states {
            assert_eq!(state.accepted, accounted(state));
            let counts = counters(state);
            let before = self.seen.insert(state.sink.clone(), counts).unwrap_or_default();
            assert!(counts.iter().zip(before).all(|(now, before)| *now >= before), "{before:?} to {state:?}");
        }
        assert_eq!(self.reader.sinks().unwrap(), states);
        assert_eq!(self.store().segment_cursor(1).unwrap(), self.model.cursor);
        assert_eq!(self.reader.last_sequence().unwrap(), self.model.last);
        let stored = self.reader.records(0, RecordKinds::ALL, usize::MAX).unwrap().records;
        let stored: BTreeMap<u64, Known> =
            stored.iter().map(|record| (record.sequence(), known(record))).collect();
        assert_eq!(stored, self.model.records);
    }

    /// Ships the rest to every sink, and checks that each accepted record is in one of its sets.
    pub(super) fn finish(&mut self) {
        for name in 0..SINKS.len() {
            self.ship(name, usize::MAX);
            self.acknowledge(name, usize::MAX, 0);
        }
        self.check();
        for (name, sink) in &self.model.sinks {
            let kinds = SINKS[*name].1;
            let dropped: BTreeSet<u64> =
                sink.missed.iter().copied().chain(sink.cursor + 1..=self.model.deleted).collect();
            let sets = [&sink.delivered, &sink.rejected, &dropped];
            let all: BTreeSet<u64> = sets.iter().flat_map(|set| set.iter().copied()).collect();
            assert_eq!(all, self.model.numbers(sink.start + 1.., kinds));
            assert_eq!(
                sets.iter().map(|set| set.len()).sum::<usize>(),
                all.len(),
                "no record is in two sets"
            );
        }
    }
}

/// Returns the counters of a sink, which never decrease.
fn counters(state: &SinkState) -> [u64; 4] {
    [state.accepted, state.delivered, state.rejected.total(), state.dropped.total()]
}

/// Returns kind, name and time of a stored record.
fn known(record: &Record) -> Known {
    match record {
        Record::Call(row) => (Kind::Call, row.call.request_id.clone(), row.call.ended_unix),
        Record::Event(row) => (Kind::Event, row.event.message.clone(), row.event.unix_nanos),
        Record::Vitals(row) => (Kind::Vitals, format!("{} samples", row.samples.len()), row.unix_nanos),
    }
}

fn limits(clock: &Clock) -> Limits {
    Limits { age: AGE, ..clock.limits() }
}
