//! Use of GPU memory by finished calls, from a history written by the test.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use soundpost_core::history::{GPU_MEMORY, GPU_PROCESS_MEMORY, HistoryWriter, Point};
use soundpost_core::snapshot::{Collector, MetricValue};
use soundpost_core::{
    Calls, FinishedCall, GpuUse, InFlightCall, Options, Outcome, Registry, ServiceDir, ServiceIdentity, clock,
};
use soundpost_report::Attribution;

const SECOND: u64 = 1_000_000_000;
const GIB: u64 = 1 << 30;

struct Service {
    place: ServiceDir,
    registry: Arc<Registry>,
    history: Arc<HistoryWriter>,
    attribution: Attribution,
}

fn service(root: &Path) -> Service {
    let place = ServiceDir::open_with_shared_memory(root, "svc", root).unwrap();
    let registry = Registry::open(&place, ServiceIdentity::new("svc"), Options::default()).unwrap();
    let attribution = Attribution::new(Calls::new(&registry).unwrap());
    let history = Arc::new(HistoryWriter::open(&place, 1 << 20));
    attribution.set_history(history.clone());
    Service { place, registry, history, attribution }
}

impl Service {
    /// Appends a sample of one GPU: memory of all processes, and of each.
    fn sample(&self, at: u64, all: u64, processes: &[(u32, u64)]) {
        let device = ["0".to_owned()];
        let labels: Vec<[String; 2]> =
            processes.iter().map(|(pid, _)| ["0".to_owned(), pid.to_string()]).collect();
        let own = processes.iter().zip(&labels).map(|((_, memory), labels)| Point {
            name: GPU_PROCESS_MEMORY,
            label_names: &["gpu", "pid"],
            label_values: labels,
            value: Some(*memory as f64),
        });
        let all =
            Point { name: GPU_MEMORY, label_names: &["gpu"], label_values: &device, value: Some(all as f64) };
        self.history.append_at(at, 0, std::iter::once(all).chain(own));
    }

    fn complete(&self, mut calls: Vec<FinishedCall>, running: &[InFlightCall]) -> Vec<Option<GpuUse>> {
        self.attribution.record(&calls);
        self.attribution.complete(&mut calls, || running.to_vec());
        calls.into_iter().map(|call| call.gpu).collect()
    }
}

fn finished(id: &str, pid: u32, started: u64, ended: u64) -> FinishedCall {
    FinishedCall {
        request_id: id.to_owned(),
        operation: "synthesize".to_owned(),
        labels: vec![("voice".to_owned(), "low".to_owned())],
        outcome: Outcome::Ok,
        pid,
        segment: 1,
        ended_unix: 0,
        started,
        ended,
        busy: ended - started,
        ..FinishedCall::default()
    }
}

fn running(started: u64) -> InFlightCall {
    InFlightCall {
        request_id: "r".to_owned(),
        operation: "synthesize".to_owned(),
        labels: Vec::new(),
        pid: 1,
        started,
        age: 0,
        since_progress: 0,
        stage: None,
        chunks: 0,
        audio_seconds: 0.0,
    }
}

#[test]
fn dead_call_includes_its_last_samples() {
    let root = tempfile::tempdir().unwrap();
    let service = service(root.path());
    let tenth = SECOND / 10;
    service.sample(SECOND, 10 * GIB, &[(11, GIB)]);
    // The last heartbeat of its process was at 1.5 s, and it died by 1.9 s.
    service.sample(SECOND + 6 * tenth, 10 * GIB, &[(11, GIB)]);
    service.sample(SECOND + 8 * tenth, 16 * GIB, &[(11, 7 * GIB)]);
    service.sample(2 * SECOND, 9 * GIB, &[]);
    let (started, ended) = (SECOND + tenth, SECOND + 5 * tenth);
    let ok = finished("ok", 11, started, ended);
    let died = |id, pid| FinishedCall { outcome: Outcome::Died, ..finished(id, pid, started, ended) };
    let used = service.complete(vec![ok, died("own", 11), died("device", 99)], &[]);
    let figures: Vec<_> = used
        .iter()
        .map(|used| {
            used.map(|used| (used.memory_peak / GIB, used.memory_delta / GIB as i64, used.of_process))
        })
        .collect();
    assert_eq!(figures, [Some((1, 0, true)), Some((7, 6, true)), Some((16, 0, false))]);
}

