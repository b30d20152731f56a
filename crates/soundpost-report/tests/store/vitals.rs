//! Samples go in and come out as they were, as exactly as their columns are.

use soundpost_report::store::{Batch, Entity, GpuName, VitalsSample};
use soundpost_vitals::{Quantity, Readings, quantities};

use super::support::*;

/// A value of every quantity, with label values that it can have.
fn readings() -> Readings {
    let mut readings = Readings::default();
    // The same at each sample of a process: not worth its bytes.
    let kept = quantities().filter(|quantity| quantity.name != "process_start_time_seconds");
    for (number, quantity) in kept.enumerate() {
        let values: &[&str] = match quantity.name {
            "gpu_clock_hertz" => &["graphics", "sm", "memory", "video"],
            "gpu_pcie_bytes_per_second" => &["send", "receive"],
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
    let place = directory();
    let readings = readings();
    let samples = VitalsSample::of(NOW, &readings);
    let placed: usize = samples.iter().map(|sample| sample.values.len()).sum();
    assert_eq!(placed, readings.readings.len(), "a quantity has no column in store/column.rs: {samples:?}");
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
    open(place.path()).write(&Batch { vitals: &samples, ..Batch::default() }).unwrap();
    let mut found = reader(place.path()).vitals(0..u64::MAX, &[]).unwrap();
    let mut samples = samples;
    for sample in samples.iter_mut().chain(&mut found) {
        sample.values.sort_by_key(|(name, _)| *name);
    }
    assert_eq!(found, samples);
}

/// Its label is empty, as it is where there is nothing to tell it from.
#[test]
fn the_only_process_is_stored() {
    let quantity = quantities().find(|quantity| quantity.name == "process_threads").unwrap();
    let mut readings = Readings::default();
    readings.push(quantity, &[""], 7.0);
    let samples = VitalsSample::of(NOW, &readings);
    assert_eq!(samples.len(), 1);
    assert_eq!(samples[0].entity, Entity::Process { pid: 0 });
    assert_eq!(samples[0].values, [("process_threads", 7.0)]);
}

#[test]
fn only_what_is_asked_for_comes_back() {
    let place = directory();
    let host = |second: u64, load| VitalsSample {
        unix_nanos: NOW + second * SECOND,
        entity: Entity::Host,
        values: vec![("load1", load), ("host_memory_used_bytes", 5.0)],
    };
    let other = VitalsSample {
        unix_nanos: NOW,
        entity: Entity::GpuProcess { gpu: "1".to_owned(), pid: None },
        values: vec![("gpu_process_memory_bytes", 7.0)],
    };
    let vitals = [host(0, 0.5), host(1, f64::NAN), host(2, 1.5), host(3, 2.5), other.clone()];
    open(place.path()).write(&Batch { vitals: &vitals, ..Batch::default() }).unwrap();
    let reader = reader(place.path());
    let loads: Vec<_> = reader
        .vitals(NOW..NOW + 3 * SECOND, &["load1"])
        .unwrap()
        .into_iter()
        .map(|sample| sample.values)
        .collect();
    assert_eq!(loads, [vec![("load1", 0.5)], vec![("load1", 1.5)]]);
    assert_eq!(reader.vitals(0..u64::MAX, &["gpu_process_memory_bytes"]).unwrap(), [other]);
}
