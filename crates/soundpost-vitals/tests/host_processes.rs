//! Processes on machines made of files, and on this one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
#[path = "host/fixture.rs"]
#[allow(dead_code, reason = "the tests of the host use the rest")]
mod fixture;

use std::fs;
use std::process::Command;
use std::time::SystemTime;

use common::until;
use fixture::{Machine, get};
use proptest::prelude::*;
use soundpost_vitals::{Processes, Readings, Source};

const NAMES: [&str; 5] = [
    "process_resident_memory_bytes",
    "process_cpu_seconds",
    "process_threads",
    "process_open_fds",
    "process_start_time_seconds",
];

fn line(pid: u32, state: char, started: u64) -> String {
    format!("{pid} (py) thon) {state} 1 1 1 0 -1 4 9 0 0 0 150 50 7 8 20 0 3 0 {started} 99 256 1 1 1 0\n")
}

/// A process with 150 + 50 ticks, 3 threads, 256 pages, 2 descriptors.
fn put(machine: &Machine, pid: u32, started: u64) {
    machine.write(&format!("proc/{pid}/stat"), line(pid, 'S', started));
    machine.write(&format!("proc/{pid}/fd/0"), "").write(&format!("proc/{pid}/fd/1"), "");
}

fn sample(processes: &mut Processes) -> Readings {
    let mut readings = Readings::default();
    processes.sample(&mut readings).unwrap();
    readings
}

/// Everything under a label, in the order of the names.
fn all(readings: &Readings, label: &str) -> [Option<f64>; 5] {
    NAMES.map(|name| get(readings, name, label))
}

fn expected(started: f64) -> [Option<f64>; 5] {
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).unwrap().unwrap();
    [256.0 * page as f64, 2.0, 3.0, 2.0, 1_700_000_000.0 + started].map(Some)
}

#[test]
fn the_label_is_there_when_there_are_several() {
    let machine = Machine::new();
    put(&machine, 10, 500);
    put(&machine, 11, 700);
    let mut processes = Processes::at(machine.path());
    assert!(sample(&mut processes).readings.is_empty());
    processes.set_pids(&[10]);
    let readings = sample(&mut processes);
    assert_eq!((readings.readings.len(), all(&readings, "")), (6, expected(5.0)));
    processes.set_pids(&[10, 11, 11]);
    let readings = sample(&mut processes);
    assert_eq!((all(&readings, "10"), all(&readings, "11")), (expected(5.0), expected(7.0)));
    assert_eq!(readings.readings.len(), 12);
}

#[test]
fn waiting_and_memory_kinds_are_read_where_the_kernel_reports_them() {
    let machine = Machine::new();
    machine.write("proc/10/stat", "10 (a) S 1 1 1 0 -1 4 9 0 77 0 150 50 7 8 20 0 2 0 500 99 256 1 1 1 0\n");
    let mut processes = Processes::at(machine.path());
    processes.set_pids(&[10]);
    let value = |readings: &Readings, name| get(readings, name, "");
    let readings = sample(&mut processes);
    assert_eq!(value(&readings, "process_major_page_faults"), Some(77.0));
    assert_eq!(value(&readings, "process_run_delay_seconds"), None);
    assert_eq!(value(&readings, "process_swap_bytes"), None);
    machine.write("proc/10/status", "Name:\ta\nVmRSS:\t  900 kB\nRssAnon:\t  600 kB\nVmSwap:\t   4 kB\n");
    machine.write("proc/10/task/10/schedstat", "900 1500000000 3\n");
    machine.write("proc/10/task/11/schedstat", "900 250000000 3\n");
    let readings = sample(&mut processes);
    assert_eq!(value(&readings, "process_anonymous_memory_bytes"), Some(600.0 * 1024.0));
    assert_eq!(value(&readings, "process_swap_bytes"), Some(4096.0));
    assert_eq!(value(&readings, "process_run_delay_seconds"), Some(1.75));
}

#[test]
fn run_delay_of_this_process_grows_beside_others() {
    let mut processes = Processes::new();
    processes.set_pids(&[std::process::id()]);
    let delay = |processes: &mut Processes| get(&sample(processes), "process_run_delay_seconds", "");
    let before = delay(&mut processes).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let threads = 2 * std::thread::available_parallelism().unwrap().get();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop()
                }
            });
        }
        until(|| delay(&mut processes).unwrap() > before + 0.05);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(delay(&mut processes).unwrap() > before + 0.05);
}

