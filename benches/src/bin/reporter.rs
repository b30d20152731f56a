//! From the call to the store, through the reporter: calls a second, CPU, delay until a call can be queried, recovery
//! of a full ring, memory.
//!
//! ```sh
//! cargo run --release -p soundpost-benches --bin reporter [PART]
//! ```
//!
//! Each part runs in its own process and directory, about 100 s in all, and prints rows of a table.
//! `STORE_DIRECTORY` sets the directory; the default is in the target directory, because `/tmp` may be memory.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use soundpost::Telemetry;
use soundpost_benches::{threads_cpu, whole_call};
use soundpost_core::{Calls, Operation, Options, Registry, ServiceDir, ServiceIdentity};
use soundpost_store::{CallFilter, Reader};

/// Measurement in a directory.
type Part = fn(&Path);

const PARTS: [(&str, Part); 5] = [
    ("sustained", sustained),
    ("idle", idle),
    ("queryable", queryable),
    ("recovery", recovery),
    ("memory", memory),
];
const SERVICE: &str = "bench";
/// Size of the segment; a quarter of it is the event ring.
const SEGMENT_OF_4_MIB_RING: usize = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fill", directory] => fill(Path::new(directory)),
        ["report", directory] => report(Path::new(directory)),
        [part] => {
            let (_, measure) = PARTS.iter().find(|(name, _)| *name == part).unwrap();
            let parent = std::env::var("STORE_DIRECTORY").unwrap_or_else(|_| "target".to_owned());
            measure(tempfile::tempdir_in(parent).unwrap().path());
        }
        _ => {
            for (part, _) in PARTS {
                let program = std::env::current_exe().unwrap();
                assert!(Command::new(program).arg(part).status().unwrap().success());
            }
        }
    }
}

fn print(what: &str, figure: impl std::fmt::Display) {
    println!("{what:<66} {figure}");
}

fn start(directory: &Path) -> Telemetry {
    Telemetry::builder(SERVICE).directory(directory).listen(None).facade(false).start().unwrap()
}

fn operation(telemetry: &Telemetry) -> Operation {
    telemetry.operation("synthesize").labels(["emotion"]).unwrap()
}

fn stored(directory: &Path) -> u64 {
    let reader = Reader::open(directory).unwrap();
    reader.map_or(0, |reader| reader.summary(&CallFilter::default()).unwrap().total())
}

/// Polls every millisecond until the condition holds.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Records so many calls a second for so long; returns their number.
fn pace(operation: &Operation, rate: u64, length: Duration) -> u64 {
    let started = Instant::now();
    let mut made = 0;
    while started.elapsed() < length {
        let due = (started.elapsed().as_secs_f64() * rate as f64) as u64;
        (made..due).for_each(|_| whole_call(operation));
        made = made.max(due);
        std::thread::sleep(Duration::from_millis(1));
    }
    made
}

/// Returns the dropped events by reason, from the exposition.
fn dropped(telemetry: &Telemetry) -> String {
    let text = telemetry.render_openmetrics();
    let lines = text.lines().filter_map(|line| line.strip_prefix("soundpost_events_dropped_total"));
    let some: Vec<_> = lines.filter(|line| !line.ends_with(" 0") && !line.ends_with(" 0.0")).collect();
    if some.is_empty() { "0".to_owned() } else { some.join(", ") }
}

/// Measures four threads with 50,000 calls a second together, and rings of 2 MiB (the default) and 4 MiB.
fn sustained(root: &Path) {
    for mebibytes in [8, 16] {
        sustained_with(&root.join(mebibytes.to_string()), mebibytes << 20);
    }
}

