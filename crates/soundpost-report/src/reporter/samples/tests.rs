//! Samples are stored and read back with the precision of their columns.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use soundpost_store::{Batch, Limits, Reader, Store};
use soundpost_vitals::{Quantity, quantities};

use super::*;

/// 2026-01-02T03:04:05Z.
const NOW: u64 = 1_767_323_045_000_000_000;

/// Returns a value of every quantity, with possible label values.
fn readings() -> Readings {
    let mut readings = Readings::default();
    // Values that are constant, or nearly so, are not stored.
    let constant = ["process_start_time_seconds", "disk_total_bytes", "disk_free_files"];
    let kept = quantities().filter(|quantity| !constant.contains(&quantity.name));
    for (number, quantity) in kept.enumerate() {
        let values: &[&str] = match quantity.name {
            "gpu_clock_hertz" => &["graphics", "sm", "memory", "video"],
            "gpu_pcie_bytes_per_second" => &["send", "receive"],
            "gpu_throttled_seconds" => &["power", "thermal", "sync_boost", "board_limit", "reliability"],
            "memory_events" => &["high", "max", "oom_kill"],
            "pressure_waiting_seconds" => &["cpu", "memory", "io"],
            "pressure_stalled_seconds" => &["memory", "io"],
            "disk_free_bytes" => &["store", "work", "shm", "tmp"],
            "gpu_ecc_errors" => &["corrected", "uncorrected"],
            "gpu_throttled" => &[
                "power_cap",
                "hardware_slowdown",
                "sync_boost",
                "thermal",
                "hardware_thermal",
                "power_brake",
            ],
            _ => &[""],
        };
        for value in values {
            let labels: Vec<&str> = quantity
                .labels
                .iter()
                .map(|label| match *label {
                    "gpu" => "0",
                    "uuid" => "GPU-1",
                    "name" => "NVIDIA H100",
                    "mig" => "",
                    "pid" => "4711",
                    _ => value,
                })
                .collect();
            readings.push(quantity, &labels, value_of(quantity, number));
        }
    }
    readings
}

fn value_of(quantity: &Quantity, number: usize) -> f64 {
    match quantity.name {
        name if name.ends_with("_hertz") => 1_980e6,
        name if name.ends_with("_per_second") => 123_000.0,
        name if name.ends_with("_ratio") => 0.25,
        name if name.ends_with("_bytes") => 85_899_345_921.0,
        _ => number as f64,
    }
}

#[test]
fn every_quantity_has_a_column() {
    let directory = tempfile::tempdir().unwrap();
    let readings = readings();
    let samples = samples(NOW, &readings);
    let placed: usize = samples.iter().map(|sample| sample.values.len()).sum();
    assert_eq!(
        placed,
        readings.readings.len(),
        "a quantity has no column in column.rs of the store: {samples:?}"
    );
    let gpu =
        GpuName { gpu: "0".into(), uuid: "GPU-1".into(), name: "NVIDIA H100".into(), mig: String::new() };
    let entities: Vec<_> = samples.iter().map(|sample| sample.entity.clone()).collect();
    let wanted = [
        Entity::Host,
        Entity::Process { pid: 4711 },
        Entity::Gpu(gpu),
        Entity::GpuProcess { gpu: "0".into(), pid: Some(4711) },
    ];
    assert_eq!(entities, wanted);
    let (mut store, _) = Store::open(directory.path(), Limits::default()).unwrap();
    store.write(&Batch { vitals: &samples, ..Batch::default() }).unwrap();
    let mut found = Reader::open(directory.path()).unwrap().unwrap().vitals(0..u64::MAX, &[]).unwrap();
    let mut samples = samples;
    for sample in samples.iter_mut().chain(&mut found) {
        sample.values.sort_by_key(|(name, _)| *name);
    }
    assert_eq!(found, samples);
}

/// A second row of the same time would replace the first.
#[test]
fn samples_of_two_sources_of_the_host_are_one_row() {
    let quantity = |name| quantities().find(|quantity| quantity.name == name).unwrap();
    let (mut host, mut places) = (Readings::default(), Readings::default());
    host.push(quantity("load1"), &[], 1.5);
    places.push(quantity("disk_free_bytes"), &["store"], 4096.0);
    let batcher = SampleBatcher::default();
    batcher.add(&host, || (2, Vec::new()));
    batcher.add(&places, || (2, Vec::new()));
    let mut backlog = Backlog::default();
    batcher.move_settled(true, &mut backlog);
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(directory.path(), Limits::default()).unwrap();
    store.write(&backlog.batch()).unwrap();
    let found = Reader::open(directory.path()).unwrap().unwrap().vitals(0..u64::MAX, &[]).unwrap();
    let [sample] = &found[..] else { panic!("{found:?}") };
    assert_eq!(sample.value("load1"), Some(1.5));
    assert_eq!(sample.value("disk_free_bytes_store"), Some(4096.0));
}

/// The label of an only process is empty.
#[test]
fn the_only_process_is_stored() {
    let quantity = quantities().find(|quantity| quantity.name == "process_threads").unwrap();
    let mut readings = Readings::default();
    readings.push(quantity, &[""], 7.0);
    let samples = samples(NOW, &readings);
    assert_eq!(samples.len(), 1);
    assert_eq!(samples[0].entity, Entity::Process { pid: 0 });
    assert_eq!(samples[0].values, [("process_threads", 7.0)]);
}
