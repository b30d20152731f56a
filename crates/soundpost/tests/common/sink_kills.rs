//! Processes that kill themselves right before or after their sink's cursor is saved, and the records that the sink's
//! receiver has then. Requires the feature `kill-steps`.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use soundpost::sink::{JsonLines, Loki, LokiEncoding, LokiExtras, Sink};
use soundpost_core::step;
use soundpost_store::{Reader, SinkState};
use soundpost_testkit::{Reply, Server};

use super::step_kills::ends;
use super::store_kills::{self, Process, begin, returned, within_a_minute};

/// Step before and after a sink's cursor is saved.
pub const STEP: &str = "acknowledge";
const SINK: &str = "SOUNDPOST_KILLS_SINK";
const ROUND: &str = "SOUNDPOST_KILLS_ROUND";
/// Number of calls of a round, and of records of a batch.
const CALLS: u64 = 200;
const BATCH: usize = 20;

/// Runs the role in the environment and never returns; returns at once without one.
pub fn play_role() {
    let Ok(receiver) = std::env::var(SINK) else { return };
    let (directory, round) = (store_kills::own_directory(), std::env::var(ROUND).unwrap());
    let builder = store_kills::builder(&directory).start_event(false);
    let telemetry = builder.sink(sink(&receiver)).start().unwrap();
    let operation = telemetry.operation("op");
    let returned = File::options().write(true).open(directory.join(format!("r{round}"))).unwrap();
    for index in 1..=CALLS {
        operation.begin().request_id(&format!("k{round}-{index}")).start().finish();
        returned.write_all_at(&index.to_le_bytes(), 0).unwrap();
    }
    loop {
        std::thread::park();
    }
}

/// Returns a sink with small batches, to a Loki URL or to a file.
fn sink(receiver: &str) -> Sink {
    if receiver.starts_with("http") {
        Loki::new(receiver)
            .unwrap()
            .encoding(LokiEncoding::Json)
            .extras(LokiExtras::Logfmt)
            .batch(BATCH)
            .into()
    } else {
        JsonLines::new(receiver).unwrap().batch(BATCH).into()
    }
}

/// The receiver of the shipped records.
pub enum Receiver {
    File(PathBuf),
    Loki(Server, Arc<Mutex<Vec<String>>>),
}

impl Receiver {
    /// A file in a directory.
    pub fn file(directory: &Path) -> Self {
        Self::File(directory.join("shipped.jsonl"))
    }

    /// A server that accepts everything.
    pub fn loki() -> Self {
        let has: Arc<Mutex<Vec<String>>> = Arc::default();
        let keep = has.clone();
        let server = Server::start(move |request| {
            let mut body = String::new();
            flate2::read::GzDecoder::new(&request.body[..]).read_to_string(&mut body).unwrap();
            // Loki identifies an entry by time and line.
            let entries = body.split("[\"").skip(1).filter_map(|entry| entry.split("\"]").next());
            keep.lock().unwrap().extend(entries.map(str::to_owned));
            Reply::status(204)
        });
        Self::Loki(server, has)
    }

    fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "jsonl",
            Self::Loki(..) => "loki",
        }
    }

    fn address(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Loki(server, _) => format!("http://{}", server.address),
        }
    }

    /// Returns the calls and records that arrived, in order.
    fn has(&self) -> Vec<(String, String)> {
        let records = match self {
            Self::File(path) => {
                let lines = std::fs::read_to_string(path).unwrap_or_default();
                assert!(lines.is_empty() || lines.ends_with('\n'), "half a line");
                lines.lines().map(str::to_owned).collect()
            }
            Self::Loki(_, has) => has.lock().unwrap().clone(),
        };
        let call = |record: &str| {
            let (_, rest) = record.split_once("request_id").unwrap();
            let rest = &rest[rest.find('k').unwrap()..];
            rest[..rest.find([' ', '"', '\\']).unwrap()].to_owned()
        };
        records.into_iter().map(|record| (call(&record), record)).collect()
    }
}

