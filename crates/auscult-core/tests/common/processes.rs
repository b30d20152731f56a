//! Child processes of the tests: the test's own binary, run again with a role in its environment.
#![allow(dead_code)]

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use auscult_core::snapshot::{Collector, Snapshot};
use auscult_core::{Call, Calls, Merge, Options, Registry, Spec};

use super::{Home, distribution, eventually, place_at, registry_at, small, total, value};

const ROLE: &str = "AUSCULT_TEST_ROLE";
const ROOT: &str = "AUSCULT_TEST_ROOT";
/// The test that plays the roles; an example does so in `main`.
const ENTRY: [&str; 3] = ["--exact", "child_process", "--nocapture"];

/// Plays the role in the environment and ends the process; returns at once where there is none.
pub(crate) fn play_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let root = PathBuf::from(std::env::var_os(ROOT).expect("a root"));
    match role.as_str() {
        "recorder" => recorder(&root),
        "folder" => folder(&root),
        "puppet" => puppet(&root),
        "forker" => forker(&root),
        other => panic!("no role {other}"),
    }
    std::process::exit(0);
}

fn command(role: &str, root: &Path) -> Command {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(&program);
    if !program.parent().is_some_and(|directory| directory.ends_with("examples")) {
        command.args(ENTRY);
    }
    command.env(ROLE, role).env(ROOT, root).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A child that is killed and waited for when dropped.
pub(crate) struct Running(Child);

impl Running {
    fn spawn(role: &str, root: &Path) -> Self {
        Self(command(role, root).spawn().expect("a child"))
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn random_below(limit: u64) -> u64 {
    getrandom::u64().expect("random") % limit
}

// Numbers that survive the process: 64-bit words in a file, written with one system call each.

struct Words(File);

impl Words {
    fn create(root: &Path) -> Self {
        let path = root.join("words");
        let _ = std::fs::remove_file(&path);
        let file = File::options().read(true).write(true).create_new(true).open(path).expect("a file");
        file.set_len(4096).expect("its size");
        Self(file)
    }

    fn open(root: &Path) -> Self {
        let path = root.join("words");
        Self(File::options().read(true).write(true).open(path).expect("a file"))
    }

    fn set(&self, word: usize, value: u64) {
        self.0.write_all_at(&value.to_le_bytes(), word as u64 * 8).expect("written");
    }

    fn get(&self, word: usize) -> u64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, word as u64 * 8).expect("read");
        u64::from_le_bytes(bytes)
    }
}

// --- Recording until killed -------------------------------------------------------------------------

const RECORDERS: usize = 4;
/// Words of one thread: attempts and returns of starting, counting, ending.
const PER_THREAD: usize = 6;

fn recorder(root: &Path) {
    let registry = registry_at(root, small());
    let calls = Calls::new(&registry).expect("request metrics");
    let words = Words::open(root);
    std::thread::scope(|scope| {
        for thread in 0..RECORDERS {
            let (calls, words, registry) = (&calls, &words, &registry);
            scope.spawn(move || {
                let at = thread * PER_THREAD;
                let operation = calls.operation("op");
                let counter = registry.family(Spec::counter("done")).expect("a family");
                let counter = counter.counter(&[]).expect("a counter");
                let histogram = registry.family(Spec::histogram("sizes", &[1.0])).expect("a family");
                let histogram = histogram.histogram(&[]).expect("a histogram");
                for index in 1.. {
                    words.set(at, index);
                    let call = operation.start::<&str>([]);
                    words.set(at + 1, index);
                    words.set(at + 2, index);
                    counter.inc(1.0);
                    histogram.observe(0.5);
                    words.set(at + 3, index);
                    words.set(at + 4, index);
                    call.finish();
                    words.set(at + 5, index);
                }
            });
        }
    });
}

/// What many kills showed.
#[derive(Debug, Default)]
pub(crate) struct Kills {
    pub(crate) kills: u64,
    pub(crate) recorded: u64,
    pub(crate) died: u64,
    /// Calls whose end was being recorded when the kill came, neither finished nor died.
    pub(crate) torn: u64,
    pub(crate) slowest: Duration,
}

struct Seen {
    done: f64,
    sizes: f64,
    ok: f64,
    died: f64,
}

impl Seen {
    fn of(snapshot: &Snapshot) -> Self {
        super::assert_well_formed(snapshot);
        Self {
            done: total(snapshot, "done", &[]),
            sizes: total(snapshot, "sizes", &[]),
            ok: total(snapshot, "svc_request", &[("outcome", "ok")]),
            died: total(snapshot, "svc_request", &[("outcome", "died")]),
        }
    }
}

/// Kills a recording process so many times, at random moments, and checks all totals each time.
pub(crate) fn kill_recorders(kills: u64) -> Kills {
    let home = Home::new();
    let registry = home.registry();
    let calls = Calls::new(&registry).expect("request metrics");
    calls.operation("op").start::<&str>([]).finish();
    let mut collector = home.collector(&registry);
    let mut before = Seen::of(&collector.snapshot());
    let mut figures = Kills::default();
    for _ in 0..kills {
        let words = Words::create(home.path());
        let mut child = Running::spawn("recorder", home.path());
        let enough = random_below(400);
        eventually("recording", 60, || (words.get(0) > enough).then_some(()));
        for _ in 0..random_below(20_000) {
            std::hint::spin_loop();
        }
        child.kill();
        let recovery = Instant::now();
        let after = Seen::of(&collector.snapshot());
        assert!(collector.fold() >= 1, "the dead segment is folded");
        let folded = Seen::of(&collector.snapshot());
        figures.slowest = figures.slowest.max(recovery.elapsed());
        for (one, other) in [
            (after.done, folded.done),
            (after.sizes, folded.sizes),
            (after.ok, folded.ok),
            (after.died, folded.died),
        ] {
            assert_eq!(one, other, "folding changes nothing");
        }
        let sum = |word: usize| {
            (0..RECORDERS).map(|thread| words.get(thread * PER_THREAD + word)).sum::<u64>() as f64
        };
        let [start_attempts, started, count_attempts, counted, end_attempts, ended] =
            std::array::from_fn(sum);
        let new = Seen {
            done: after.done - before.done,
            sizes: after.sizes - before.sizes,
            ok: after.ok - before.ok,
            died: after.died - before.died,
        };
        assert!(counted <= new.done && new.done <= count_attempts, "{counted} {} {count_attempts}", new.done);
        assert!(counted <= new.sizes && new.sizes <= count_attempts);
        assert!(ended <= new.ok && new.ok <= end_attempts, "{ended} {} {end_attempts}", new.ok);
        let all = new.ok + new.died;
        assert!(all <= start_attempts, "a call counted twice: {all} of {start_attempts}");
        assert!(all >= started - (end_attempts - ended), "a call lost: {all} of {started}");
        figures.kills += 1;
        figures.recorded += (counted + ended) as u64;
        figures.died += new.died as u64;
        figures.torn += (started - all).max(0.0) as u64;
        before = folded;
        assert_eq!(home.segment_files().len(), 1, "only the own segment is left");
    }
    figures
}

// --- Folding until killed ---------------------------------------------------------------------------

fn folder(root: &Path) {
    let registry = registry_at(root, small());
    let mut collector = Collector::new(place_at(root, "svc"), registry.clone());
    let words = Words::open(root);
    for index in 1.. {
        let ended = registry_at(root, small());
        let counter = ended.family(Spec::counter("done")).expect("a family").counter(&[]).expect("a counter");
        words.set(0, index);
        counter.inc(1.0);
        words.set(1, index);
        drop((counter, ended));
        collector.fold();
    }
}

/// Kills a process that folds all the time, so many times, at random moments; totals stay exact. Gives the
/// number of folds that were under way or done.
pub(crate) fn kill_folders(kills: u64) -> u64 {
    let home = Home::new();
    let registry = home.registry();
    let mut lasting = home.collector(&registry);
    let (mut low, mut high) = (0.0, 0.0);
    let mut folds = 0;
    let mut last = 0.0;
    for round in 0..kills {
        let words = Words::create(home.path());
        let mut child = Running::spawn("folder", home.path());
        let enough = random_below(5);
        eventually("folding", 60, || (words.get(0) > enough).then_some(()));
        for _ in 0..random_below(100_000) {
            std::hint::spin_loop();
        }
        child.kill();
        high += words.get(0) as f64;
        low += words.get(1) as f64;
        folds += words.get(0);
        let now = total(&home.snapshot(&registry), "done", &[]);
        assert!(low <= now && now <= high, "round {round}: {low} <= {now} <= {high}");
        // A reader that was there all the time sees the same, again and again, and so does who folds.
        for _ in 0..2 {
            assert_eq!(total(&lasting.snapshot(), "done", &[]), now, "round {round}");
        }
        if round % 2 == 0 {
            lasting.fold();
            assert_eq!(total(&lasting.snapshot(), "done", &[]), now, "round {round}: folded");
            assert_eq!(total(&home.snapshot(&registry), "done", &[]), now, "round {round}: read anew");
        }
        assert!(now >= last, "totals went backwards");
        last = now;
        low = now;
        high = now;
    }
    folds
}

// --- A process that does what it is told ------------------------------------------------------------

/// A process that records on command.
pub(crate) struct Puppet {
    child: Running,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Puppet {
    pub(crate) fn start(root: &Path) -> Self {
        let mut child =
            command("puppet", root).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut puppet = Self { child: Running(child), input, output };
        puppet.answer();
        puppet
    }

    /// Has it do something, and waits until it was done; gives what it answered.
    pub(crate) fn tell(&mut self, what: &str) -> String {
        writeln!(self.input, "{what}").expect("it lives");
        self.answer()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill();
    }

    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).expect("a line") > 0, "the puppet ended");
            if let Some((_, answer)) = line.trim_end().split_once("ack:") {
                return answer.to_owned();
            }
        }
    }
}

