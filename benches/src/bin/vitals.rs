//! CPU of sampling a simulated GPU and four processes of a service, once a second, and with a call in flight, when the
//! GPU is sampled ten times a second.
//!
//! ```sh
//! cargo build --release -p nvml-sim && cargo run --release -p soundpost-benches --bin vitals
//! ```
//!
//! Values are of the sampling threads, by `/proc/self/task/*/schedstat`. The simulated driver answers from memory, after a
//! check of its script's modification time; a real driver takes longer.
#![allow(clippy::expect_used)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use soundpost::Telemetry;
use soundpost_benches::threads_cpu;

const SCRIPT: &str = include_str!("../../../crates/nvml-sim/scripts/demo.script");
/// Number of processes beside the sampling one.
const OTHERS: usize = 3;
/// Number of checks of all slots, to time one.
const CHECKS: u32 = 2_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (role, directory) = (arguments.next(), arguments.next());
    match (role.as_deref(), directory) {
        (Some("idle"), Some(directory)) => idle(&directory),
        (Some("sample"), Some(directory)) => sample(&directory, seconds(arguments.next())),
        (seconds, _) => start(seconds),
    }
}

fn seconds(given: Option<String>) -> Duration {
    Duration::from_secs(given.and_then(|text| text.parse().ok()).unwrap_or(30))
}

/// Starts the sampling process with the simulated driver in its environment.
fn start(seconds: Option<&str>) {
    let root = tempfile::tempdir().expect("a directory");
    let script = root.path().join("nvml-sim.script");
    // The simulator's search for siblings in /proc is not a driver's work.
    std::fs::write(&script, SCRIPT.replace("siblings", "self")).expect("a file");
    let own = std::env::current_exe().expect("this program");
    let library = own.with_file_name("libnvml_sim.so");
    assert!(library.exists(), "no {}: cargo build --release -p nvml-sim", library.display());
    let status = Command::new(own)
        .arg("sample")
        .arg(root.path())
        .args(seconds)
        .env("SOUNDPOST_NVML_PATH", library)
        .env("NVML_SIM_SCRIPT", script)
        .status()
        .expect("a process");
    assert!(status.success());
}

fn telemetry(directory: &str) -> Telemetry {
    Telemetry::builder("bench").directory(directory).listen(None).facade(false).start().expect("telemetry")
}

/// Runs a process of the service that waits until its input ends.
fn idle(directory: &str) {
    let telemetry = telemetry(directory);
    println!("started");
    let _ = std::io::stdin().read(&mut [0]);
    telemetry.shutdown(Duration::from_secs(1));
}

fn other(directory: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["idle", directory])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let _ = child.stdout.as_mut().expect("its output").read(&mut [0; 8]);
    child
}

fn sample(directory: &str, length: Duration) {
    let telemetry = telemetry(directory);
    assert!(telemetry.is_reporter());
    let mut others: Vec<Child> = (0..OTHERS).map(|_| other(directory)).collect();
    let operation = telemetry.operation("synthesize");
    std::thread::sleep(Duration::from_secs(2));
    let rest = measure(length);
    let call = operation.start();
    let busy = measure(length);
    call.finish();
    let of = |cpu: &BTreeMap<String, f64>, names: &[&str]| -> f64 {
        names.iter().filter_map(|name| cpu.get(*name)).sum()
    };
    let sources = ["soundpost-host", "soundpost-process", "soundpost-gpu"];
    println!("share of a core over {} s each", length.as_secs());
    println!("  samples, once a second             {:.4} %", 100.0 * of(&rest, &sources));
    for name in sources {
        println!("    {name:<32} {:.4} %", 100.0 * of(&rest, &[name]));
    }
    let glances = of(&busy, &["soundpost-gpu"]) - of(&rest, &["soundpost-gpu"]);
    println!("  glances, ten a second, beside that {:.4} %", 100.0 * glances);
    println!("  the watch: processes, calls at rest {:.4} %", 100.0 * of(&rest, &["soundpost-watch"]));
    others.extend((0..7 - OTHERS).map(|_| other(directory)));
    println!("  one look at the calls of 8 processes {:.1} us", look(directory).as_secs_f64() * 1e6);
    for mut other in others {
        let _ = other.stdin.take().map(|mut input| input.write_all(b"."));
        let _ = other.wait();
    }
    telemetry.shutdown(Duration::from_secs(1));
}

/// Returns each thread's share of a core.
fn measure(length: Duration) -> BTreeMap<String, f64> {
    let (start, before) = (Instant::now(), threads_cpu());
    std::thread::sleep(length);
    let (took, after) = (start.elapsed().as_secs_f64(), threads_cpu());
    let share = |name: &String, cpu: &f64| (cpu - before.get(name).copied().unwrap_or(0.0)) / took;
    after.iter().map(|(name, cpu)| (name.clone(), share(name, cpu))).collect()
}

/// Measures a check for calls in flight.
fn look(directory: &str) -> Duration {
    let place = soundpost_core::ServiceDir::open(std::path::Path::new(directory), "bench").expect("a place");
    let registry = soundpost_core::Registry::detached(soundpost_core::ServiceIdentity::new("bench"))
        .expect("a registry");
    let mut collector = soundpost_core::snapshot::Collector::new(place, registry);
    assert_eq!(collector.pids().len(), 8);
    let start = Instant::now();
    for _ in 0..CHECKS {
        std::hint::black_box(collector.activity());
    }
    start.elapsed() / CHECKS
}
