//! A damaged segment: the collector reads it, and merges it into the service's totals.
#![no_main]

use std::sync::{LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use soundpost_core::snapshot::Collector;
use soundpost_fuzz::SegmentBench;

static BENCH: LazyLock<Mutex<SegmentBench>> = LazyLock::new(SegmentBench::new);

fuzz_target!(|input: &[u8]| {
    let bench = BENCH.lock().expect("a lock");
    let (service, registry) = bench.lay(input);
    let mut collector = Collector::new(service, registry);
    drop(collector.snapshot());
    drop((collector.in_flight(), collector.pids(), collector.constant_labels()));
    collector.merge_dead();
    drop(collector.snapshot());
    bench.clear();
});
