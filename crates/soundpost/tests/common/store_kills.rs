//! Processes that are killed while they record or report, and the state of the store then. The child processes run the
//! test's or example's own program.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use soundpost::read::Service;
use soundpost::{Builder, Telemetry};
use soundpost_core::FinishedCall;
use soundpost_store::{CallFilter, Order, Reader};

const ROLE: &str = "SOUNDPOST_KILLS_ROLE";
const DIRECTORY: &str = "SOUNDPOST_KILLS_DIRECTORY";
const SERVICE: &str = "kills";
const THREADS: u64 = 4;
/// Number of calls of a thread between waits for the store, so that no ring overflows.
const BURST: u64 = 2000;

/// Runs the role in the environment and never returns; returns at once without one.
pub fn play_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let directory = own_directory();
    let telemetry = telemetry(&directory);
    match role.as_str() {
        "reporter" => loop {
            std::thread::park();
        },
        recorder => record(&telemetry, &directory, recorder),
    }
}

/// Returns the directory of a process with a role.
pub fn own_directory() -> PathBuf {
    PathBuf::from(std::env::var_os(DIRECTORY).unwrap())
}

/// Starts the service in this process.
pub fn telemetry(directory: &Path) -> Telemetry {
    builder(directory).start().unwrap()
}

/// Returns the builder of the service.
pub fn builder(directory: &Path) -> Builder {
    Telemetry::builder(SERVICE).directory(directory).listen(None).sample_interval(None).facade(false)
}

fn record(telemetry: &Telemetry, directory: &Path, name: &str) {
    let returned = File::options().write(true).open(directory.join(name)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (telemetry, returned) = (&telemetry, &returned);
            scope.spawn(move || {
                let operation = telemetry.operation("op");
                for index in 1_u64.. {
                    let call = operation.begin().request_id(&format!("{name}-{thread}-{index}")).start();
                    call.field("index", index);
                    drop(call.stage("llm"));
                    call.finish();
                    returned.write_all_at(&index.to_le_bytes(), thread * 8).unwrap();
                    if index % BURST == 0 {
                        telemetry.flush(Duration::from_secs(30));
                    }
                }
            });
        }
    });
}

/// A process of the service, killed when it is dropped.
pub struct Process(pub Child);

impl Process {
    /// Starts this program in a role: `reporter`, or the name of a recorder, see [`begin`].
    pub fn start(directory: &Path, role: &str) -> Self {
        Self::start_with(directory, role, [])
    }

    /// Starts this program in a role with additional environment variables.
    pub fn start_with<const N: usize>(directory: &Path, role: &str, more: [(&str, String); N]) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(&program);
        if !program.parent().is_some_and(|directory| directory.ends_with("examples")) {
            command.args(["--exact", "killed_process", "--nocapture"]);
        }
        let command = command.env(ROLE, role).env(DIRECTORY, directory).envs(more).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// Waits until the process is the reporter or has ended.
    pub fn reports(&mut self, directory: &Path) {
        let reporter = || Service::find(directory, SERVICE).unwrap().and_then(|service| service.reporter());
        let reports =
            within_a_minute(|| reporter() == Some(self.0.id()) || self.0.try_wait().unwrap().is_some());
        assert!(reports, "it does not report");
    }

    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The results of many kills.
#[derive(Debug, Default)]
pub struct Kills {
    pub recorders: u64,
    pub reporters: u64,
    /// Number of calls whose recording had returned.
    pub returned: u64,
    pub finished: u64,
    pub died: u64,
    /// Number of these calls in the store before recovery.
    pub before: u64,
    /// Time from the start of the next process until the dead processes' records are in the store and the totals.
    pub recovery: Duration,
    /// Processor time of the recovery, which depends little on other load.
    pub processor: Duration,
}

fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let of = |time: TimeVal| Duration::from_micros(time.num_microseconds().cast_unsigned());
    of(usage.user_time()) + of(usage.system_time())
}

