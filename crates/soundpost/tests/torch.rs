//! Tests of PyTorch's allocator with readings of a binding.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{Directory, Ending, value};
use soundpost::binding::torch::{Allocator, Memory, Reading, Reads};
use soundpost::{FieldValue, Merge, Spec, Telemetry, Unit};

const GIB: u64 = 1 << 30;

fn start(directory: &Directory) -> (Telemetry, Ending) {
    let telemetry = directory.serving("tts").listen(None).sample_interval(None).start().unwrap();
    (telemetry.clone(), Ending(telemetry))
}

/// Sets the gauges of a GPU in place of the sampler.
fn sampled(telemetry: &Telemetry, gpu: &str, uuid: &str) {
    let spec = Spec::gauge("tts_gpu_memory_total_bytes").unit(Unit::Bytes).merge(Merge::Last);
    let family = telemetry.family(spec.labels(&["gpu", "uuid", "name", "mig"])).unwrap();
    family.gauge(&[gpu, uuid, "Simulated GPU", ""]).unwrap().set(24e9);
}

fn reading(devices: &[(u32, u64, u64, u64)]) -> Reading {
    let memory = |&(device, allocated, reserved, peak)| (device, Memory { allocated, reserved, peak });
    Reading { devices: devices.iter().map(memory).collect(), took: Duration::from_micros(20) }
}

fn slow(reading: Reading) -> Reading {
    Reading { took: Duration::from_micros(80), ..reading }
}

#[test]
fn call_has_memory_before_and_after() {
    let directory = Directory::new();
    let (telemetry, _ending) = start(&directory);
    let allocator = Allocator::new(&telemetry, Reads::WhileCheap);
    let call = telemetry.operation("synthesize").start();
    let held = allocator.started(&call, &reading(&[(0, GIB, 2 * GIB, 3 * GIB), (1, 0, 0, 0), (2, 1, 2, 3)]));
    assert_eq!(held.iter().collect::<Vec<_>>(), [0, 2]);
    allocator.ended(&call, &reading(&[(0, 2 * GIB, 4 * GIB, 5 * GIB), (2, 1, 2, 3)]));
    let fields = call.fields();
    for (name, bytes) in [
        ("torch_memory_allocated_before", GIB + 1),
        ("torch_memory_reserved_before", 2 * GIB + 2),
        ("torch_memory_peak_before", 3 * GIB + 3),
        ("torch_memory_allocated_after", 2 * GIB + 1),
        ("torch_memory_reserved_after", 4 * GIB + 2),
        ("torch_memory_peak_after", 5 * GIB + 3),
    ] {
        let found = fields.iter().find(|(field, _)| **field == *name).map(|(_, value)| value);
        assert_eq!(found, Some(&FieldValue::from(bytes)), "{name}");
    }
    call.finish();
}

#[test]
fn gauges_have_the_nvml_index_and_the_process() {
    let directory = Directory::new();
    let (telemetry, _ending) = start(&directory);
    let allocator = Allocator::new(&telemetry, Reads::Always);
    let call = telemetry.operation("synthesize").start();
    allocator.started(&call, &reading(&[(0, GIB, 2 * GIB, GIB)]));
    assert!(!telemetry.render().contains("torch"), "nobody knows which GPU it is");

    sampled(&telemetry, "3", "GPU-aaaa");
    assert!(allocator.is_unknown(0));
    allocator.identify(0, Some("aaaa"));
    assert!(!allocator.is_unknown(0));
    allocator.ended(&call, &reading(&[(0, GIB, 2 * GIB, GIB)]));
    let pid = std::process::id();
    for (name, bytes) in [("allocated", GIB), ("reserved", 2 * GIB)] {
        let sample = format!(r#"tts_torch_memory_{name}_bytes{{gpu="3",pid="{pid}"}}"#);
        let text = telemetry.render();
        assert_eq!(value(&text, &sample), Some(bytes as f64), "{sample} in\n{text}");
    }
    drop(allocator);
    assert!(!telemetry.render().contains(&format!("pid=\"{pid}\"")), "nobody reads any more");
    call.finish();
}

#[test]
fn unknown_gpu_is_not_identified_at_every_call() {
    let directory = Directory::new();
    let (telemetry, _ending) = start(&directory);
    let allocator = Allocator::new(&telemetry, Reads::Always);
    assert!(allocator.is_unknown(0));
    allocator.identify(0, Some("aaaa"));
    assert!(!allocator.is_unknown(0));
    assert!(allocator.is_unknown(1));
}

#[test]
fn slow_readings_stop_unless_required() {
    let directory = Directory::new();
    let (telemetry, _ending) = start(&directory);
    let (cheap, always) =
        (Allocator::new(&telemetry, Reads::WhileCheap), Allocator::new(&telemetry, Reads::Always));
    let call = telemetry.operation("synthesize").start();
    let reading = reading(&[(0, 1, 1, 1)]);
    for _ in 0..100 {
        cheap.started(&call, &reading);
    }
    // A single reading of a second does not count fully.
    cheap.ended(&call, &Reading { took: Duration::from_secs(1), ..reading.clone() });
    assert!(cheap.is_read());
    let told = || telemetry.notices(0).iter().filter(|notice| notice.message.starts_with("torch:")).count();
    assert_eq!(told(), 0);
    for _ in 0..50 {
        cheap.started(&call, &slow(reading.clone()));
        always.started(&call, &slow(reading.clone()));
    }
    assert!(!cheap.is_read());
    assert!(always.is_read());
    assert_eq!(told(), 1);
    assert!(!Allocator::new(&telemetry, Reads::Never).is_read());
    call.finish();
}

#[test]
fn devices_with_memory_are_read_and_others_in_turn() {
    let directory = Directory::new();
    let (telemetry, _ending) = start(&directory);
    let allocator = Allocator::new(&telemetry, Reads::Always);
    let call = telemetry.operation("synthesize").start();
    assert_eq!(allocator.devices(4).iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    allocator.started(&call, &reading(&[(0, 0, 0, 0), (2, 1, 2, 3)]));
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let devices: Vec<u32> = allocator.devices(4).iter().collect();
        assert!(devices.len() <= 2 && devices.contains(&2), "{devices:?}");
        seen.extend(devices);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(allocator.devices(1).iter().collect::<Vec<_>>(), [0]);
    assert!(allocator.devices(0).is_empty());
    call.finish();
}
