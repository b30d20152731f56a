//! Texts that several commands show.

use crate::output::{Table, format_bytes, format_percent, format_span, plain};
use crate::postmortem::OpenCall;
use crate::summary::{GpuSummary, Machine};

/// Minimum time without progress that is shown, seconds.
const STALL_SECONDS: f64 = 30.0;

/// Formats host and GPUs, a line each.
pub(crate) fn machine_lines(machine: &Machine) -> Vec<String> {
    let host = [
        machine.cpu_usage_ratio.map(|ratio| format!("cpu {}", format_percent(ratio))),
        memory_text(machine.host_memory_used_bytes, machine.host_memory_total_bytes),
        machine.process_resident_memory_bytes.map(|used| format!("the service's {}", format_bytes(used))),
        machine.load1.map(|load| format!("load {load:.2}")),
    ];
    let host: Vec<String> = host.into_iter().flatten().collect();
    let mut lines = Vec::new();
    if !host.is_empty() {
        lines.push(format!("host: {}", host.join(", ")));
    }
    for gpu in &machine.gpus {
        let busy = gpu.gpu_utilization_ratio.map(|ratio| format!("busy {}", format_percent(ratio)));
        let memory = memory_text(gpu.gpu_memory_used_bytes, gpu.gpu_memory_total_bytes);
        let parts: Vec<String> = busy.into_iter().chain(memory).chain(gpu_details(gpu)).collect();
        lines.push(format!("GPU {}: {}", plain(&gpu.gpu), parts.join(", ")));
    }
    lines
}

fn memory_text(used: Option<f64>, total: Option<f64>) -> Option<String> {
    used.map(|used| format!("memory {}", used_of_total(used, total)))
}

/// Formats an amount and its total, where that is known.
pub(crate) fn used_of_total(used: f64, total: Option<f64>) -> String {
    let total = total.map(|total| format!(" of {}", format_bytes(total)));
    format_bytes(used) + &total.unwrap_or_default()
}

/// Formats temperature, power and name of a GPU.
pub(crate) fn gpu_details(gpu: &GpuSummary) -> impl Iterator<Item = String> {
    let parts = [
        gpu.gpu_temperature_celsius.map(|degrees| format!("{degrees:.0} °C")),
        gpu.gpu_power_watts.map(|watts| format!("{watts:.0} W")),
        Some(plain(&gpu.name)).filter(|name| !name.is_empty()),
    ];
    parts.into_iter().flatten()
}

/// Converts nanoseconds to seconds.
pub(crate) fn seconds(nanos: u64) -> f64 {
    nanos as f64 * 1e-9
}

/// Formats labels for a cell of a table.
pub(crate) fn labels_text<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let labels: Vec<String> = labels.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    labels.join(" ")
}

/// Formats a count; nothing for 0.
pub(crate) fn count_or_nothing(count: u64) -> String {
    if count > 0 { count.to_string() } else { String::new() }
}

/// Formats a duration in seconds; nothing for 0.
pub(crate) fn span_or_nothing(seconds: f64) -> String {
    if seconds > 0.0 { format_span(seconds) } else { String::new() }
}

/// Makes the table of calls in flight.
pub(crate) fn call_table(calls: &[OpenCall]) -> Table<&OpenCall> {
    let idle = |call: &&OpenCall| Some(call.idle_seconds).filter(|idle| *idle >= STALL_SECONDS);
    Table::new(calls)
        .left("request id", |call| call.request_id.clone())
        .left("operation", |call| call.operation.clone())
        .left("labels", |call| labels_text(&call.labels))
        .right("for", |call| format_span(call.duration_ms * 1e-3))
        .right("no progress for", |call| idle(call).map(format_span).unwrap_or_default())
        .left("stage", |call| call.stage.clone().unwrap_or_default())
        .right("chunks", |call| count_or_nothing(call.chunks))
        .right("audio", |call| span_or_nothing(call.audio_seconds))
        .right("process", |call| call.pid.to_string())
}
