//! The store: calls a second, the longest write, queries over a million calls, bytes of a day, memory.
//!
//! `store` runs each part in its own process and directory, and prints a table. `STORE_DIRECTORY` sets the directory; the
//! default is in the target directory, because `/tmp` may be memory.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use soundpost_benches::{fields, mixed, request_id, stages};
use soundpost_core::{FinishedCall, GpuUse, Outcome, Status, clock};
use soundpost_store::{
    Batch, CallFilter, Entity, GpuName, Limits, Order, Reader, RingEvent, Store, VitalsSample,
};

/// Measurement in a directory.
type Part = fn(&Path);

const SECOND: u64 = 1_000_000_000;
const PARTS: [(&str, Part); 4] = [("writes", writes), ("queries", queries), ("day", day), ("rest", rest)];

fn main() {
    let part = std::env::args().nth(1);
    if let Some((_, measure)) = PARTS.iter().find(|(name, _)| part.as_deref() == Some(name)) {
        let parent = std::env::var("STORE_DIRECTORY").unwrap_or_else(|_| "target".to_owned());
        return measure(tempfile::tempdir_in(parent).unwrap().path());
    }
    for (name, _) in PARTS {
        let program = std::env::current_exe().unwrap();
        assert!(Command::new(program).arg(name).status().unwrap().success());
    }
}

fn print(what: &str, figure: impl std::fmt::Display) {
    println!("{what:<66} {figure}");
}

/// Returns distinct calls with 6 fields and 3 stages, of which one in a hundred failed.
fn fill(calls: &mut Vec<RingEvent>, count: usize, first: u64, from: u64, apart: u64) {
    calls.clear();
    calls.extend((first..).take(count).map(|number| {
        let mixed = mixed(number);
        let failed = number % 100 == 0;
        RingEvent::Call(FinishedCall {
            request_id: request_id(mixed),
            operation: "inference_zero_shot".to_owned(),
            labels: vec![("emotion".to_owned(), ["happy", "sad", "angry"][(mixed % 3) as usize].to_owned())],
            outcome: if failed { Outcome::Oom } else { Outcome::Ok },
            pid: 4711 + (mixed % 4) as u32,
            segment: 0x1234_5678_9ABC_DEF0,
            ended_unix: from + number * apart,
            started: 5 * SECOND,
            ended: 5 * SECOND + 900_000_000 + mixed % SECOND,
            busy: 800_000_000 + mixed % SECOND,
            queued: Some(1_000_000 + mixed % 1_000_000),
            first_audio: Some(300_000_000 + mixed % 100_000_000),
            underrun: Some(mixed % 1_000_000),
            chunks: 3 + mixed % 10,
            audio_seconds: (mixed % 100_000) as f64 / 10_000.0,
            characters: 50 + mixed % 100,
            streaming: true,
            stages: stages(mixed),
            fields: fields(mixed),
            gpu: Some(GpuUse {
                memory_before: 20 << 30,
                memory_peak: (20 << 30) + mixed % (1 << 30),
                memory_delta: (mixed % (1 << 20)) as i64,
                utilization_mean: Some((mixed % 1000) as f64 / 1000.0),
                shared: number % 2 == 0,
                of_process: true,
            }),
            ..FinishedCall::default()
        })
    }));
}

/// Writes a million calls in batches of `size` at full speed, with a sync every second and retention in between.
fn write_all(store: &mut Store, size: usize, total: u64, from: u64, apart: u64) -> (f64, Duration, Duration) {
    let mut calls = Vec::new();
    let (mut busy, mut longest, mut longest_sync) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut synced = Duration::ZERO;
    let mut first = 0;
    while first < total {
        fill(&mut calls, size, first, from, apart);
        let start = Instant::now();
        store.write(&Batch { records: &calls, cursors: &[(1, first)], ..Batch::default() }).unwrap();
        let written = start.elapsed();
        longest = longest.max(written);
        if busy - synced > Duration::from_secs(1) {
            synced = busy;
            let start = Instant::now();
            store.sync().unwrap();
            longest_sync = longest_sync.max(start.elapsed());
        }
        store.retain().unwrap();
        busy += start.elapsed();
        first += size as u64;
    }
    (total as f64 / busy.as_secs_f64(), longest, longest_sync)
}

