//! Processes of a service that are killed while they record and while they report; and what the store has then.
//! The child processes are the test's or example's own program, run again.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use auscult::Telemetry;
use auscult_report::store::{CallFilter, CallRow, Order, Reader};

const ROLE: &str = "AUSCULT_KILLS_ROLE";
const DIRECTORY: &str = "AUSCULT_KILLS_DIRECTORY";
const SERVICE: &str = "kills";
const THREADS: u64 = 4;
/// Calls of a thread between two waits for the store, so that no ring gets full.
const BURST: u64 = 2000;

/// Plays the role in the environment and never returns; returns at once where there is none.
pub fn play_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).unwrap());
    let telemetry = telemetry(&directory);
    match role.as_str() {
        "reporter" => loop {
            std::thread::park();
        },
        recorder => record(&telemetry, &directory, recorder),
    }
}

fn telemetry(directory: &Path) -> Telemetry {
    let builder = Telemetry::builder(SERVICE).directory(directory).no_listen().without_vitals();
    builder.without_facade().start().unwrap()
}

fn record(telemetry: &Telemetry, directory: &Path, name: &str) {
    let returned = File::options().write(true).open(directory.join(name)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (telemetry, returned) = (&telemetry, &returned);
            scope.spawn(move || {
                let operation = telemetry.operation("op");
                for index in 1_u64.. {
                    let call =
                        operation.begin::<&str>([]).request_id(&format!("{name}-{thread}-{index}")).start();
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

struct Process(Child);

impl Process {
    fn start(directory: &Path, role: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(&program);
        if !program.parent().is_some_and(|directory| directory.ends_with("examples")) {
            command.args(["--exact", "killed_process", "--nocapture"]);
        }
        let command = command.env(ROLE, role).env(DIRECTORY, directory).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What many kills showed.
#[derive(Debug, Default)]
pub struct Kills {
    pub recorders: u64,
    pub reporters: u64,
    /// Calls whose recording had returned.
    pub returned: u64,
    pub finished: u64,
    pub died: u64,
    /// From the start of the next process to the last of the dead ones' calls in the store.
    pub recovery: Duration,
}

fn millis_below(limit: u64) -> Duration {
    Duration::from_micros(getrandom::u64().unwrap() % (limit * 1000))
}

fn stored(directory: &Path) -> Vec<CallRow> {
    let filter = CallFilter { order: Order::Oldest, ..CallFilter::default() };
    let reader = Reader::open(directory).unwrap();
    reader.map(|reader| reader.calls(&filter).unwrap()).unwrap_or_default()
}

/// Kills a recording process `times` over, and now and then the process that reports for it; then looks whether
/// the store has every call that had returned, and every call once.
pub fn kill(times: u64) -> Kills {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path();
    let mut kills = Kills::default();
    let mut reporter = None;
    for round in 0..times {
        let name = format!("r{round}");
        File::create_new(directory.join(&name)).unwrap().set_len(8 * THREADS).unwrap();
        // Else the recording process reports for itself.
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

fn check(directory: &Path, times: u64, kills: &mut Kills) {
    let mut returned = Vec::new();
    for round in 0..times {
        let name = format!("r{round}");
        let words = File::open(directory.join(&name)).unwrap();
        for thread in 0..THREADS {
            let mut bytes = [0; 8];
            words.read_exact_at(&mut bytes, thread * 8).unwrap();
            let last = u64::from_le_bytes(bytes);
            kills.returned += last;
            returned.extend((last > 0).then(|| (name.clone(), thread, last)));
        }
    }
    let started = Instant::now();
    let telemetry = telemetry(directory);
    let service = telemetry.directory().to_path_buf();
    let deadline = Instant::now() + Duration::from_secs(120);
    // Numbered as they are stored; a look costs the reporter nothing.
    let count = || {
        let reader = Reader::open(&service).unwrap();
        reader.map_or(0, |reader| reader.last_sequence().unwrap())
    };
    while count() < kills.returned && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    kills.recovery = started.elapsed();
    // Whatever comes late, or twice, comes with the next rounds of the reporter.
    std::thread::sleep(Duration::from_millis(1500));
    let rows = stored(&service);
    let mut seen: HashMap<String, u64> = HashMap::new();
    for row in &rows {
        *seen.entry(row.request_id.clone()).or_default() += 1;
        match row.outcome {
            auscult::Outcome::Died => kills.died += 1,
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
    assert!(lost.is_empty(), "lost: {lost:?}; {kills:?}\n{}", telemetry.render(false));
    telemetry.shutdown(Duration::from_secs(5));
}