/// Waits until a condition holds. Returns false after a minute.
pub fn within_a_minute(mut so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !so() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Returns a random duration below a number of milliseconds.
pub fn millis_below(limit: u64) -> Duration {
    Duration::from_micros(getrandom::u64().unwrap() % (limit * 1000))
}

/// Returns all calls in a store.
pub fn stored(directory: &Path) -> Vec<FinishedCall> {
    let filter = CallFilter { order: Order::Oldest, ..CallFilter::default() };
    let reader = Reader::open(directory).unwrap();
    let rows = reader.map(|reader| reader.calls(&filter).unwrap()).unwrap_or_default();
    rows.into_iter().map(|row| row.call).collect()
}

/// Creates the progress file of a recorder. Returns its name.
pub fn begin(directory: &Path, number: u64) -> String {
    let name = format!("r{number}");
    File::create_new(directory.join(&name)).unwrap().set_len(8 * THREADS).unwrap();
    name
}

/// Kills a recording process `times` times, and occasionally its reporter. Then checks that the store has every
/// returned call, once.
pub fn kill(times: u64) -> Kills {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path();
    let mut kills = Kills::default();
    let mut reporter = None;
    for round in 0..times {
        let name = begin(directory, round);
        // Otherwise the recording process is the reporter.
        if round % 3 != 2 && reporter.is_none() {
            reporter = Some(Process::start(directory, "reporter"));
        }
        let mut recorder = Process::start(directory, &name);
        std::thread::sleep(Duration::from_millis(15) + millis_below(150));
        if round % 2 == 1
            && let Some(mut reporter) = reporter.take()
        {
            reporter.kill();
            kills.reporters += 1;
            std::thread::sleep(millis_below(20));
        }
        recorder.kill();
        kills.recorders += 1;
    }
    drop(reporter);
    check(directory, times, &mut kills);
    kills
}

/// Returns the number of returned calls of a recorder, by thread.
pub fn returned(directory: &Path, number: u64) -> [u64; THREADS as usize] {
    let words = File::open(directory.join(format!("r{number}"))).unwrap();
    std::array::from_fn(|thread| {
        let mut bytes = [0; 8];
        words.read_exact_at(&mut bytes, thread as u64 * 8).unwrap();
        u64::from_le_bytes(bytes)
    })
}

/// Starts the service again, and checks the records of the killed recorders.
pub fn check(directory: &Path, times: u64, kills: &mut Kills) {
    let mut returned = Vec::new();
    for round in 0..times {
        for (thread, last) in self::returned(directory, round).into_iter().enumerate() {
            kills.returned += last;
            returned.extend((last > 0).then(|| (format!("r{round}"), thread, last)));
        }
    }
    let store = Reader::open(&directory.join(SERVICE)).unwrap();
    kills.before = store.map_or(0, |store| store.last_sequence().unwrap());
    let (started, processor) = (Instant::now(), processor_time());
    let telemetry = telemetry(directory);
    let service = telemetry.directory().to_path_buf();
    assert!(telemetry.recover(Duration::from_secs(120)), "recovery ends");
    kills.recovery = started.elapsed();
    kills.processor = processor_time() - processor;
    let calls = stored(&service);
    let mut seen: HashMap<String, u64> = HashMap::new();
    for call in &calls {
        *seen.entry(call.request_id.clone()).or_default() += 1;
        match call.outcome {
            soundpost::Outcome::Died => kills.died += 1,
            _ => kills.finished += 1,
        }
    }
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "stored twice: {twice:?}");
    let mut lost: Vec<(String, u64)> = Vec::new();
    for (name, thread, last) in returned {
        let missing = |index: &u64| !seen.contains_key(&format!("{name}-{thread}-{index}"));
        let missing = (1..=last).filter(missing).count() as u64;
        lost.extend((missing > 0).then(|| (format!("{name}-{thread} of {last}"), missing)));
    }
    assert!(lost.is_empty(), "lost: {lost:?}; {kills:?}\n{}", telemetry.render());
    // A call that is killed between its record and its count is `ok` in the store but died in the totals, or in
    // neither: at most one for each thread.
    let total = |outcome, status| {
        let sample =
            format!(r#"{SERVICE}_request_total{{operation="op",outcome="{outcome}",status="{status}"}} "#);
        let text = telemetry.render();
        let line = text.lines().find_map(|line| line.strip_prefix(&sample)?.parse::<f64>().ok());
        line.unwrap_or(0.0) as u64
    };
    let (ok, died) = (total("ok", "success"), total("died", "error"));
    assert!(ok <= kills.finished && kills.finished - ok <= times * THREADS, "{ok} counted; {kills:?}");
    let stored = kills.finished + kills.died;
    assert!(
        ok + died <= stored && stored - ok - died <= times * THREADS,
        "{died} counted as died; {kills:?}"
    );
    telemetry.shutdown(Duration::from_secs(5));
}
