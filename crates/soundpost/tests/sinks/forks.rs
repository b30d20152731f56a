//! Tests of a service that forks during its sinks' requests: no process hangs, and no record is lost or duplicated.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use soundpost::sink::{JsonLines, Loki, LokiEncoding, LokiExtras};
use soundpost::{Telemetry, sink};

use crate::common::{Directory, until};
use crate::conservation::ids;
use crate::state::{Scraped, id, record, stored};
use soundpost_testkit::{Reply, Server, ended_well, forked};

const DIRECTORY: &str = "SOUNDPOST_SINK_FORKS_DIRECTORY";
const URL: &str = "SOUNDPOST_SINK_FORKS_URL";
/// The role of the process: see [`forking_process`].
const DOES: &str = "SOUNDPOST_SINK_FORKS_DOES";
const SERVICE: &str = "forks";
const SINKS: [&str; 2] = ["loki", "jsonl"];
const LONG: Duration = Duration::from_secs(10);
/// Number of held requests, and children of each.
const ROUNDS: usize = 4;
const CHILDREN: usize = 8;
/// Number of calls of the parent in a round, and of a child.
const CALLS: usize = 40;
const CHILD_CALLS: usize = 10;
const BATCH: usize = 25;
/// Number of forks while two threads record, and calls of each thread.
const ANYWHERE: usize = 60;
const THREAD_CALLS: usize = 1500;

/// Runs the process that forks; it is not a test by itself.
#[test]
fn forking_process() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let loki = Loki::new(&std::env::var(URL).unwrap())
        .unwrap()
        .encoding(LokiEncoding::Json)
        .extras(LokiExtras::Logfmt)
        .batch(BATCH);
    let lines = JsonLines::new(directory.join("shipped.jsonl")).unwrap().batch(BATCH);
    let telemetry = start(&directory, loki.into(), lines.into());
    match std::env::var(DOES).unwrap().as_str() {
        "forks" => forks_in_requests(&telemetry, &directory),
        "storms" => forks_anywhere(&telemetry),
        _ => dies_beside_its_child(&telemetry, &directory),
    }
}

/// Forks repeatedly while a request is held.
fn forks_in_requests(telemetry: &Telemetry, directory: &Path) {
    for round in 0..ROUNDS {
        record(telemetry, &format!("p{round}-"), CALLS);
        until("a request is held", || directory.join(format!("held-{round}")).exists());
        let children: Vec<_> = (0..CHILDREN)
            .map(|child| forked(|| uses_it(telemetry, &format!("c{round}.{child}-"), child)))
            .collect();
        assert!(children.into_iter().all(ended_well), "round {round}");
        std::fs::write(directory.join(format!("forked-{round}")), "").unwrap();
    }
    ships(telemetry, ROUNDS * (CALLS + CHILDREN * CHILD_CALLS));
}

/// Forks at random times while threads record.
fn forks_anywhere(telemetry: &Telemetry) {
    std::thread::scope(|scope| {
        for thread in 0..2 {
            scope.spawn(move || record(telemetry, &format!("t{thread}-"), THREAD_CALLS));
        }
        for number in 0..ANYWHERE {
            assert!(ended_well(forked(|| uses_it(telemetry, &format!("c{number}-"), number))), "{number}");
        }
    });
    ships(telemetry, 2 * THREAD_CALLS + ANYWHERE * CHILD_CALLS);
}

/// Ships a number of calls, and checks the sinks' counts.
fn ships(telemetry: &Telemetry, calls: usize) {
    assert!(telemetry.flush(LONG));
    let all = calls as f64;
    for sink in SINKS {
        until("all is delivered", || Scraped::of(&telemetry.render(), sink).pending == 0.0);
        let scraped = Scraped::of(&telemetry.render(), sink);
        assert_eq!((scraped.accepted, scraped.delivered), (all, all), "{sink}: {scraped:?}");
    }
}

fn start(directory: &Path, loki: sink::Sink, lines: sink::Sink) -> Telemetry {
    let builder = Telemetry::builder(SERVICE).directory(directory).listen(None).sample_interval(None);
    builder.facade(false).start_event(false).sink(loki).sink(lines).start().unwrap()
}

/// Runs a child, which acts by its number.
fn uses_it(telemetry: &Telemetry, prefix: &str, child: usize) {
    record(telemetry, prefix, CHILD_CALLS);
    match child % 4 {
        0 => {}
        1 => assert!(telemetry.flush(LONG)),
        2 => SINKS.iter().for_each(|sink| assert!(Scraped::of(&telemetry.render(), sink).accepted >= 0.0)),
        _ => telemetry.shutdown(LONG),
    }
}

/// Kills itself during a request, and the child continues to ship.
fn dies_beside_its_child(telemetry: &Telemetry, directory: &Path) {
    record(telemetry, "p0-", CALLS);
    until("a request is held", || directory.join("held-0").exists());
    let parent = Pid::this();
    forked(|| {
        record(telemetry, "c0-", CHILD_CALLS);
        until("its parent is gone", || Pid::parent() != parent);
        record(telemetry, "c1-", CHILD_CALLS);
        until("it reports", || telemetry.is_reporter());
        std::fs::write(directory.join("forked-0"), "").unwrap();
        assert!(telemetry.flush(LONG));
        for sink in SINKS {
            until("all is delivered", || Scraped::of(&telemetry.render(), sink).pending == 0.0);
        }
        std::fs::write(directory.join("shipped"), "").unwrap();
    });
    kill(Pid::this(), Signal::SIGKILL).unwrap();
}

