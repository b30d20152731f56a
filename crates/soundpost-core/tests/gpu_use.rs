//! Use of GPU memory by a call, from a history as a reporter writes it.
#![allow(clippy::expect_used)]

use soundpost_core::history::{GPU_PROCESS_MEMORY, HistoryWriter, Point};
use soundpost_core::{Calls, GpuUse, Options, Registry, ServiceDir, ServiceIdentity, clock, history};

const MIB: u64 = 1 << 20;

/// A service, the writer of its history, and a place in a directory of its own.
fn service(root: &std::path::Path) -> (ServiceDir, std::sync::Arc<Calls>) {
    let place = ServiceDir::open_with_shared_memory(root, "svc", root).expect("a place");
    let registry =
        Registry::open(&place, ServiceIdentity::new("svc"), Options::default()).expect("a registry");
    (place, Calls::new(&registry).expect("request metrics"))
}

/// Appends a sample taken now: memory of all, and of this process.
fn sample(writer: &HistoryWriter, all: u64, own: u64) {
    let pid = std::process::id().to_string();
    let (device, process) = (["0".to_owned()], ["0".to_owned(), pid]);
    writer.append([
        Point {
            name: history::GPU_MEMORY,
            label_names: &["gpu"],
            label_values: &device,
            value: Some(all as f64),
        },
        Point {
            name: history::GPU_UTILIZATION,
            label_names: &["gpu"],
            label_values: &device,
            value: Some(0.5),
        },
        Point {
            name: GPU_PROCESS_MEMORY,
            label_names: &["gpu", "pid"],
            label_values: &process,
            value: Some(own as f64),
        },
    ]);
}

fn figures(gpu: Option<GpuUse>) -> (u64, u64, i64, bool) {
    let gpu = gpu.expect("figures");
    assert!(gpu.of_process);
    (gpu.memory_before, gpu.memory_peak, gpu.memory_delta, gpu.shared)
}

#[test]
fn figures_so_far_and_in_all() {
    let root = tempfile::tempdir().expect("a directory");
    let (place, calls) = service(root.path());
    let operation = calls.operation("synthesize");
    let early = operation.start();
    assert_eq!(early.gpu(), None, "nobody samples");
    early.finish();
    let writer = HistoryWriter::open(&place, 1 << 20);
    // A history that was not there is looked for once a second.
    let opened = clock::monotonic_nanos();
    sample(&writer, 900 * MIB, 100 * MIB);
    let call = operation.start();
    while call.gpu().is_none() {
        assert!(clock::monotonic_nanos() - opened < 10_000_000_000, "not within 10 s");
        std::thread::yield_now();
    }
    assert_eq!(figures(call.gpu()), (100 * MIB, 100 * MIB, 0, false));
    sample(&writer, 900 * MIB, 300 * MIB);
    assert_eq!(figures(call.gpu()), (100 * MIB, 300 * MIB, 200 * MIB as i64, false));
    assert_eq!(call.gpu().and_then(|gpu| gpu.utilization_mean), Some(0.5));
    let other = operation.start();
    assert!(figures(call.gpu()).3 && figures(other.gpu()).3, "two at once");
    other.finish();
    call.finish();
    sample(&writer, 900 * MIB, 150 * MIB);
    assert_eq!(figures(call.gpu()), (100 * MIB, 300 * MIB, 50 * MIB as i64, false));
    // Later samples do not change the call.
    let next = operation.start();
    sample(&writer, 900 * MIB, 800 * MIB);
    assert_eq!(figures(call.gpu()), (100 * MIB, 300 * MIB, 50 * MIB as i64, false));
    assert_eq!(figures(call.handle().clone().gpu()), (100 * MIB, 300 * MIB, 50 * MIB as i64, false));
    assert_eq!(figures(next.gpu()), (150 * MIB, 800 * MIB, 650 * MIB as i64, false));
}