fn sustained_with(directory: &Path, segment_bytes: usize) {
    const THREADS: u64 = 4;
    const RATE: u64 = 50_000;
    const LENGTH: Duration = Duration::from_secs(10);
    let builder = Telemetry::builder(SERVICE).directory(directory).listen(None).facade(false);
    let telemetry = builder.segment_bytes(segment_bytes).start().unwrap();
    let operation = operation(&telemetry);
    let (started, before) = (Instant::now(), threads_cpu());
    let recorded: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|_| scope.spawn(|| pace(&operation, RATE / THREADS, LENGTH))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let took = started.elapsed().as_secs_f64();
    let ended = Instant::now();
    assert!(telemetry.flush(PATIENCE));
    let behind = ended.elapsed();
    let cpu = threads_cpu()["soundpost-store"] - before.get("soundpost-store").copied().unwrap_or(0.0);
    let stored = stored(telemetry.directory());
    print(
        &format!("4 threads for 10 s, segment of {} MiB: calls a second recorded", segment_bytes >> 20),
        format_args!("{:.0}", recorded as f64 / took),
    );
    print("  recorded, stored, dropped", format_args!("{recorded}, {stored}, {}", dropped(&telemetry)));
    print("  from the last call until all are stored", format_args!("{behind:.0?}"));
    print("  CPU of soundpost-store", format_args!("{:.0} % of a core", 100.0 * cpu / took));
    telemetry.shutdown(PATIENCE);
}

/// Measures 100 calls a second.
fn idle(directory: &Path) {
    const LENGTH: Duration = Duration::from_secs(20);
    let telemetry = start(directory);
    let operation = operation(&telemetry);
    // The first calls create their series.
    pace(&operation, 100, Duration::from_secs(1));
    let (started, before) = (Instant::now(), threads_cpu());
    pace(&operation, 100, LENGTH);
    let (took, after) = (started.elapsed().as_secs_f64(), threads_cpu());
    let share = |name: &str| 100.0 * (after[name] - before.get(name).copied().unwrap_or(0.0)) / took;
    let ours: Vec<_> = after.keys().filter(|name| name.starts_with("soundpost-")).collect();
    let all: f64 = ours.iter().map(|name| share(name)).sum();
    print("CPU at 100 calls a second, all threads of soundpost", format_args!("{all:.2} % of a core"));
    for name in ours {
        print(&format!("  {name}"), format_args!("{:.3} %", share(name)));
    }
    telemetry.shutdown(PATIENCE);
}

/// Measures one call at a time, at any moment of the reporter's rounds.
fn queryable(directory: &Path) {
    const TIMES: u64 = 50;
    let telemetry = start(directory);
    let operation = operation(&telemetry);
    whole_call(&operation);
    assert!(telemetry.flush(PATIENCE));
    let mut times: Vec<Duration> = (0..TIMES)
        .map(|index| {
            std::thread::sleep(Duration::from_millis(index * 37 % 211));
            let id = format!("query-{index}");
            let started = Instant::now();
            operation.begin_with(["neutral"]).request_id(&id).start().finish();
            let filter = CallFilter { request_id: Some(id), ..CallFilter::default() };
            until("the call can be asked for", || {
                let reader = Reader::open(telemetry.directory()).unwrap().unwrap();
                !reader.calls(&filter).unwrap().is_empty()
            });
            started.elapsed()
        })
        .collect();
    times.sort();
    let [median, worst] = [times[times.len() / 2], times[times.len() - 1]];
    print("record to queryable, 50 times: median, worst", format_args!("{median:.0?}, {worst:.0?}"));
    telemetry.shutdown(PATIENCE);
}

/// Starts another process of this program.
fn process(role: &str, directory: &Path) -> (Child, impl Iterator<Item = String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg(role)
        .arg(directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines.map(Result::unwrap))
}

/// Fills the event ring without a reader, prints the number of calls, and waits to be killed.
fn fill(directory: &Path) {
    let place = ServiceDir::open(directory, SERVICE).unwrap();
    let options = Options { segment_bytes: SEGMENT_OF_4_MIB_RING, ..Options::default() };
    let registry = Registry::open(&place, ServiceIdentity::new(SERVICE), options).unwrap();
    let calls = Calls::new(&registry).unwrap();
    let operation = calls.operation("synthesize").labels(["emotion"]).unwrap();
    let mut taken = 0_u64;
    let mut position = registry.events_recorded();
    loop {
        whole_call(&operation);
        let now = registry.events_recorded();
        if now == position {
            break;
        }
        (position, taken) = (now, taken + 1);
    }
    println!("{taken} {position}");
    loop {
        std::thread::park();
    }
}

