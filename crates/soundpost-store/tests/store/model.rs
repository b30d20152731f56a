//! The store and the cursors of sinks against a model, over random sequences of steps.
//!
//! `SOUNDPOST_CASES` sets the number of cases, for the long run of `docs/reliability.md`.

mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use soundpost_store::{Dropped, RecordBatch, RecordKinds, Rejected, SinkState};

use super::support::{SECOND, cases};
use run::Run;

const AGE: Duration = Duration::from_secs(600);
const SINKS: [(&str, RecordKinds); 3] =
    [("graylog", RecordKinds::LOGS), ("influxdb", RecordKinds::POINTS), ("all", RecordKinds::ALL)];

#[derive(Clone, Debug)]
enum Step {
    /// Writes calls (true) and events (false) with their ages in seconds, calls that died in these slots, samples, and a
    /// cursor of segment 1.
    Write {
        ages: Vec<(bool, u64)>,
        sampled: bool,
        died: Vec<u32>,
        cursor: Option<u64>,
    },
    AddSink(usize),
    /// A sink reads from its cursor.
    Ship {
        sink: usize,
        most: usize,
    },
    /// The receiver accepted or refused the first records that the sink read.
    Acknowledge {
        sink: usize,
        done: usize,
        refused: u8,
    },
    /// The sink restarts and reads again.
    Forget(usize),
    /// A sink acknowledges wrong numbers.
    Lie {
        sink: usize,
        after: u64,
        through: u64,
        delivered: u64,
    },
    Wait(u64),
    Retain,
    /// The process is killed, which leaves the files unchanged.
    Crash,
    /// The store is closed and opened.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let ages = proptest::collection::vec((any::<bool>(), 0..400_u64), 0..6);
    let died = proptest::collection::vec(0..4_u32, 0..3);
    let sink = || 0..SINKS.len();
    prop_oneof![
        6 => (ages, any::<bool>(), died, proptest::option::of(0..1000_u64))
            .prop_map(|(ages, sampled, died, cursor)| Step::Write { ages, sampled, died, cursor }),
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

/// Expected state of a sink.
#[derive(Debug, Default)]
struct Sink {
    start: u64,
    cursor: u64,
    delivered: BTreeSet<u64>,
    rejected: BTreeSet<u64>,
    /// Records that retention removed before their acknowledgement.
    missed: BTreeSet<u64>,
    /// Batch that is not acknowledged.
    read: RecordBatch,
}

/// Kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Call,
    Event,
    Vitals,
}

impl Kind {
    fn is_of(self, kinds: RecordKinds) -> bool {
        match self {
            Self::Call => kinds.calls,
            Self::Event => kinds.events,
            Self::Vitals => kinds.vitals,
        }
    }
}

/// Kind, name and time of a record.
type Known = (Kind, String, u64);

#[derive(Debug, Default)]
struct Model {
    last: u64,
    /// Stored records, by sequence number.
    records: BTreeMap<u64, Known>,
    /// Stored and removed records, by sequence number.
    ever: BTreeMap<u64, Known>,
    deleted: u64,
    deaths: BTreeMap<u32, u64>,
    cursor: Option<u64>,
    sinks: BTreeMap<usize, Sink>,
    clock: ModelClock,
}

/// Trusted time of the store. The clock may be set while the store is closed, so that time is suspect.
#[derive(Debug, Default)]
struct ModelClock {
    trusted: u64,
    suspect: bool,
    /// Time of the last reading since the store was opened.
    last_read: Option<u64>,
    saved: (u64, bool),
}

impl ModelClock {
    fn advance(&mut self, now: u64) -> u64 {
        const TRUSTED_STEP: u64 = 60 * SECOND;
        let first = self.saved.0 == 0;
        let expected = match self.last_read.replace(now) {
            Some(last_read) => self.trusted + (now - last_read),
            None => self.saved.0,
        };
        self.suspect = !first && now > expected + TRUSTED_STEP;
        self.trusted = if self.suspect { expected } else { now };
        if self.saved.1 != self.suspect || self.trusted.abs_diff(self.saved.0) >= TRUSTED_STEP {
            self.saved = (self.trusted, self.suspect);
        }
        self.trusted
    }
}

impl Model {
    fn add(&mut self, kind: Kind, name: &str, unix_nanos: u64) {
        self.last += 1;
        let known = (kind, name.to_owned(), unix_nanos);
        self.records.insert(self.last, known.clone());
        self.ever.insert(self.last, known);
    }

    /// Returns the sequence numbers of these kinds, also of removed records.
    fn numbers(&self, range: impl std::ops::RangeBounds<u64>, kinds: RecordKinds) -> BTreeSet<u64> {
        self.ever.range(range).filter(|(_, known)| known.0.is_of(kinds)).map(|(number, _)| *number).collect()
    }

    fn retain(&mut self, now: u64) {
        let old = self.clock.advance(now) - AGE.as_nanos() as u64;
        while let Some(first) = self.records.first_entry().filter(|first| first.get().2 < old) {
            self.deleted = *first.key();
            first.remove();
        }
        self.deaths.retain(|_, call| *call > self.deleted);
    }

    fn states(&self) -> Vec<SinkState> {
        let state = |(name, sink): (&usize, &Sink)| {
            let (sink_name, kinds) = SINKS[*name];
            let count = |from, to| if from <= to { self.numbers(from..=to, kinds).len() as u64 } else { 0 };
            let gone = count(sink.cursor + 1, self.deleted);
            SinkState {
                sink: sink_name.to_owned(),
                cursor: sink.cursor,
                accepted: count(sink.start + 1, self.last),
                delivered: sink.delivered.len() as u64,
                rejected: Rejected { refused: sink.rejected.len() as u64, ..Rejected::default() },
                dropped: Dropped { retention: sink.missed.len() as u64 + gone, ..Dropped::default() },
                pending: count(sink.cursor.max(self.deleted) + 1, self.last),
                first_unix: self
                    .records
                    .range(sink.cursor + 1..)
                    .find(|(_, known)| known.0.is_of(kinds))
                    .map(|(_, known)| known.2),
            }
        };
        let mut states: Vec<_> = self.sinks.iter().map(state).collect();
        states.sort_by(|a, b| a.sink.cmp(&b.sink));
        states
    }
}

#[test]
fn the_store_equals_the_model() {
    let mut runner =
        TestRunner::new(Config { cases: cases(), failure_persistence: None, ..Config::default() });
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