struct Told {
    registry: Arc<Registry>,
    calls: Arc<Calls>,
    running: Vec<Call>,
    held: Vec<i32>,
}

impl Told {
    fn count(&self, amount: f64) {
        let counter = self.registry.family(Spec::counter("done")).expect("a family");
        counter.counter(&[]).expect("a counter").inc(amount);
        let histogram = self.registry.family(Spec::histogram("sizes", &[1.0, 10.0])).expect("a family");
        histogram.histogram(&[]).expect("a histogram").observe(amount);
    }

    fn gauge(&self, name: &str, merge: Merge, given: f64) {
        let gauge = self.registry.family(Spec::gauge(name).merge(merge)).expect("a family");
        gauge.gauge(&[]).expect("a gauge").set(given);
    }

    fn set_gauges(&self, given: f64) {
        self.gauge("level", Merge::Sum, given);
        self.gauge("each", Merge::PerProcess, given);
    }

    fn begin(&mut self) {
        self.running.push(self.calls.operation("op").start::<&str>([]));
    }
}

fn puppet(root: &Path) {
    let registry = registry_at(root, small());
    let calls = Calls::new(&registry).expect("request metrics");
    let mut told = Told { registry, calls, running: Vec::new(), held: Vec::new() };
    println!("ack:");
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        let mut words = line.split(' ');
        let what = words.next().expect("a word");
        let amount = words.next().map_or(0.0, |word| word.parse().expect("a number"));
        let mut answer = String::new();
        match what {
            "count" => told.count(amount),
            "gauge" => told.set_gauges(amount),
            "begin" => told.begin(),
            "finish" => drop(told.running.pop().map(|call| call.finish())),
            // A child that records, leaves a call in flight, and ends without a word.
            "fork-and-die" => {
                let child = fork(|| {
                    told.count(amount);
                    told.set_gauges(amount);
                    told.begin();
                    std::mem::take(&mut told.running).into_iter().for_each(std::mem::forget);
                });
                wait(child);
            }
            // A child that records and stays, until it is killed.
            "fork-and-stay" => {
                let (mut ready, done) = std::io::pipe().expect("a pipe");
                let child = fork(|| {
                    told.count(amount);
                    told.set_gauges(amount);
                    told.begin();
                    (&done).write_all(&[1]).expect("told");
                    loop {
                        std::thread::park();
                    }
                });
                std::io::Read::read_exact(&mut ready, &mut [0]).expect("ready");
                told.held.push(child);
                answer = child.to_string();
            }
            "kill-child" => {
                if let Some(child) = told.held.pop() {
                    // SAFETY: signals a child of this process that was not waited for.
                    unsafe { libc::kill(child, libc::SIGKILL) };
                    wait(child);
                }
            }
            // What a forked child inherited is its parent's: dropping or ending it there ends nothing.
            "fork-and-drop" => {
                let stage = told.running.last().map(|call| call.stage("s"));
                let child = fork(|| {
                    told.running.iter().for_each(|call| call.finish());
                    told.running.clear();
                });
                drop(stage);
                wait(child);
            }
            other => panic!("{other}?"),
        }
        println!("ack:{answer}");
    }
}