fn segments(place: &ServiceDir) -> usize {
    let entries = |directory: &PathBuf| std::fs::read_dir(directory).into_iter().flatten().flatten();
    let files = place.segment_directories().iter().flat_map(entries);
    files.filter(|file| file.path().extension().is_some_and(|extension| extension == "segment")).count()
}

/// Measures the recovery of a killed process's full ring of 4 MiB.
fn recovery(root: &Path) {
    let mut times = Vec::new();
    let mut taken = String::new();
    for round in 0..5 {
        let directory = root.join(round.to_string());
        let (mut child, mut lines) = process("fill", &directory);
        taken = lines.next().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let calls: u64 = taken.split(' ').next().unwrap().parse().unwrap();
        let place = ServiceDir::open(&directory, SERVICE).unwrap();
        assert_eq!(segments(&place), 1);
        let started = Instant::now();
        let telemetry = start(&directory);
        let ready = started.elapsed();
        until("the calls are stored", || stored(telemetry.directory()) == calls);
        let drained = started.elapsed();
        until("the file is gone", || segments(&place) == 1);
        times.push((drained, ready, started.elapsed()));
        telemetry.shutdown(PATIENCE);
    }
    times.sort();
    let [(median, ready, gone), (worst, _, _)] = [times[2], times[4]];
    let (calls, words) = taken.split_once(' ').unwrap();
    let bytes = words.parse::<f64>().unwrap() * 8.0 / 1_048_576.0;
    print("recovery of a full ring: its calls", format_args!("{calls} ({bytes:.1} MiB)"));
    print("  until all are in the store, of 5: median, worst", format_args!("{median:.0?}, {worst:.0?}"));
    print("  until start() returned; until the file is gone", format_args!("{ready:.0?}; {gone:.0?}"));
}

/// Reports until it is killed, and records nothing.
fn report(directory: &Path) {
    let telemetry = start(directory);
    assert!(telemetry.is_reporter());
    println!("started");
    loop {
        std::thread::park();
    }
}

/// Returns the maximum resident memory of the process in some seconds, in MiB: total, private, shared, of files.
fn resident(pid: u32, looks: u32) -> [f64; 4] {
    let look = || {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        ["VmRSS:", "RssAnon:", "RssShmem:", "RssFile:"].map(|name| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
        })
    };
    (0..looks).fold([0.0; 4], |most, _| {
        std::thread::sleep(Duration::from_millis(100));
        let now = look();
        std::array::from_fn(|index| most[index].max(now[index]))
    })
}

/// Measures a process that reports for another one, idle and while that records 10,000 calls a second.
fn memory(directory: &Path) {
    const LENGTH: Duration = Duration::from_secs(20);
    let (mut child, mut lines) = process("report", directory);
    lines.next().unwrap();
    let telemetry = start(directory);
    let operation = operation(&telemetry);
    let show = |what: &str, [all, own, shared, files]: [f64; 4]| {
        let figure = format!("{all:.1} MiB (own {own:.1}, shared memory {shared:.1}, files {files:.1})");
        print(&format!("resident memory of the reporter, {what}"), figure);
    };
    show("at rest", resident(child.id(), 50));
    let busy = std::thread::scope(|scope| {
        let recording = scope.spawn(|| pace(&operation, 10_000, LENGTH));
        let most = resident(child.id(), LENGTH.as_millis() as u32 / 100 - 5);
        let recorded = recording.join().unwrap();
        assert!(telemetry.flush(PATIENCE));
        print(
            "  10,000 calls a second: recorded, stored",
            format_args!("{recorded}, {}", stored(telemetry.directory())),
        );
        print("  dropped", dropped(&telemetry));
        most
    });
    show("at 10,000 calls a second", busy);
    child.kill().unwrap();
    child.wait().unwrap();
    telemetry.shutdown(PATIENCE);
}