#[test]
fn ended_process_and_reused_pid_are_absent() {
    let machine = Machine::new();
    put(&machine, 10, 500);
    put(&machine, 11, 500);
    let mut processes = Processes::at(machine.path());
    processes.set_pids(&[10, 11, 12]);
    let readings = sample(&mut processes);
    assert_eq!(all(&readings, "12"), [None; 5]);
    // The pid of one is taken by another, the other becomes a zombie.
    put(&machine, 10, 900);
    machine.write("proc/11/stat", line(11, 'Z', 500));
    assert!(sample(&mut processes).readings.is_empty());
    // A process with a reused pid stays absent, even if it resembles the first.
    put(&machine, 10, 500);
    assert!(sample(&mut processes).readings.is_empty());
    processes.set_pids(&[11, 12]);
    put(&machine, 10, 900);
    processes.set_pids(&[10, 11]);
    assert_eq!(all(&sample(&mut processes), "10"), expected(9.0));
}

#[test]
fn forbidden_values_are_absent_and_others_present() {
    let machine = Machine::new();
    machine.write("proc/10/stat", line(10, 'S', 500));
    machine.write("proc/stat", "cpu 1 2 3 4\n");
    let mut processes = Processes::at(machine.path());
    processes.set_pids(&[10]);
    let [memory, cpu, threads, descriptors, start] = all(&sample(&mut processes), "");
    assert!(memory.is_some() && cpu.is_some() && threads.is_some());
    assert_eq!((descriptors, start), (None, None));
    // The time of the start comes as soon as it can be told.
    machine.stat(1, 1);
    assert_eq!(get(&sample(&mut processes), NAMES[4], ""), Some(1_700_000_005.0));
}

#[test]
fn impossible_values_are_dropped() {
    let machine = Machine::new();
    let huge = format!("10 (a) S 1 1 1 0 -1 4 9 0 0 0 1 1 7 8 20 0 {0} 0 {0} 99 {0} 1\n", u64::MAX);
    machine.write("proc/10/stat", huge);
    let mut processes = Processes::at(machine.path());
    processes.set_pids(&[10]);
    let readings = sample(&mut processes);
    assert_eq!(readings.dropped, [NAMES[0], NAMES[2], NAMES[4]]);
    assert_eq!(get(&readings, NAMES[1], ""), Some(0.02));
}

#[test]
fn without_proc_it_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let mut processes = Processes::at(directory.path());
    processes.set_pids(&[1]);
    assert_eq!(processes.sample(&mut Readings::default()).unwrap_err().reason, "no_procfs");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn garbage_never_panics(stat: Vec<u8>, text in "[0-9() S\n]{0,90}", total: Vec<u8>, release: Vec<u8>) {
        let machine = Machine::new();
        machine.write("proc/stat", total).write("proc/sys/kernel/osrelease", release);
        machine.write("proc/1/stat", stat).write("proc/2/stat", text);
        let mut processes = Processes::at(machine.path());
        processes.set_pids(&[1, 2]);
        for reading in sample(&mut processes).readings {
            prop_assert!(reading.value.is_finite() && reading.value >= 0.0, "{reading:?}");
        }
    }
}

#[test]
fn this_process_is_as_proc_says() {
    let mut processes = Processes::new();
    processes.set_pids(&[std::process::id()]);
    let readings = sample(&mut processes);
    let [memory, cpu, threads, descriptors, start] =
        NAMES.map(|name| get(&readings, name, "").unwrap_or_else(|| panic!("no {name}")));
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let field = |key| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap()
    };
    let resident = field("VmRSS:") * 1024.0;
    assert!((0.5 * resident..2.0 * resident).contains(&memory), "{memory} beside {resident}");
    assert!((1.0..60.0).contains(&threads) && (3.0..500.0).contains(&descriptors) && cpu < 600.0);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((now - 600.0..now + 2.0).contains(&start), "{start} at {now}");
}

#[test]
fn a_real_process_that_ends_is_absent() {
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let mut processes = Processes::new();
    processes.set_pids(&[child.id(), std::process::id()]);
    let label = child.id().to_string();
    // While it becomes `sleep` it opens and closes files.
    until(|| {
        let [memory, _, threads, descriptors, _] = all(&sample(&mut processes), &label);
        let counted = fs::read_dir(format!("/proc/{label}/fd")).unwrap().count();
        memory.unwrap() > 0.0 && threads == Some(1.0) && descriptors == Some(counted as f64)
    });
    child.kill().unwrap();
    // Dead and not yet waited for, then no more.
    until(|| all(&sample(&mut processes), &label) == [None; 5]);
    child.wait().unwrap();
    let readings = sample(&mut processes);
    assert_eq!(all(&readings, &label), [None; 5]);
    let own = std::process::id().to_string();
    assert!(all(&readings, &own).iter().all(Option::is_some));
    assert!(readings.readings.iter().all(|reading| reading.labels == [own.as_str()]), "{readings:?}");
}