/// The results of many kills.
#[derive(Debug, Default)]
pub struct SinkKills {
    /// Number of calls whose recording had returned.
    pub returned: u64,
    /// Number of kills before the cursor was saved that caused duplicates, and number of duplicates.
    pub repeating: u64,
    pub repeated: u64,
}

/// Runs processes that kill themselves alternately right before and after they save a cursor, and checks the
/// records that arrived.
pub fn kill(directory: &Path, receiver: &Receiver, times: u64) -> SinkKills {
    let mut kills = SinkKills::default();
    let mut before = Vec::new();
    for round in 0..times {
        let after = round % 2;
        // Minimum number of saved cursors; each save reaches the step twice.
        let saves = CALLS / BATCH as u64;
        let reached = 2 * (getrandom::u64().unwrap() % saves) + 1 + after;
        let role = begin(directory, round);
        let more = [
            (step::KILL_AT, format!("{STEP}:{reached}")),
            (SINK, receiver.address()),
            (ROUND, round.to_string()),
        ];
        ends(directory, &mut Process::start_with(directory, &role, more), STEP, reached);
        before.push(receiver.has().len());
    }
    let telemetry = store_kills::builder(directory).start_event(false);
    let telemetry = telemetry.sink(sink(&receiver.address())).start().unwrap();
    let reader = || Reader::open(telemetry.directory()).ok().flatten();
    let state = || -> Option<SinkState> {
        reader()?.sinks().ok()?.into_iter().find(|state| state.sink == receiver.name())
    };
    assert!(telemetry.recover(Duration::from_secs(60)), "recovery ends");
    assert!(within_a_minute(|| state().is_some_and(|state| state.pending == 0)), "{:?}", state());
    let has = receiver.has();
    let state = state().unwrap();
    telemetry.shutdown(Duration::from_secs(5));

    let mut first: HashMap<&str, (usize, &str)> = HashMap::new();
    // The calls of each round in the order of first arrival, and the number of duplicates after its kill.
    let mut came = vec![Vec::new(); before.len()];
    let mut again = vec![0_u64; before.len()];
    for (place, (call, record)) in has.iter().enumerate() {
        if let Some((earlier, same)) = first.get(call.as_str()) {
            assert_eq!(record, same, "what comes twice is the same");
            let kill = before.partition_point(|has| has <= earlier);
            assert_eq!(before.partition_point(|has| *has <= place), kill + 1, "{call} again without a kill");
            again[kill] += 1;
            continue;
        }
        first.insert(call, (place, record));
        let (round, index) = call[1..].split_once('-').unwrap();
        came[round.parse::<usize>().unwrap()].push(index.parse::<u64>().unwrap());
    }
    for (round, (again, mut came)) in again.into_iter().zip(came).enumerate() {
        // A Loki request is ordered by time, and the machine's clock can be corrected.
        let near = if matches!(receiver, Receiver::Loki(..)) { BATCH as u64 } else { 0 };
        assert!((1..).zip(&came).all(|(place, index): (u64, _)| place.abs_diff(*index) <= near), "{came:?}");
        came.sort_unstable();
        // The process can be killed between a record and its note.
        let returned = returned(directory, round as u64)[0];
        let all = came.len() as u64;
        assert!((returned..=returned + 1).contains(&all), "{all} of {returned} in {round}");
        assert!((1..).zip(&came).all(|(place, index): (u64, _)| place == *index), "{came:?}");
        assert!(again == 0 || round % 2 == 0, "{again} twice, and the cursor was saved");
        assert!(again <= BATCH as u64, "{again} twice, more than a batch");
        kills.returned += returned;
        kills.repeating += u64::from(again > 0);
        kills.repeated += again;
    }
    let arrived = first.len() as u64;
    assert_eq!((state.accepted, state.delivered), (arrived, arrived), "{state:?}");
    kills
}