/// Starts a server that holds one request of each round until the service has forked. Returns the received ids.
fn holding(directory: &Path, rounds: usize) -> (Server, Arc<Mutex<Vec<String>>>) {
    let has: Arc<Mutex<Vec<String>>> = Arc::default();
    let (keep, directory) = (has.clone(), directory.to_path_buf());
    let server = Server::start(move |request| {
        let mut body = String::new();
        flate2::read::GzDecoder::new(&request.body[..]).read_to_string(&mut body).unwrap();
        keep.lock().unwrap().extend(ids(&body));
        let is_there = |what: &str, round: usize| directory.join(format!("{what}-{round}")).exists();
        if let Some(round) = (0..rounds).find(|round| !is_there("held", *round)) {
            std::fs::write(directory.join(format!("held-{round}")), "").unwrap();
            until("it has forked", || is_there("forked", round));
        }
        Reply::status(204)
    });
    (server, has)
}

fn run(directory: &Path, server: &Server, does: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "forks::forking_process", "--nocapture"]);
    command.env(DIRECTORY, directory).env(URL, format!("http://{}", server.address)).env(DOES, does);
    command.stdout(Stdio::null()).spawn().unwrap()
}

/// Returns the request ids in the file of lines.
fn lines(directory: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(directory.join("shipped.jsonl")).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(id).collect()
}

/// Returns the numbers after each prefix in the order of first arrival, and the number of duplicates.
fn by_prefix(has: &[String]) -> (BTreeMap<&str, Vec<usize>>, usize) {
    let (mut known, mut numbers) = (BTreeSet::new(), BTreeMap::<_, Vec<_>>::new());
    for id in has.iter().filter(|id| known.insert(*id)) {
        let (prefix, number) = id.split_once('-').unwrap();
        numbers.entry(prefix).or_default().push(number.parse().unwrap());
    }
    (numbers, has.len() - known.len())
}

#[test]
fn child_forked_during_a_request_neither_hangs_nor_duplicates() {
    let directory = Directory::new();
    let (server, has) = holding(directory.path(), ROUNDS);
    assert!(run(directory.path(), &server, "forks").wait().unwrap().success());
    for has in [has.lock().unwrap().clone(), lines(directory.path())] {
        let (mut numbers, again) = by_prefix(&has);
        assert_eq!((numbers.len(), again), (ROUNDS * (1 + CHILDREN), 0));
        for (prefix, numbers) in &mut numbers {
            let calls = if prefix.starts_with('p') { CALLS } else { CHILD_CALLS };
            // A Loki request is ordered by time, and the machine's clock can be corrected.
            assert!(numbers.iter().enumerate().all(|(place, number)| place.abs_diff(*number) <= BATCH));
            numbers.sort_unstable();
            assert!((0..calls).eq(numbers.iter().copied()), "{prefix}: {numbers:?}");
        }
    }
    // The last process has removed the reporter's state.
    let home = directory.path().join(SERVICE);
    for sink in SINKS {
        let state = stored(&home, sink).unwrap();
        assert_eq!((state.delivered, state.pending), (state.accepted, 0), "{state:?}");
    }
}

#[test]
fn child_forked_at_any_time_neither_hangs_nor_duplicates() {
    let directory = Directory::new();
    let (server, has) = holding(directory.path(), 0);
    assert!(run(directory.path(), &server, "storms").wait().unwrap().success());
    for has in [has.lock().unwrap().clone(), lines(directory.path())] {
        let (numbers, again) = by_prefix(&has);
        assert_eq!((numbers.len(), again), (2 + ANYWHERE, 0));
        for (prefix, mut numbers) in numbers {
            let calls = if prefix.starts_with('t') { THREAD_CALLS } else { CHILD_CALLS };
            numbers.sort_unstable();
            assert!((0..calls).eq(numbers.iter().copied()), "{prefix}: {numbers:?}");
        }
    }
}

#[test]
fn child_continues_after_its_parent_is_killed_in_a_request() {
    let directory = Directory::new();
    let (server, has) = holding(directory.path(), 1);
    let mut parent = run(directory.path(), &server, "dies");
    assert!(!parent.wait().unwrap().success(), "it is killed");
    until("the child has shipped all", || directory.path().join("shipped").exists());
    for has in [has.lock().unwrap().clone(), lines(directory.path())] {
        let (mut numbers, again) = by_prefix(&has);
        assert!(again <= BATCH, "{again} came twice");
        numbers.values_mut().for_each(|numbers| numbers.sort_unstable());
        let all = [("c0", CHILD_CALLS), ("c1", CHILD_CALLS), ("p0", CALLS)];
        assert!(numbers.into_iter().eq(all.map(|(prefix, calls)| (prefix, (0..calls).collect()))));
    }
}