/// Runs `work` in a forked child, which ends without unwinding or running destructors.
pub(crate) fn fork(work: impl FnOnce()) -> i32 {
    // SAFETY: the child runs only `work`, which records and writes to a pipe, and then `_exit`; the C
    // library keeps its allocator usable in a child of a process with threads.
    match unsafe { libc::fork() } {
        0 => {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // SAFETY: ends the process.
            unsafe { libc::_exit(i32::from(outcome.is_err())) }
        }
        child => {
            assert!(child > 0, "fork");
            child
        }
    }
}

/// Waits for a child at most 10 s; it must have ended well or by a kill.
pub(crate) fn wait(child: i32) {
    let status = eventually("the end of a forked child", 10, || {
        let mut status = 0;
        // SAFETY: asks after a child of this process; `status` is a valid place for the answer.
        let ended = unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) };
        (ended == child).then_some(status)
    });
    let killed = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL;
    assert!(killed || libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "status {status}");
}

// --- Forking from recording threads -----------------------------------------------------------------

pub(crate) const FORKING_THREADS: u64 = 8;
const CHILD_RECORDS: u64 = 50;

/// Forks from all recording threads and checks that everything was counted once; in a process of its own.
fn forker(root: &Path) {
    let children: u64 = std::env::var("AUSCULT_TEST_CHILDREN").expect("a number").parse().expect("a number");
    let registry = registry_at(root, Options::default());
    let calls = Calls::new(&registry).expect("request metrics");
    let operation = calls.operation("op");
    let each = children / FORKING_THREADS;
    let record = |thread: u64, index: u64| {
        let counter = registry.family(Spec::counter("done").labels(&["thread"])).expect("a family");
        counter.counter(&[&thread.to_string()]).expect("a counter").inc(1.0);
        let call = operation.start::<&str>([]);
        drop(call.stage("s"));
        call.chunk(auscult_core::Seconds(0.5));
        call.finish();
        let gauge = registry.family(Spec::gauge("level")).expect("a family").gauge(&[]).expect("a gauge");
        gauge.set(index as f64);
    };
    let own: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..FORKING_THREADS)
            .map(|thread| {
                let (record, calls) = (&record, &calls);
                scope.spawn(move || {
                    let mut recorded = 0;
                    for child in 0..each {
                        for index in 0..20 {
                            record(thread, index);
                            recorded += 1;
                        }
                        let open = calls.operation("op").start::<&str>([]);
                        let pid = fork(|| {
                            for index in 0..CHILD_RECORDS {
                                record(thread, index);
                            }
                            // A label set that the parent has not seen, and a call that is never ended.
                            record(1000 + thread * each + child, 0);
                            std::mem::forget(calls.operation("op").start::<&str>([]));
                            drop(open.stage("inherited"));
                            open.finish();
                        });
                        open.finish();
                        recorded += 1;
                        wait(pid);
                    }
                    recorded
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("recorded")).sum()
    });
    let children = each * FORKING_THREADS;
    let mut collector = Collector::new(place_at(root, "svc"), registry.clone());
    let snapshot = collector.snapshot();
    super::assert_well_formed(&snapshot);
    let of_children = children * (CHILD_RECORDS + 1);
    let ok = (own + of_children) as f64;
    assert_eq!(total(&snapshot, "svc_request", &[("outcome", "ok")]), ok);
    assert_eq!(total(&snapshot, "svc_request", &[("outcome", "died")]), children as f64);
    assert_eq!(total(&snapshot, "done", &[]), ok - children as f64, "an open call of the parent a child");
    assert_eq!(value(&snapshot, "svc_requests_in_flight", &[("operation", "op")]), Some(0.0));
    assert_eq!(value(&snapshot, "level", &[]), Some(19.0), "the children's gauges ended with them");
    let stages = [("operation", "op"), ("stage", "s")];
    let stages = distribution(&snapshot, "svc_stage_duration_seconds", &stages).count();
    assert_eq!(stages as f64, ok - children as f64);
}

/// Runs the storm of forks once; fails when it hangs for 10 s beyond what the forks take.
pub(crate) fn fork_storm(children: u64) -> Duration {
    let home = Home::new();
    let started = Instant::now();
    let mut command = command("forker", home.path());
    command.env("AUSCULT_TEST_CHILDREN", children.to_string());
    let mut child = Running(command.spawn().expect("a child"));
    let status = eventually("the end of the storm", 60, || child.0.try_wait().expect("a status"));
    assert!(status.success(), "{status}");
    started.elapsed()
}
