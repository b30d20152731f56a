//! Tests of a service's store: flushed records, recovery after crashes, and no duplicates.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;
#[path = "../../soundpost-core/tests/common/hostile.rs"]
mod hostile;
#[path = "common/store_kills.rs"]
mod store_kills;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::time::ClockId;
use soundpost::{GpuScope, Outcome, Seconds, Telemetry};
use soundpost_core::FinishedCall;
use soundpost_store::{CallFilter, Order, Reader};

use common::{Directory, Ending, get, in_a_process, samples, until, value};

fn stored(telemetry_directory: &Path) -> Vec<FinishedCall> {
    let reader = Reader::open(telemetry_directory).unwrap();
    let filter = CallFilter { order: Order::Oldest, ..CallFilter::default() };
    let rows = reader.map(|reader| reader.calls(&filter).unwrap()).unwrap_or_default();
    rows.into_iter().map(|row| row.call).collect()
}

#[test]
fn flushed_call_can_be_queried() {
    let directory = Directory::new();
    let telemetry = directory.serving("flushed").start().unwrap();
    let _ending = Ending(telemetry.clone());
    let operation = telemetry.operation("synthesize").labels(["voice"]).unwrap();
    let call = operation.begin_with(["anna"]).request_id("one").start();
    call.field("char_count", 12);
    drop(call.stage("llm"));
    call.chunk(Seconds(0.5));
    call.finish();
    operation.begin_with(["bert"]).request_id("two").start().end_with(Outcome::Oom, "", "CUDA out of memory");
    assert!(telemetry.flush(Duration::from_secs(10)));
    let calls = stored(telemetry.directory());
    let [one, two] = &calls[..] else { panic!("two calls: {calls:?}") };
    assert_eq!((one.request_id.as_str(), one.outcome, one.characters), ("one", Outcome::Ok, 12));
    assert_eq!(
        (one.labels.clone(), one.stages[0].name.as_str()),
        (vec![("voice".into(), "anna".into())], "llm")
    );
    assert_eq!(
        (two.outcome, two.fields.clone()),
        (Outcome::Oom, vec![("error".into(), "CUDA out of memory".into())])
    );
    until("vitals are stored as well", || {
        let reader = Reader::open(telemetry.directory()).unwrap().unwrap();
        !reader.vitals(0..u64::MAX, &["host_memory_used_bytes"]).unwrap().is_empty()
    });
}

/// Set for the process that has a small `/dev/shm`.
const SMALL_MEMORY: &str = "SOUNDPOST_TEST_SMALL_MEMORY";

