//! The long runs of the reliability table, with figures: `cargo run --release -p soundpost-core --example
//! reliability -- kills|folds|forks|labels|all [TIMES]`.
#![allow(clippy::expect_used)]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/processes/mod.rs"]
mod processes;

use std::time::{Duration, Instant};

use common::*;
use metrics::{Key, Label, Level, Metadata, Recorder};
use soundpost_core::Options;

/// A run, so many times or as many as the table says.
type Run = fn(Option<u64>);

fn main() {
    processes::play_role();
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_else(|| "all".to_owned());
    let times: Option<u64> = arguments.next().map(|text| text.parse().expect("TIMES is a number"));
    let runs: [(&str, Run); 4] = [("kills", kills), ("folds", folds), ("forks", forks), ("labels", labels)];
    let mut known = false;
    for (_, run) in runs.iter().filter(|(name, _)| what == "all" || what == *name) {
        known = true;
        run(times);
    }
    assert!(known, "one of kills, folds, forks, labels, all");
}

/// Row C1 of docs/reliability.md: SIGKILL at random moments while 4 threads record.
fn kills(times: Option<u64>) {
    let started = Instant::now();
    let figures = processes::kill_recorders(times.unwrap_or(200));
    println!(
        "kills: {} kills, {} records whose call had returned, 0 lost, 0 counted twice; {} calls died in flight; \
         {} calls were being ended when the kill came and are in neither count; slowest recovery {:.1} ms; {:.1} s",
        figures.kills,
        figures.recorded,
        figures.died,
        figures.torn,
        millis(figures.slowest),
        started.elapsed().as_secs_f64()
    );
    assert!(figures.slowest < Duration::from_secs(1), "recovery within 1 s");
}

/// Row C2: SIGKILL of the merging process at random moments.
fn folds(times: Option<u64>) {
    let started = Instant::now();
    let times = times.unwrap_or(300);
    let folds = processes::kill_folders(times);
    println!(
        "folds: {times} kills over {folds} folds; totals exact after each; {:.1} s",
        started.elapsed().as_secs_f64()
    );
}

/// Row C7: 100 children forked from 8 recording threads.
fn forks(times: Option<u64>) {
    let times = times.unwrap_or(20);
    let mut slowest = Duration::ZERO;
    for _ in 0..times {
        slowest = slowest.max(processes::fork_storm(104));
    }
    println!(
        "forks: {times} times 104 children from {} recording threads: no hang, nothing lost, nothing counted \
         twice; slowest {:.1} ms",
        processes::FORKING_THREADS,
        millis(slowest)
    );
    assert!(slowest < Duration::from_secs(10));
}

/// Row C8: a million label sets through the facade.
fn labels(times: Option<u64>) {
    let sets = times.unwrap_or(1_000_000);
    let home = Home::new();
    let registry = home.registry_with(Options::default());
    let facade = registry.metrics_recorder();
    let metadata = Metadata::new("example", Level::INFO, None);
    let before = resident_bytes();
    let started = Instant::now();
    for set in 0..sets {
        let key = Key::from_parts("hits", vec![Label::new("user", set.to_string())]);
        facade.register_counter(&key, &metadata).increment(1);
    }
    let recording = started.elapsed();
    let started = Instant::now();
    let snapshot = home.snapshot(&registry);
    let reading = started.elapsed();
    let grown = resident_bytes().saturating_sub(before);
    let limit = registry.options().series_limit as u64;
    let overflow = value(&snapshot, "soundpost_series_overflow", &[]).expect("a counter");
    println!(
        "labels: {sets} label sets, {} series, overflow {overflow}; RSS +{:.1} MiB; {:.0} ns a new label set; \
         snapshot {:.1} ms",
        family(&snapshot, "hits").series.len(),
        grown as f64 / 1_048_576.0,
        recording.as_nanos() as f64 / sets as f64,
        millis(reading)
    );
    assert_eq!(total(&snapshot, "hits", &[]), sets as f64, "every increment is there");
    assert_eq!(overflow, sets.saturating_sub(limit) as f64);
    assert!(grown < 64 << 20 && reading < Duration::from_secs(1));
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = text.split(' ').nth(1).expect("a field").parse().expect("a number");
    pages * 4096
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