#[test]
fn peaks_and_deltas_of_processes() {
    let root = tempfile::tempdir().unwrap();
    let service = service(root.path());
    service.sample(SECOND, 10 * GIB, &[(11, GIB), (12, 2 * GIB)]);
    service.sample(2 * SECOND, 12 * GIB, &[(11, 3 * GIB), (12, 2 * GIB)]);
    service.sample(3 * SECOND, 11 * GIB, &[(11, 2 * GIB), (12, 2 * GIB)]);
    let half = SECOND / 2;
    let used = service.complete(
        vec![
            finished("a", 11, SECOND + half, 2 * SECOND + half),
            finished("b", 12, 3 * SECOND + 1, 3 * SECOND + 2),
            finished("c", 99, SECOND + half, SECOND + half + 1),
        ],
        &[],
    );
    let expected = GpuUse {
        memory_before: GIB,
        memory_peak: 3 * GIB,
        memory_delta: GIB as i64,
        utilization_mean: None,
        shared: true,
        of_process: true,
    };
    assert_eq!(used[0], Some(expected));
    let quiet = GpuUse { memory_before: 2 * GIB, memory_peak: 2 * GIB, memory_delta: 0, ..expected };
    assert_eq!(used[1], Some(GpuUse { shared: false, ..quiet }));
    // For a process that the driver does not list, only the device is known.
    let device = used[2].unwrap();
    assert!(!device.of_process);
    assert_eq!(
        (device.memory_before, device.memory_peak, device.memory_delta),
        (10 * GIB, 12 * GIB, 2 * GIB as i64)
    );

    // It is observed with the call's labels and request id.
    let snapshot = Collector::new(service.place.clone(), service.registry.clone()).snapshot();
    let family = snapshot.families.iter().find(|f| &*f.name == "svc_request_gpu_memory_peak_bytes").unwrap();
    assert_eq!(family.series.len(), 1);
    let labels: Vec<_> = family.series[0].labels.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(labels, [("operation", "synthesize"), ("voice", "low")]);
    let MetricValue::Distribution(peaks) = &family.series[0].value else { panic!("no distribution") };
    assert_eq!((peaks.count(), peaks.sum), (3, (17 * GIB) as f64));
    let ids: Vec<_> = peaks.exemplars.iter().flatten().map(|exemplar| &*exemplar.request_id).collect();
    assert!(ids.contains(&"a") && ids.contains(&"c"), "{ids:?}");
}

#[test]
fn overlap_is_exact() {
    let root = tempfile::tempdir().unwrap();
    let service = service(root.path());
    service.sample(1, GIB, &[]);
    let shared = |calls: Vec<FinishedCall>, in_flight: &[InFlightCall]| -> Vec<bool> {
        service.complete(calls, in_flight).into_iter().map(|gpu| gpu.unwrap().shared).collect()
    };
    // Two calls in sequence; then one that overlapped both and is recorded later.
    assert_eq!(shared(vec![finished("a", 1, 10, 20), finished("b", 1, 20, 30)], &[]), [false, false]);
    assert_eq!(shared(vec![finished("c", 1, 40, 50)], &[]), [false]);
    assert_eq!(shared(vec![finished("d", 2, 45, 60)], &[]), [true]);
    assert_eq!(shared(vec![finished("e", 2, 60, 70)], &[running(69)]), [true]);
    assert_eq!(shared(vec![finished("f", 2, 71, 80)], &[running(80)]), [false]);
    // A call with the start and end of another one is a different call.
    assert_eq!(shared(vec![finished("g", 1, 90, 95), finished("h", 2, 90, 95)], &[]), [true, true]);
    assert_eq!(shared(vec![finished("r", 2, 97, 98)], &[running(97)]), [false], "it has its slot still");
    // The number of recent calls is bounded.
    let many: Vec<_> = (0..10_000).map(|n| finished("m", 1, 100 + n, 101 + n)).collect();
    assert!(shared(many, &[]).iter().all(|shared| !shared));
    assert_eq!(shared(vec![finished("z", 1, 40, 50)], &[]), [false], "forgotten");
}

proptest::proptest! {
    #[test]
    fn overlap_equals_a_comparison_of_each_pair(times in proptest::collection::vec((10..70_u64, 1..20_u64), 1..40)) {
        let root = tempfile::tempdir().unwrap();
        let service = service(root.path());
        service.sample(1, GIB, &[]);
        // Each has its own process, so that no two calls are equal.
        let calls: Vec<_> = (1..).zip(&times).map(|(pid, (started, took))| finished("a", pid, *started, started + took)).collect();
        let overlap = |a: &FinishedCall, b: &FinishedCall| a.pid != b.pid && a.started < b.ended && b.started < a.ended;
        let expected: Vec<_> = calls.iter().map(|call| calls.iter().any(|other| overlap(call, other))).collect();
        let shared: Vec<_> = service.complete(calls, &[]).into_iter().map(|gpu| gpu.unwrap().shared).collect();
        proptest::prop_assert_eq!(shared, expected);
    }
}

#[test]
fn call_is_ready_after_the_next_sample_or_timeout() {
    let root = tempfile::tempdir().unwrap();
    let service = service(root.path());
    let now = clock::monotonic_nanos();
    assert!(service.attribution.is_ready(now), "no GPU is sampled");
    service.sample(now, GIB, &[]);
    let ended = clock::monotonic_nanos();
    assert!(!service.attribution.is_ready(ended), "a sample is to come");
    service.sample(ended + 1, GIB, &[]);
    assert!(service.attribution.is_ready(ended));
    let ended = clock::monotonic_nanos() + 1;
    let start = std::time::Instant::now();
    while !service.attribution.is_ready(ended) {
        assert!(start.elapsed().as_secs() < 10, "not within 10 s");
        std::thread::yield_now();
    }
    assert!(start.elapsed().as_millis() >= 290, "it is waited for");
    let off = Attribution::new(Calls::new(&service.registry).unwrap());
    assert!(off.is_ready(clock::monotonic_nanos()), "nothing is sampled");
    let mut calls = vec![finished("a", 1, now, now + 5)];
    off.record(&calls);
    off.complete(&mut calls, Vec::new);
    assert_eq!(calls[0].gpu, None);
}
