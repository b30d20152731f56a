//! Tests of several processes of one service with one driver.

use std::time::{Duration, Instant};

use super::common::Directory;
use super::sim::Sim;
use super::worker::Worker;

const SCRIPT: &str =
    "device GPU-1\nname Simulated\nmemory_total 24GiB\nmemory_used 6GiB\nutilization 50\ntemperature 40\n";

/// Returns the number of NVML calls during some samples, with several processes that each have a call in flight.
fn calls_of(processes: usize) -> usize {
    let (sim, directory) = (Sim::new(SCRIPT), Directory::new());
    let mut workers: Vec<Worker> = (0..processes)
        .map(|_| {
            Worker::start(&directory, &sim.path("libnvidia-ml.so.1"), &[("SOUNDPOST_TEST_INTERVAL", "0.1")])
        })
        .collect();
    for worker in &mut workers {
        worker.tell("begin");
    }
    // Temperature is read once for each sample.
    let samples = || sim.calls("nvmlDeviceGetTemperature");
    let settled = samples() + 5;
    wait_for(|| samples() >= settled);
    let (start, before) = (samples(), sim.all_calls());
    wait_for(|| samples() >= start + 20);
    let calls = sim.all_calls() - before;
    workers.into_iter().for_each(Worker::end);
    calls
}

fn wait_for(so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !so() {
        assert!(Instant::now() < deadline, "not within 20 s");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn eight_processes_read_the_driver_as_often_as_one() {
    let (one, eight) = (calls_of(1), calls_of(8));
    println!("calls of NVML in 20 samples: {one} with one process, {eight} with eight");
    assert!(eight.abs_diff(one) * 10 <= one, "{one} with one process, {eight} with eight");
}

#[test]
fn processes_that_see_different_devices() {
    let devices: String = (0..3).map(|n| SCRIPT.replace("GPU-1", &format!("GPU-{n}"))).collect();
    let (sim, directory) = (Sim::new(&devices), Directory::new());
    let start = |visible| {
        let environment = [("CUDA_VISIBLE_DEVICES", visible)];
        Worker::start(&directory, &sim.path("libnvidia-ml.so.1"), &environment)
    };
    let mut first = start("0");
    let sampled = |worker: &mut Worker| {
        worker.gpus().iter().filter(|line| line.starts_with("svc_gpu_memory_used_bytes")).count()
    };
    let expect = |worker: &mut Worker, count: usize| {
        let deadline = Instant::now() + Duration::from_secs(10);
        while sampled(worker) != count {
            assert!(Instant::now() < deadline, "{} devices and not {count}", sampled(worker));
        }
    };
    expect(&mut first, 1);
    let second = start("GPU-2");
    expect(&mut first, 2);
    second.end();
    expect(&mut first, 1);
    first.end();
}
