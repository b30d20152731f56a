//! What each call did to GPU memory, from the simulated driver to `call.gpu()`.

use std::time::{Duration, Instant};

use super::common::Directory;
use super::sim::Sim;
use super::worker::Worker;
use auscult_report::store::{CallFilter, Order, Reader};

const GIB: u64 = 1 << 30;

/// A device whose memory is all the service's, so many GiB.
fn script(gib: u64) -> String {
    format!(
        "device GPU-1\nname Simulated\nmemory_total 24GiB\nmemory_used {gib}GiB\nutilization 50\n\
         process self compute {gib}GiB\n"
    )
}

/// Asks until the answer has all of these.
#[track_caller]
fn until(worker: &mut Worker, command: &str, parts: &[String]) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = worker.tell(command);
        if parts.iter().all(|part| answer.contains(part)) {
            return;
        }
        assert!(Instant::now() < deadline, "{answer}\nlacks one of {parts:#?}");
        std::thread::yield_now();
    }
}

fn figures(before: u64, peak: u64, delta: i64) -> Vec<String> {
    vec![
        format!("memory_before: {}", before * GIB),
        format!("memory_peak: {}", peak * GIB),
        format!("memory_delta: {}", delta * GIB as i64),
        "shared: false".to_owned(),
    ]
}

#[test]
fn a_call_whose_process_allocates() {
    let (sim, directory) = (Sim::new(&script(2)), Directory::new());
    // Samples are far apart, so that all between them is from glances.
    let interval = [("AUSCULT_TEST_INTERVAL", "30")];
    let mut worker = Worker::start(&directory, &sim.path("libnvidia-ml.so.1"), &interval);
    until(&mut worker, "render", &["svc_gpu_memory_used_bytes{".to_owned()]);
    worker.tell("begin");
    until(&mut worker, "gpu", &figures(2, 2, 0));
    sim.write(&script(7));
    until(&mut worker, "gpu", &[figures(2, 7, 5), vec!["utilization_mean: Some(0.5)".to_owned()]].concat());
    sim.write(&script(3));
    until(&mut worker, "gpu", &figures(2, 7, 1));
    worker.tell("finish");
    until(&mut worker, "gpu", &figures(2, 7, 1));
    // At rest nobody looks: one glance after the end, and no more.
    let looks = || sim.calls("nvmlDeviceGetMemoryInfo_v2");
    let mut before = looks();
    let start = Instant::now();
    let mut last = start;
    while last.elapsed() < Duration::from_millis(400) {
        assert!(start.elapsed() < Duration::from_secs(10), "the glances do not end");
        if looks() != before {
            (before, last) = (looks(), Instant::now());
        }
        std::thread::yield_now();
    }
    sim.write(&script(9));
    until(&mut worker, "gpu", &figures(2, 7, 1));
    worker.end();
}

#[test]
fn the_store_has_the_figures_of_each_call_and_knows_which_overlapped() {
    let (sim, directory) = (Sim::new(&script(2)), Directory::new());
    let mut worker = Worker::start(&directory, &sim.path("libnvidia-ml.so.1"), &[]);
    until(&mut worker, "render", &["svc_gpu_memory_used_bytes{".to_owned()]);
    assert_eq!(worker.tell("three"), "true");
    let reader = Reader::open(&directory.path().join("svc")).unwrap().unwrap();
    let calls = reader.calls(&CallFilter { order: Order::Oldest, ..CallFilter::default() }).unwrap();
    let figures: Vec<_> = calls
        .iter()
        .map(|call| (call.request_id.as_str(), call.gpu.map(|gpu| (gpu.memory_peak / GIB, gpu.shared))))
        .collect();
    let expected = [("first", true), ("second", true), ("third", false)];
    assert_eq!(figures, expected.map(|(id, shared)| (id, Some((2, shared)))));
    let text = worker.tell("render");
    assert!(text.contains("svc_request_gpu_memory_peak_bytes_count{operation=\"synthesize\"} 3"), "{text}");
    worker.end();
}
