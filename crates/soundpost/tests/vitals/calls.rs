//! Tests of the GPU memory of calls, from the simulated driver to `call.gpu()`.

use std::time::{Duration, Instant};

use soundpost_core::ServiceDir;
use soundpost_core::history::{GPU_PROCESS_MEMORY, HistoryReader};
use soundpost_store::{CallFilter, Order, Reader};

use super::common::Directory;
use super::sim::Sim;
use super::worker::Worker;

const GIB: u64 = 1 << 30;

/// Returns a device whose used memory, in GiB, belongs to the service.
fn script(gib: u64) -> String {
    format!(
        "device GPU-1\nname Simulated\nmemory_total 24GiB\nmemory_used {gib}GiB\nutilization 50\n\
         process self compute {gib}GiB\n"
    )
}

/// Waits until the worker's answer contains all of these.
#[track_caller]
fn until(worker: &mut Worker, command: &str, parts: &[String]) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = worker.tell(command);
        if parts.iter().all(|part| answer.contains(part)) {
            return;
        }
        assert!(Instant::now() < deadline, "{answer}\nlacks one of {parts:#?}");
        std::thread::park_timeout(Duration::from_millis(1));
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
    // Regular samples are far apart, so that the values come from fast sampling.
    let interval = [("SOUNDPOST_TEST_INTERVAL", "30")];
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
    // Without calls, there is one fast sample after the end and no more.
    let looks = || sim.calls("nvmlDeviceGetMemoryInfo_v2");
    let mut before = looks();
    let start = Instant::now();
    let mut last = start;
    while last.elapsed() < Duration::from_millis(400) {
        assert!(start.elapsed() < Duration::from_secs(10), "the glances do not end");
        if looks() != before {
            (before, last) = (looks(), Instant::now());
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    sim.write(&script(9));
    until(&mut worker, "gpu", &figures(2, 7, 1));
    worker.end();
}

#[test]
fn store_has_the_gpu_use_of_each_call_and_overlaps() {
    let (sim, directory) = (Sim::new(&script(2)), Directory::new());
    let mut worker = Worker::start(&directory, &sim.path("libnvidia-ml.so.1"), &[]);
    until(&mut worker, "render", &["svc_gpu_memory_used_bytes{".to_owned()]);
    assert_eq!(worker.tell("three"), "true");
    let reader = Reader::open(&directory.path().join("svc")).unwrap().unwrap();
    let calls = reader.calls(&CallFilter { order: Order::Oldest, ..CallFilter::default() }).unwrap();
    let figures: Vec<_> = calls
        .iter()
        .map(|row| {
            (row.call.request_id.as_str(), row.call.gpu.map(|gpu| (gpu.memory_peak / GIB, gpu.shared)))
        })
        .collect();
    let expected = [("first", true), ("second", true), ("third", false)];
    assert_eq!(figures, expected.map(|(id, shared)| (id, Some((2, shared)))));
    let text = worker.tell("render");
    assert!(text.contains("svc_request_gpu_memory_peak_bytes_count{operation=\"synthesize\"} 3"), "{text}");
    // A call that ends right before its service.
    worker.tell("begin");
    worker.tell("finish");
    worker.end();
    let reader = Reader::open(&directory.path().join("svc")).unwrap().unwrap();
    let calls = reader.calls(&CallFilter { order: Order::Oldest, ..CallFilter::default() }).unwrap();
    assert_eq!(calls.last().and_then(|row| row.call.gpu).map(|gpu| gpu.memory_peak / GIB), Some(2));
}

#[test]
fn samples_and_dead_calls_outlive_their_process() {
    let (sim, directory) = (Sim::new(&script(2)), Directory::new());
    let start = || Worker::start(&directory, &sim.path("libnvidia-ml.so.1"), &[]);
    let mut worker = start();
    until(&mut worker, "render", &["svc_gpu_memory_used_bytes{".to_owned()]);
    worker.tell("begin");
    sim.write(&script(7));
    until(&mut worker, "gpu", &figures(2, 7, 5));
    worker.kill();

    let place = ServiceDir::open(directory.path(), "svc").unwrap();
    let peak = || {
        let mut reader = HistoryReader::open(&place).unwrap();
        let samples = reader.samples(0..=u64::MAX);
        // The call's values come from samples before the script was replaced.
        let is_memory = |id| reader.get(id).is_some_and(|series| series.name == GPU_PROCESS_MEMORY);
        let values = samples.iter().flat_map(|sample| &sample.values).filter(|(id, _)| is_memory(*id));
        let most = values.filter_map(|(_, value)| *value).fold(0.0, f64::max);
        (samples.len(), most as u64 / GIB)
    };
    let (left, most) = peak();
    assert!(left > 2 && most == 7, "{left} samples, at most {most} GiB");

    let mut next = start();
    until(&mut next, "render", &["svc_gpu_memory_used_bytes{".to_owned()]);
    let (now, most) = peak();
    assert!(now > left && most == 7, "the next run goes on with them: {now}");
    // The samples of the previous run describe the dead call.
    let died = || {
        let reader = Reader::open(&directory.path().join("svc")).unwrap()?;
        reader.calls(&CallFilter::default()).unwrap().into_iter().find_map(|row| row.call.gpu)
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    let gpu = loop {
        assert!(Instant::now() < deadline, "no call that died");
        if let Some(gpu) = died() {
            break gpu;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    };
    assert_eq!((gpu.memory_before / GIB, gpu.memory_peak / GIB), (2, 7));
    next.end();
    assert!(HistoryReader::open(&place).is_err(), "it ends with a run that ends in good order");
}
