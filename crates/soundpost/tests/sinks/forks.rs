//! A service forks while its sinks are in the middle of a request: nobody hangs, nothing is lost or shipped twice.

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
/// What the process does: see [`forking_process`].
const DOES: &str = "SOUNDPOST_SINK_FORKS_DOES";
const SERVICE: &str = "forks";
const SINKS: [&str; 2] = ["loki", "jsonl"];
const LONG: Duration = Duration::from_secs(10);
/// Times that a request is held while the service forks, and children of each.
const ROUNDS: usize = 4;
const CHILDREN: usize = 8;
/// Calls of the parent in a round, and of a child.
const CALLS: usize = 40;
const CHILD_CALLS: usize = 10;
const BATCH: usize = 25;
/// Forks while two threads record, each so many calls.
const ANYWHERE: usize = 60;
const THREAD_CALLS: usize = 1500;

/// Not a test by itself: the process that forks.
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

/// Forks while a request is held, again and again.
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

/// Forks at any moment of what its sinks do, while threads record.
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

/// Has so many calls shipped, and looks whether it says so.
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

/// What a child does, one this and another that.
fn uses_it(telemetry: &Telemetry, prefix: &str, child: usize) {
    record(telemetry, prefix, CHILD_CALLS);
    match child % 4 {
        0 => {}
        1 => assert!(telemetry.flush(LONG)),
        2 => SINKS.iter().for_each(|sink| assert!(Scraped::of(&telemetry.render(), sink).accepted >= 0.0)),
        _ => telemetry.shutdown(LONG),
    }
}

/// Is killed in the middle of a request; the child ships on.
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

/// A server that holds a request until it is told that the service has forked, once for each round; and what it has.
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

/// The request ids in the file of lines.
fn lines(directory: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(directory.join("shipped.jsonl")).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(id).collect()
}

/// The numbers behind each prefix, in the order in which they came first; and how often one came again.
fn by_prefix(has: &[String]) -> (BTreeMap<&str, Vec<usize>>, usize) {
    let (mut known, mut numbers) = (BTreeSet::new(), BTreeMap::<_, Vec<_>>::new());
    for id in has.iter().filter(|id| known.insert(*id)) {
        let (prefix, number) = id.split_once('-').unwrap();
        numbers.entry(prefix).or_default().push(number.parse().unwrap());
    }
    (numbers, has.len() - known.len())
}

#[test]
fn children_forked_in_the_middle_of_a_request_neither_hang_nor_ship_anything_twice() {
    let directory = Directory::new();
    let (server, has) = holding(directory.path(), ROUNDS);
    assert!(run(directory.path(), &server, "forks").wait().unwrap().success());
    for has in [has.lock().unwrap().clone(), lines(directory.path())] {
        let (mut numbers, again) = by_prefix(&has);
        assert_eq!((numbers.len(), again), (ROUNDS * (1 + CHILDREN), 0));
        for (prefix, numbers) in &mut numbers {
            let calls = if prefix.starts_with('p') { CALLS } else { CHILD_CALLS };
            // A request to Loki is in the order of time, and the machine's clock may be put right.
            assert!(numbers.iter().enumerate().all(|(place, number)| place.abs_diff(*number) <= BATCH));
            numbers.sort_unstable();
            assert!((0..calls).eq(numbers.iter().copied()), "{prefix}: {numbers:?}");
        }
    }
    // Whoever was last has taken down what there was to report.
    let home = directory.path().join(SERVICE);
    for sink in SINKS {
        let state = stored(&home, sink).unwrap();
        assert_eq!((state.delivered, state.pending), (state.accepted, 0), "{state:?}");
    }
}

#[test]
fn children_forked_at_any_moment_neither_hang_nor_ship_anything_twice() {
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
fn a_child_ships_on_where_its_parent_was_killed_in_the_middle_of_a_request() {
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