#[test]
fn store_in_small_memory_takes_an_eighth_of_it() {
    if std::env::var_os(SMALL_MEMORY).is_some() {
        return record_in_small_memory();
    }
    let script = "mount -t tmpfs -o size=64m none /dev/shm && exec \"$@\"";
    let within = |command: &[&str]| {
        let mut unshare = Command::new("unshare");
        unshare.args(["-Urm", "sh", "-c", script, "sh"]).args(command).env(SMALL_MEMORY, "1").output()
    };
    if !within(&["true"]).is_ok_and(|done| done.status.success()) {
        eprintln!("skipped: this machine allows no user namespace");
        return;
    }
    let test = std::env::current_exe().unwrap();
    let done = within(&[
        test.to_str().unwrap(),
        "--exact",
        "store_in_small_memory_takes_an_eighth_of_it",
        "--nocapture",
    ])
    .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Records 18 MiB in a service whose directory cannot be written.
fn record_in_small_memory() {
    let telemetry =
        Telemetry::builder("small").directory("/proc/nowhere").listen("off").facade(false).start().unwrap();
    let _ending = Ending(telemetry.clone());
    assert!(telemetry.directory().starts_with("/dev/shm"));
    let operation = telemetry.operation("op");
    let (limits, mut most) = (soundpost_store::Limits::default(), 0);
    for number in 0..15 {
        for _ in 0..150 {
            let call = operation.begin().request_id(&number.to_string()).start();
            call.field("note", "x".repeat(8000));
            call.finish();
        }
        assert!(telemetry.flush(Duration::from_secs(20)));
        let usage = limits.usage_in(telemetry.directory()).unwrap();
        assert!(usage.is_in_memory && usage.limit <= 8 << 20, "{usage:?}");
        most = most.max(usage.bytes);
    }
    // One batch beside the limit.
    assert!(most < 12 << 20, "{most}");
    until("retention reached the limit", || {
        let usage = limits.usage_in(telemetry.directory()).unwrap();
        usage.bytes <= usage.limit
    });
    let calls = stored(telemetry.directory());
    assert!(calls.len() > 200 && calls.last().unwrap().request_id == "14", "{}", calls.len());
}

#[test]
fn disabled_store_creates_no_file() {
    let directory = Directory::new();
    let telemetry = directory.serving("storeless").store(false).start().unwrap();
    let _ending = Ending(telemetry.clone());
    telemetry.operation("op").start().finish();
    assert!(telemetry.flush(Duration::MAX));
    assert!(Reader::open(telemetry.directory()).unwrap().is_none());
    telemetry.shutdown(Duration::MAX);
}

#[test]
fn last_records_are_stored_when_the_service_ends() {
    let directory = Directory::new();
    let telemetry = directory.serving("ending").start().unwrap();
    let operation = telemetry.operation("op");
    (0..1000).for_each(|_| operation.start().finish());
    telemetry.shutdown(Duration::from_secs(10));
    assert_eq!(stored(telemetry.directory()).len(), 1000);
    // The next run has new totals and the same store.
    let next = directory.serving("ending").start().unwrap();
    let _ending = Ending(next.clone());
    next.operation("op").start().finish();
    assert!(next.flush(Duration::from_secs(10)));
    assert_eq!(stored(next.directory()).len(), 1001);
    let total = r#"ending_request_total{operation="op",outcome="ok",status="success"}"#;
    assert_eq!(value(&next.render(), total), Some(1.0));
}

#[test]
fn guard_flushes_and_ends_the_run() {
    let directory = Directory::new();
    let telemetry = directory.serving("guarded").start().unwrap();
    let guard = telemetry.guard();
    (0..100).for_each(|_| telemetry.operation("op").start().finish());
    drop(guard);
    assert_eq!(stored(telemetry.directory()).len(), 100);
    assert!(!telemetry.is_reporter(), "another process may report");
}

#[test]
fn unstored_records_are_stored_by_the_next_run() {
    let directory = Directory::new();
    let in_the_way = directory.path().join("unstored/store.sqlite");
    std::fs::create_dir_all(&in_the_way).unwrap();
    let telemetry = directory.serving("unstored").start().unwrap();
    let operation = telemetry.operation("op");
    (0..100).for_each(|_| operation.start().finish());
    telemetry.shutdown(Duration::from_secs(10));
    // A segment that this process has open counts as its own.
    drop((operation, telemetry));
    std::fs::remove_dir(&in_the_way).unwrap();
    let next = directory.serving("unstored").start().unwrap();
    let _ending = Ending(next.clone());
    until("it is stored", || stored(next.directory()).len() == 100);
    // Its totals ended with its run, which ended cleanly.
    let total = r#"unstored_request_total{operation="op",outcome="ok",status="success"}"#;
    until("it is not counted any more", || value(&next.render(), total).is_none());
}

#[test]
fn ended_run_stays_ended_after_a_kill_of_the_next() {
    let directory = Directory::new();
    let in_the_way = directory.path().join("crashing/store.sqlite");
    std::fs::create_dir_all(&in_the_way).unwrap();
    let telemetry = directory.serving("crashing").start().unwrap();
    let operation = telemetry.operation("synthesize");
    (0..5).for_each(|_| operation.start().finish());
    telemetry.shutdown(Duration::from_secs(10));
    drop((operation, telemetry));
    let mut worker = Worker::start(directory.path(), "second");
    worker.tell("finish");
    worker.kill();
    std::fs::remove_dir(&in_the_way).unwrap();
    let telemetry = directory.serving("crashing").start().unwrap();
    let _ending = Ending(telemetry.clone());
    assert!(telemetry.recover(Duration::from_secs(30)));
    assert_eq!(stored(telemetry.directory()).len(), 6);
    let ok = r#"crashing_request_total{operation="synthesize",outcome="ok",status="success"}"#;
    assert_eq!(value(&telemetry.render(), ok), Some(1.0), "of the run that was killed alone");
}

/// A process of the service `crashing`, which runs this test program.
struct Worker {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Worker {
    fn start(directory: &Path, role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker", "--nocapture", "--test-threads=1"])
            .env("SOUNDPOST_TEST_STORE", directory)
            .env("SOUNDPOST_TEST_ROLE", role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut worker = Self { child, lines };
        worker.hear();
        worker
    }

    fn hear(&mut self) {
        assert!(self.lines.any(|line| line.unwrap().ends_with("> ready")));
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
        self.hear();
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Runs the worker; does nothing without its variable.
#[test]
fn worker() {
    let Some(directory) = std::env::var_os("SOUNDPOST_TEST_STORE") else { return };
    let telemetry =
        Telemetry::builder("crashing").directory(directory).listen(None).facade(false).start().unwrap();
    let role = std::env::var("SOUNDPOST_TEST_ROLE").unwrap();
    let operation = telemetry.operation("synthesize");
    let mut running = Vec::new();
    println!("\n> ready");
    for (index, line) in std::io::stdin().lines().enumerate() {
        let call = operation.begin().request_id(&format!("{role}-{index}")).start();
        match line.unwrap().as_str() {
            "finish" => call.finish(),
            _ => {
                std::mem::forget(call.stage("vocoder"));
                running.push(call);
            }
        }
        println!("\n> ready");
    }
}

#[test]
fn calls_of_a_killed_process_are_stored_by_others() {
    let directory = Directory::new();
    let telemetry = directory.serving("crashing").start().unwrap();
    let _ending = Ending(telemetry.clone());
    let mut worker = Worker::start(directory.path(), "worker");
    worker.tell("finish");
    worker.tell("begin");
    worker.kill();
    until("the dead one's calls are stored", || stored(telemetry.directory()).len() == 2);
    let calls = stored(telemetry.directory());
    let outcomes: Vec<_> = calls.iter().map(|call| (call.request_id.as_str(), call.outcome)).collect();
    assert_eq!(outcomes, [("worker-0", Outcome::Ok), ("worker-1", Outcome::Died)]);
    assert_eq!(calls[1].died_in.as_deref(), Some("vocoder"));
    let died = r#"crashing_request_total{operation="synthesize",outcome="died",status="error"}"#;
    let address = telemetry.address().unwrap();
    until("it is folded", || value(&get(&address, "/metrics", "").1, died) == Some(1.0));
}

#[test]
fn next_start_recovers_a_crash_without_duplicates() {
    let directory = Directory::new();
    let mut last = 0;
    for round in 1..=4 {
        let mut worker = Worker::start(directory.path(), &format!("round{round}"));
        for _ in 0..20 {
            worker.tell("finish");
        }
        worker.tell("begin");
        worker.kill();
        last = round;
    }
    let telemetry = directory.serving("crashing").start().unwrap();
    let _ending = Ending(telemetry.clone());
    until("all rounds are stored", || stored(telemetry.directory()).len() >= last * 21);
    let mut ids: Vec<_> = stored(telemetry.directory()).into_iter().map(|call| call.request_id).collect();
    assert_eq!(ids.len(), last * 21, "nothing twice");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), last * 21, "nothing lost");
    let ok = r#"crashing_request_total{operation="synthesize",outcome="ok",status="success"}"#;
    until("the totals go on", || value(&telemetry.render(), ok) == Some(80.0));
}

/// Runs a role for another test; it does nothing by itself.
#[test]
fn killed_process() {
    store_kills::play_role();
}

#[test]
fn killed_processes_lose_and_duplicate_nothing() {
    let kills = store_kills::kill(8);
    assert!(kills.reporters > 0 && kills.returned > 0, "{kills:?}");
}

/// Records calls. Returns the longest call that blocked, the longest of all, which may have been preempted, and the
/// maximum processor time of a call.
fn record_timed(operation: &soundpost::Operation, count: usize) -> [Duration; 3] {
    let processor = || Duration::from(ClockId::CLOCK_THREAD_CPUTIME_ID.now().unwrap());
    let waits = || getrusage(UsageWho::RUSAGE_THREAD).unwrap().voluntary_context_switches();
    let [mut waited, mut longest, mut busiest] = [Duration::ZERO; 3];
    for _ in 0..count {
        let (before, busy, started) = (waits(), processor(), Instant::now());
        let call = operation.start();
        call.field("char_count", 128);
        drop(call.stage("llm"));
        call.finish();
        let took = started.elapsed();
        busiest = busiest.max(processor() - busy);
        longest = longest.max(took);
        if waits() != before {
            waited = waited.max(took);
        }
    }
    [waited, longest, busiest]
}

#[test]
fn full_disk_blocks_no_call_and_is_recovered() {
    in_a_process("full_disk_blocks_no_call_and_is_recovered", || {
        // A write beyond the limit raises the signal, which Soundpost's threads block.
        SigSet::from(Signal::SIGXFSZ).thread_block().unwrap();
        let directory = Directory::new();
        let telemetry = directory.serving("full").start().unwrap();
        let _ending = Ending(telemetry.clone());
        let operation = telemetry.operation("op");
        let mut recorded = 100;
        record_timed(&operation, recorded);
        assert!(telemetry.flush(Duration::from_secs(10)));
        let (free, limit) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
        let flagged =
            || value(&telemetry.render(), r#"full_unhealthy{reason="store_not_writable"}"#) == Some(1.0);
        assert!(!flagged());
        setrlimit(Resource::RLIMIT_FSIZE, 0, limit).unwrap();
        let mut most = [Duration::ZERO; 3];
        let mut record = |count| {
            for (most, one) in most.iter_mut().zip(record_timed(&operation, count)) {
                *most = one.max(*most);
            }
            recorded += count;
        };
        record(1000);
        until("it is flagged", &flagged);
        // The same applies during retries.
        let (began, mut more) = (Instant::now(), 0);
        until("it was tried again", || {
            // One call each millisecond, so that ring and backlog do not overflow.
            let due = began.elapsed().as_millis() as usize;
            record(due.min(2000) - more);
            more = due.min(2000);
            due > 1500
        });
        assert!(flagged());
        assert_eq!(stored(telemetry.directory()).len(), 100, "nothing could be written");
        setrlimit(Resource::RLIMIT_FSIZE, free, limit).unwrap();
        let space = Instant::now();
        record(100);
        assert!(telemetry.flush(Duration::from_secs(10)));
        let recovered = space.elapsed();
        assert_eq!(stored(telemetry.directory()).len(), recorded, "nothing lost, nothing twice");
        let [waited, longest, busiest] = most;
        println!(
            "{recorded} calls; longest {longest:.1?}, longest that waited {waited:.1?}, most processor time {busiest:.1?}; \
             recovered in {recovered:.0?}"
        );
        assert!(waited < Duration::from_millis(1), "a call waited for {waited:?}");
        assert!(recovered < Duration::from_secs(5), "{recovered:?}");
        assert!(!flagged());
        let dropped = telemetry.render();
        let dropped = samples(&dropped, "soundpost_events_dropped_total{");
        assert!(dropped.iter().all(|sample| sample.ends_with(" 0")), "{dropped:?}");
    });
}

/// Returns everything below a directory, without following links.
fn below(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            let inside = if path.is_dir() && !path.is_symlink() { below(&path) } else { Vec::new() };
            std::iter::once(path).chain(inside)
        })
        .collect()
}

#[test]
fn stores_of_hostile_service_names_stay_in_their_directories() {
    let outer = Directory::new();
    let root = outer.path().join("state");
    for name in hostile::hostile_names() {
        let builder = Telemetry::builder(&name).namespace("hostile").directory(&root).listen(None);
        let telemetry = builder.facade(false).gpu(GpuScope::None).start().unwrap();
        let ending = Ending(telemetry.clone());
        assert_eq!(telemetry.directory().parent(), Some(&*root), "{name:?}");
        telemetry.operation("op").start().finish();
        assert!(telemetry.flush(Duration::from_secs(10)), "{name:?}");
        assert_eq!(stored(telemetry.directory()).len(), 1, "{name:?}");
        for path in below(telemetry.directory()) {
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600, "{path:?}");
        }
        drop(ending);
    }
    for path in below(outer.path()) {
        let depth = path.strip_prefix(outer.path()).unwrap().components().count();
        let expected = if depth <= 2 { 0o700 } else { 0o600 };
        assert_eq!(
            std::fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o7777,
            expected,
            "{path:?}"
        );
    }
}
