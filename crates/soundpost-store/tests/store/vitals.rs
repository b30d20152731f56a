//! Samples: written, and read by column.

use soundpost_store::{Batch, Entity, VitalsSample};

use super::support::*;

#[test]
fn only_requested_columns_are_read() {
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
