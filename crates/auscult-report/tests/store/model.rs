//! Store and cursors of sinks against a model, by any sequence of what can happen to them.
//!
//! `AUSCULT_CASES` sets the number of cases, for the long run of `docs/reliability.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use auscult_core::FinishedCall;
use auscult_report::store::{Acknowledgement, Batch, CallRow, DeathKey, Limits, Reader, SinkState, Store};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

use super::support::*;

const AGE: Duration = Duration::from_secs(600);
const SINKS: [&str; 2] = ["graylog", "loki"];

#[derive(Clone, Debug)]
enum Step {
    /// Calls that ended so many seconds ago; calls in these slots of dead processes; a cursor of segment 1.
    Write {
        ages: Vec<u64>,
        died: Vec<u32>,
        cursor: Option<u64>,
    },
    AddSink(usize),
    /// A sink reads on from its cursor.
    Ship {
        sink: usize,
        most: usize,
    },
    /// The receiver took or refused some of what the sink read, from the front.
    Acknowledge {
        sink: usize,
        done: usize,
        refused: u8,
    },
    /// The sink forgets what it read: it was restarted.
    Forget(usize),
    /// A sink says something that cannot be.
    Lie {
        sink: usize,
        after: u64,
        through: u64,
        delivered: u64,
    },
    Wait(u64),
    Retain,
    /// The process is killed: the files stay as they are.
    Crash,
    /// It ends properly.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let ages = proptest::collection::vec(0..400_u64, 0..6);
    let died = proptest::collection::vec(0..4_u32, 0..3);
    let sink = || 0..SINKS.len();
    prop_oneof![
        6 => (ages, died, proptest::option::of(0..1000_u64))
            .prop_map(|(ages, died, cursor)| Step::Write { ages, died, cursor }),
        2 => sink().prop_map(Step::AddSink),
        5 => (sink(), 1..8_usize).prop_map(|(sink, most)| Step::Ship { sink, most }),
        5 => (sink(), 0..8_usize, any::<u8>())
            .prop_map(|(sink, done, refused)| Step::Acknowledge { sink, done, refused }),
        1 => sink().prop_map(Step::Forget),
        1 => (sink(), 0..30_u64, 0..30_u64, 0..10_u64)
            .prop_map(|(sink, after, through, delivered)| Step::Lie { sink, after, through, delivered }),
        3 => (0..400_u64).prop_map(Step::Wait),
        3 => Just(Step::Retain),
        1 => Just(Step::Crash),
        1 => Just(Step::Restart),
    ]
}

/// What a sink must have.
#[derive(Debug, Default)]
struct Sink {
    start: u64,
    cursor: u64,
    delivered: BTreeSet<u64>,
    rejected: BTreeSet<u64>,
    /// Passed over because retention had removed them.
    missed: BTreeSet<u64>,
    /// What it read and has not acknowledged.
    read: Vec<u64>,
}

/// What the store must have.
#[derive(Debug, Default)]
struct Model {
    last: u64,
    /// Request id and end of each call, by sequence number.
    calls: BTreeMap<u64, (String, u64)>,
    deleted: u64,
    deaths: BTreeMap<u32, u64>,
    cursor: Option<u64>,
    sinks: BTreeMap<usize, Sink>,
}

impl Model {
    fn add(&mut self, call: &FinishedCall) {
        self.last += 1;
        self.calls.insert(self.last, (call.request_id.clone(), call.ended_unix));
    }

    fn retain(&mut self, now: u64) {
        let old = now - AGE.as_nanos() as u64;
        while let Some(first) = self.calls.first_entry().filter(|first| first.get().1 < old) {
            self.deleted = *first.key();
            first.remove();
        }
        self.deaths.retain(|_, call| *call > self.deleted);
    }

    fn states(&self) -> Vec<SinkState> {
        let state = |(name, sink): (&usize, &Sink)| {
            let gone = (sink.cursor + 1..=self.deleted).count() as u64;
            SinkState {
                sink: SINKS[*name].to_owned(),
                cursor: sink.cursor,
                accepted: self.last - sink.start,
                delivered: sink.delivered.len() as u64,
                rejected: sink.rejected.len() as u64,
                dropped: sink.missed.len() as u64 + gone,
                pending: self.calls.range(sink.cursor + 1..).count() as u64,
            }
        };
        self.sinks.iter().map(state).collect()
    }
}

struct Run {
    place: TempDir,
    clock: Clock,
    store: Option<Store>,
    reader: Reader,
    model: Model,
}

