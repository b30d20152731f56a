//! Words for what is read in more than one command.

use soundpost::InFlightCall;

use crate::figures::Machine;
use crate::output::{bytes, percent, plain};

/// Host and GPUs, a line each.
pub(crate) fn machine(machine: &Machine) -> Vec<String> {
    let of = |used: Option<f64>, total: Option<f64>| match (used, total) {
        (Some(used), Some(total)) => Some(format!("memory {} of {}", bytes(used), bytes(total))),
        (Some(used), None) => Some(format!("memory {}", bytes(used))),
        _ => None,
    };
    let host = [
        machine.cpu_usage_ratio.map(|share| format!("cpu {}", percent(share))),
        of(machine.host_memory_used_bytes, machine.host_memory_total_bytes),
        machine.process_resident_memory_bytes.map(|used| format!("the service's {}", bytes(used))),
        machine.load1.map(|load| format!("load {load:.2}")),
    ];
    let mut lines = Vec::new();
    let host: Vec<String> = host.into_iter().flatten().collect();
    if !host.is_empty() {
        lines.push(format!("host: {}", host.join(", ")));
    }
    for gpu in &machine.gpus {
        let parts = [
            gpu.gpu_utilization_ratio.map(|share| format!("busy {}", percent(share))),
            of(gpu.gpu_memory_used_bytes, gpu.gpu_memory_total_bytes),
            gpu.gpu_temperature_celsius.map(|degrees| format!("{degrees:.0} °C")),
            gpu.gpu_power_watts.map(|watts| format!("{watts:.0} W")),
            Some(plain(&gpu.name)).filter(|name| !name.is_empty()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        lines.push(format!("GPU {}: {}", plain(&gpu.gpu), parts.join(", ")));
    }
    lines
}

/// The call that has been in flight for longest.
pub(crate) fn oldest(calls: &[InFlightCall]) -> Option<&InFlightCall> {
    calls.iter().max_by_key(|call| call.age)
}

/// Nanoseconds as seconds.
pub(crate) fn seconds(nanos: u64) -> f64 {
    nanos as f64 * 1e-9
}

/// Labels in one cell of a table.
pub(crate) fn labels<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let labels: Vec<String> = labels.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    labels.join(" ")
}