fn writes(directory: &Path) {
    for (size, total) in [(100, 200_000), (1_000, 1_000_000), (10_000, 1_000_000)] {
        let place = tempfile::tempdir_in(directory).unwrap();
        let (mut store, _) = Store::open(place.path(), Limits::default()).unwrap();
        let (rate, longest, sync) = write_all(&mut store, size, total, clock::unix_nanos(), 1_000);
        print(&format!("write, batches of {size}: calls a second"), format_args!("{rate:.0}"));
        print(
            &format!("write, batches of {size}: longest write, longest sync"),
            format_args!("{longest:.1?}, {sync:.1?}"),
        );
        print("  bytes a call", store.bytes() / total);
        print("  resident memory at most", format_args!("{:.1} MiB", peak_mib()));
    }
    // In a full file each call replaces another.
    let place = tempfile::tempdir_in(directory).unwrap();
    let (mut store, _) = Store::open(place.path(), Limits { bytes: 64 << 20, ..Limits::default() }).unwrap();
    let mut calls = Vec::new();
    let (mut busy, mut longest, mut largest) = (Duration::ZERO, Duration::ZERO, 0);
    let (size, total) = (1_000, 500_000);
    for first in (0..total).step_by(size) {
        fill(&mut calls, size, first, clock::unix_nanos(), 1_000);
        let start = Instant::now();
        store.write(&Batch { records: &calls, ..Batch::default() }).unwrap();
        loop {
            let start = Instant::now();
            let more = store.retain().unwrap().more;
            longest = longest.max(start.elapsed());
            if !more {
                break;
            }
        }
        busy += start.elapsed();
        largest = largest.max(store.bytes());
    }
    let rate = total as f64 / busy.as_secs_f64();
    print("write with the file full (64 MiB): calls a second", format_args!("{rate:.0}"));
    print("  longest step of retention", format_args!("{longest:.1?}"));
    print("  bytes on disk at most", format_args!("{:.1} MiB", largest as f64 / 1048576.0));
}

fn queries(directory: &Path) {
    const CALLS: u64 = 1_000_000;
    for (name, span) in [("over 30 days", 30 * 24 * 3600 * SECOND), ("over 24 hours", 24 * 3600 * SECOND)] {
        let place = tempfile::tempdir_in(directory).unwrap();
        let now = clock::unix_nanos();
        let limits = Limits { bytes: 4 << 30, age: Duration::from_secs(60 * 24 * 3600), ..Limits::default() };
        let (mut store, _) = Store::open(place.path(), limits).unwrap();
        write_all(&mut store, 10_000, CALLS, now - span, span / CALLS);
        let hour = || CallFilter { since: Some(now - 3600 * SECOND), ..CallFilter::default() };
        let all = CallFilter::default;
        let asked = [
            ("last hour", hour()),
            ("last hour, 100 newest", CallFilter { limit: Some(100), ..hour() }),
            ("last hour, 100 slowest", CallFilter { limit: Some(100), order: Order::Slowest, ..hour() }),
            ("last hour, failed", CallFilter { status: Some(Status::Error), ..hour() }),
            ("100 newest", CallFilter { limit: Some(100), ..all() }),
            ("100 newest failed", CallFilter { limit: Some(100), status: Some(Status::Error), ..all() }),
            ("100 slowest", CallFilter { limit: Some(100), order: Order::Slowest, ..all() }),
            ("one by its request id", CallFilter { request_id: Some("none".to_owned()), ..all() }),
        ];
        for (question, filter) in asked {
            let mut times: Vec<(Duration, usize)> = (0..5)
                .map(|_| {
                    let start = Instant::now();
                    let reader = Reader::open(place.path()).unwrap().unwrap();
                    let found = reader.calls(&filter).unwrap().len();
                    (start.elapsed(), found)
                })
                .collect();
            times.sort();
            let (time, found) = times[2];
            print(&format!("1,000,000 calls {name}: {question}"), format_args!("{time:.1?} ({found} rows)"));
        }
        let start = Instant::now();
        let total = Reader::open(place.path()).unwrap().unwrap().summary(&hour()).unwrap().total();
        print(
            &format!("1,000,000 calls {name}: summary of the last hour"),
            format_args!("{:.1?} ({total})", start.elapsed()),
        );
    }
}

/// Writes 24 h of vitals at 1 Hz (a host, a GPU, three processes that use it) and 100,000 calls.
fn day(directory: &Path) {
    const SECONDS: u64 = 24 * 3600;
    let now = clock::unix_nanos();
    let (mut store, _) = Store::open(directory, Limits::default()).unwrap();
    for batch in 0..SECONDS / 60 {
        let vitals: Vec<_> =
            (0..60).flat_map(|second| vitals(now - (SECONDS - batch * 60 - second) * SECOND)).collect();
        store.write(&Batch { vitals: &vitals, ..Batch::default() }).unwrap();
    }
    let vitals_only = file_mib(directory);
    write_all(&mut store, 1_000, 100_000, now - SECONDS * SECOND, SECONDS * SECOND / 100_000);
    drop(store);
    let all = file_mib(directory);
    print("24 h of vitals (host, 1 GPU, 3 processes)", format_args!("{vitals_only:.1} MiB"));
    print("with 100,000 calls", format_args!("{all:.1} MiB"));
}