impl Run {
    fn new() -> Self {
        let (place, clock) = (directory(), Clock::new());
        let store = open_with(place.path(), limits(&clock));
        let reader = reader(place.path());
        Self { place, clock, store: Some(store), reader, model: Model::default() }
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Write { ages, died, cursor } => self.write(&ages, &died, cursor),
            Step::AddSink(sink) => {
                self.store().add_sink(SINKS[sink]).unwrap();
                let last = self.model.last;
                let new = || Sink { start: last, cursor: last, ..Sink::default() };
                self.model.sinks.entry(sink).or_insert_with(new);
            }
            Step::Ship { sink, most } => self.ship(sink, most),
            Step::Acknowledge { sink, done, refused } => self.acknowledge(sink, done, refused),
            Step::Forget(sink) => {
                if let Some(sink) = self.model.sinks.get_mut(&sink) {
                    sink.read.clear();
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
        self.model.sinks.values_mut().for_each(|sink| sink.read.clear());
    }

    fn write(&mut self, ages: &[u64], died: &[u32], cursor: Option<u64>) {
        let now = self.clock.now();
        let made = |name: String, age| FinishedCall { ended_unix: now - age * SECOND, ..call(&name) };
        let calls: Vec<_> =
            ages.iter().enumerate().map(|(place, age)| made(format!("{now}-{place}"), *age)).collect();
        let key = |slot| DeathKey { segment: 9, slot, sequence: 1 };
        let died: Vec<_> = died.iter().map(|slot| (key(*slot), made(format!("died-{slot}"), 0))).collect();
        let cursors: Vec<_> = cursor.into_iter().map(|position| (1, position)).collect();
        let batch = Batch { calls: &calls, died: &died, cursors: &cursors, ..Batch::default() };
        self.store().write(&batch).unwrap();
        calls.iter().for_each(|call| self.model.add(call));
        for (key, call) in &died {
            if !self.model.deaths.contains_key(&key.slot) {
                self.model.add(call);
                self.model.deaths.insert(key.slot, self.model.last);
            }
        }
        self.model.cursor = cursor.or(self.model.cursor);
    }

    fn ship(&mut self, sink: usize, most: usize) {
        let Some(sink) = self.model.sinks.get_mut(&sink) else { return };
        let read = self.reader.calls_after(sink.cursor, most).unwrap();
        let wanted: Vec<_> = self
            .model
            .calls
            .range(sink.cursor + 1..)
            .take(most)
            .map(|(sequence, call)| (*sequence, call.0.clone()))
            .collect();
        let got: Vec<_> = read.into_iter().map(|call: CallRow| (call.sequence, call.request_id)).collect();
        assert_eq!(got, wanted, "what a sink reads");
        sink.read = got.into_iter().map(|(sequence, _)| sequence).collect();
    }

    fn acknowledge(&mut self, name: usize, done: usize, refused: u8) {
        let Some(sink) = self.model.sinks.get_mut(&name) else { return };
        let done: Vec<u64> = sink.read.iter().copied().take(done).collect();
        let Some(&through) = done.last() else { return };
        let after = sink.cursor;
        let is_refused = |place: usize| refused >> (place % 8) & 1 == 1;
        let rejected: BTreeSet<u64> = done
            .iter()
            .enumerate()
            .filter(|(place, _)| is_refused(*place))
            .map(|(_, number)| *number)
            .collect();
        let delivered: BTreeSet<u64> =
            done.iter().copied().filter(|number| !rejected.contains(number)).collect();
        sink.missed.extend((after + 1..=through).filter(|number| !done.contains(number)));
        let acknowledgement = Acknowledgement {
            after,
            through,
            delivered: delivered.len() as u64,
            rejected: rejected.len() as u64,
        };
        sink.delivered.extend(delivered);
        sink.rejected.extend(rejected);
        sink.cursor = through;
        sink.read.retain(|number| *number > through);
        self.store().acknowledge(SINKS[name], acknowledgement).unwrap();
        assert!(self.store().acknowledge(SINKS[name], acknowledgement).is_err(), "twice the same");
    }

    /// Whatever does not account for each record between the cursor and its end is refused.
    fn lie(&mut self, name: usize, after: u64, through: u64, delivered: u64) {
        let said = Acknowledgement { after, through, delivered, rejected: 0 };
        let Some(sink) = self.model.sinks.get(&name) else {
            assert!(self.store().acknowledge(SINKS[name], said).is_err());
            return;
        };
        let gone = self.model.deleted.saturating_sub(after);
        let possible = after == sink.cursor
            && (after..=self.model.last).contains(&through)
            && (through - after).checked_sub(delivered).is_some_and(|missing| missing <= gone);
        if !possible {
            assert!(self.store().acknowledge(SINKS[name], said).is_err(), "{said:?}");
        }
    }

    fn check(&mut self) {
        let states = self.store().sinks().unwrap();
        assert_eq!(states, self.model.states());
        for state in &states {
            assert_eq!(state.accepted, state.delivered + state.rejected + state.dropped + state.pending);
        }
        assert_eq!(self.store().segment_cursor(1).unwrap(), self.model.cursor);
        assert_eq!(self.reader.last_sequence().unwrap(), self.model.last);
        let stored = self.reader.calls_after(0, usize::MAX).unwrap();
        let stored: BTreeMap<u64, (String, u64)> =
            stored.into_iter().map(|call| (call.sequence, (call.request_id, call.ended_unix))).collect();
        assert_eq!(stored, self.model.calls);
    }

    /// Every sink ships the rest; then each record that it was given is in one of its sets.
    fn finish(&mut self) {
        for name in 0..SINKS.len() {
            self.ship(name, usize::MAX);
            self.acknowledge(name, usize::MAX, 0);
        }
        self.check();
        for sink in self.model.sinks.values() {
            let dropped: BTreeSet<u64> =
                sink.missed.iter().copied().chain(sink.cursor + 1..=self.model.deleted).collect();
            let sets = [&sink.delivered, &sink.rejected, &dropped];
            let all: BTreeSet<u64> = sets.iter().flat_map(|set| set.iter().copied()).collect();
            assert_eq!(all, (sink.start + 1..=self.model.last).collect());
            assert_eq!(
                sets.iter().map(|set| set.len()).sum::<usize>(),
                all.len(),
                "no record is in two sets"
            );
        }
    }
}

fn limits(clock: &Clock) -> Limits {
    Limits { age: AGE, ..clock.limits() }
}

#[test]
fn the_store_is_what_the_model_is() {
    let cases = std::env::var("AUSCULT_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner
        .run(&proptest::collection::vec(step(), 1..30), |steps| {
            let mut run = Run::new();
            for step in steps {
                run.step(step);
                run.check();
            }
            run.finish();
            Ok(())
        })
        .unwrap();
}