fn file_mib(directory: &Path) -> f64 {
    std::fs::metadata(directory.join("store.sqlite")).unwrap().len() as f64 / 1048576.0
}

fn vitals(unix_nanos: u64) -> Vec<VitalsSample> {
    let second = (unix_nanos / SECOND) as f64;
    let wave = (second / 60.0).sin().abs();
    let sample = |entity, values| VitalsSample { unix_nanos, entity, values };
    let name = GpuName {
        gpu: "0".to_owned(),
        uuid: "GPU-8f6a2c7e-1b2d-4c3e-9f50-aabbccddeeff".to_owned(),
        name: "NVIDIA H200".to_owned(),
        mig: String::new(),
    };
    let gib = (1_u64 << 30) as f64;
    let mut samples = vec![
        sample(
            Entity::Host,
            vec![
                ("cpu_usage_ratio", wave),
                ("cpu_limit_cores", 16.0),
                ("cpu_throttled_seconds", second / 100.0),
                ("host_memory_used_bytes", 40.0 * gib + wave * gib),
                ("host_memory_total_bytes", 128.0 * gib),
                ("load1", wave * 16.0),
            ],
        ),
        sample(
            Entity::Gpu(name),
            vec![
                ("gpu_memory_used_bytes", 20.0 * gib + wave * gib),
                ("gpu_memory_total_bytes", 141.0 * gib),
                ("gpu_utilization_ratio", wave),
                ("gpu_memory_utilization_ratio", wave / 2.0),
                ("gpu_temperature_celsius", (40.0 + wave * 30.0).round()),
                ("gpu_power_watts", 100.0 + wave * 500.0),
                ("gpu_power_limit_watts", 700.0),
                ("gpu_clock_graphics_hertz", 1_980e6),
                ("gpu_clock_sm_hertz", 1_980e6),
                ("gpu_clock_memory_hertz", 3_201e6),
                ("gpu_clock_video_hertz", 1_545e6),
                ("gpu_pcie_send_bytes_per_second", wave * 1e9),
                ("gpu_pcie_receive_bytes_per_second", wave * 2e9),
                ("gpu_throttled_power_cap", wave.round()),
                ("gpu_throttled_hardware_slowdown", 0.0),
                ("gpu_throttled_sync_boost", 0.0),
                ("gpu_throttled_thermal", 0.0),
                ("gpu_throttled_hardware_thermal", 0.0),
                ("gpu_throttled_power_brake", 0.0),
                ("gpu_energy_joules", second),
                ("gpu_ecc_errors_corrected", 0.0),
                ("gpu_ecc_errors_uncorrected", 0.0),
                ("gpu_xid_errors", 0.0),
            ],
        ),
    ];
    let other = Entity::GpuProcess { gpu: "0".to_owned(), pid: None };
    samples.push(sample(other, vec![("gpu_process_memory_bytes", 512.0 * 1048576.0)]));
    for pid in 4711..4714 {
        samples.push(sample(
            Entity::Process { pid },
            vec![
                ("process_resident_memory_bytes", 5.0 * gib + wave * gib),
                ("process_cpu_seconds", second / 50.0),
                ("process_threads", 60.0),
                ("process_open_fds", 120.0),
            ],
        ));
        let on_gpu = Entity::GpuProcess { gpu: "0".to_owned(), pid: Some(pid) };
        samples.push(sample(on_gpu, vec![("gpu_process_memory_bytes", 6.0 * gib + wave * gib)]));
    }
    samples
}

/// Writes 100 calls a second in batches 200 ms apart, and vitals every second: 10 minutes, without the waits.
fn rest(directory: &Path) {
    let (mut store, _) = Store::open(directory, Limits::default()).unwrap();
    let mut calls = Vec::new();
    let now = clock::unix_nanos();
    print("resident memory of a store that was opened", format_args!("{:.1} MiB", peak_mib()));
    let start = cpu();
    for batch in 0..10 * 60 * 5 {
        fill(&mut calls, 20, batch * 20, now, 10_000_000);
        let second = if batch % 5 == 0 { vitals(now + batch / 5 * SECOND) } else { Vec::new() };
        store
            .write(&Batch { records: &calls, vitals: &second, cursors: &[(1, batch)], ..Batch::default() })
            .unwrap();
        if batch % 5 == 4 {
            store.sync().unwrap();
            while store.retain().unwrap().more {}
        }
    }
    let share = (cpu() - start).as_secs_f64() / 600.0;
    print("CPU at 100 calls a second, with vitals", format_args!("{:.2} % of a core", share * 100.0));
    print("resident memory then", format_args!("{:.1} MiB", peak_mib()));
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    Duration::from_micros(
        (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as u64,
    )
}

/// Returns the maximum resident memory so far.
fn peak_mib() -> f64 {
    getrusage(UsageWho::RUSAGE_SELF).unwrap().max_rss() as f64 / 1024.0
}
