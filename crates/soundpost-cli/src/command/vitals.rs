//! `soundpost vitals`: samples of host, processes and GPUs from the store.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use soundpost::read::store::{Entity, Reader, VitalsSample};

use crate::arguments::{TimeRange, Vitals};
use crate::error::CommandError;
use crate::output::{Output, Table, format_bytes, format_local, format_percent, unix_nanos_now};
use crate::rows;
use crate::service::ServiceArgs;

/// Default duration before now.
const DEFAULT_LAST: Duration = Duration::from_secs(600);
/// Approximate number of lines of the table.
const LINES: u64 = 40;
const SECOND: u64 = 1_000_000_000;
/// Minimum time range of one read, nanoseconds.
const MIN_PART: u64 = 600 * SECOND;
const MAX_PARTS: u64 = 500;

pub(super) fn show(
    service: &ServiceArgs,
    command: &Vitals,
    out: &mut Output<'_>,
) -> Result<i32, CommandError> {
    let service = service.open()?;
    let store = Reader::open(service.directory())?;
    let range = nanos_range(&command.time);
    let duration = range.end.saturating_sub(range.start);
    let (part, line_duration) = ((duration / MAX_PARTS).max(MIN_PART), (duration / LINES).max(SECOND));
    let mut lines: BTreeMap<u64, Line> = BTreeMap::new();
    command.format.write_names(out, rows::vitals_names())?;
    let mut from = range.start;
    while let Some(store) = store.as_ref().filter(|_| from < range.end) {
        let to = range.end.min(from.saturating_add(part));
        for sample in &store.vitals(from..to, &[])? {
            command.format.write(out, || rows::vitals(sample))?;
            if command.format.is_text() {
                let line = sample.unix_nanos.saturating_sub(range.start) / line_duration;
                lines.entry(range.start + line * line_duration).or_default().add(sample);
            }
        }
        from = to;
    }
    if command.format.is_text() {
        if lines.is_empty() {
            eprintln!("soundpost: no samples in this time range");
        }
        out.lines(table(&lines).lines(out.terminal.paint))?;
    }
    Ok(0)
}

fn nanos_range(time: &TimeRange) -> Range<u64> {
    // The end includes the sample of this moment.
    let until = time.until.unwrap_or_else(|| unix_nanos_now() + SECOND);
    let last = u64::try_from(time.last.unwrap_or(DEFAULT_LAST).as_nanos()).unwrap_or(u64::MAX);
    time.since.unwrap_or_else(|| until.saturating_sub(last))..until
}

/// Maxima of an interval.
#[derive(Default)]
struct Line {
    values: BTreeMap<&'static str, f64>,
    gpus: BTreeMap<String, BTreeMap<&'static str, f64>>,
    /// Time of the last sample of processes, and their sum at that time.
    processes: (u64, f64),
}

impl Line {
    fn add(&mut self, sample: &VitalsSample) {
        let raise = |values: &mut BTreeMap<&'static str, f64>, name: &'static str, value: f64| {
            let highest = values.entry(name).or_insert(value);
            *highest = highest.max(value);
        };
        for (name, value) in &sample.values {
            match &sample.entity {
                Entity::Host => raise(&mut self.values, name, *value),
                Entity::Gpu(gpu) if gpu.mig.is_empty() => {
                    raise(self.gpus.entry(gpu.gpu.clone()).or_default(), name, *value);
                }
                Entity::Process { .. } if *name == "process_resident_memory_bytes" => {
                    let (time, sum) = &mut self.processes;
                    *sum = if *time == sample.unix_nanos { *sum + value } else { *value };
                    *time = sample.unix_nanos;
                    raise(&mut self.values, name, *sum);
                }
                _ => {}
            }
        }
    }
}

/// Start of an interval, and its maxima.
type Row<'l> = (&'l u64, &'l Line);

fn table(lines: &BTreeMap<u64, Line>) -> Table<Row<'_>> {
    let value = |name: &'static str, text: fn(f64) -> String| {
        move |(_, line): &Row<'_>| line.values.get(name).copied().map(text).unwrap_or_default()
    };
    let gpus = |name: &'static str, text: fn(f64) -> String| {
        move |(_, line): &Row<'_>| {
            let texts = line.gpus.values().filter_map(|gpu| gpu.get(name).copied().map(text));
            texts.collect::<Vec<_>>().join(", ")
        }
    };
    Table::new(lines)
        .left("from", |(from, _)| format_local(**from))
        .right("cpu", value("cpu_usage_ratio", format_percent))
        .right("load", value("load1", |load| format!("{load:.2}")))
        .right("host memory", value("host_memory_used_bytes", format_bytes))
        .right("the service's", value("process_resident_memory_bytes", format_bytes))
        .left("GPU busy", gpus("gpu_utilization_ratio", format_percent))
        .left("GPU memory", gpus("gpu_memory_used_bytes", format_bytes))
        .left("GPU °C", gpus("gpu_temperature_celsius", |degrees| format!("{degrees:.0}")))
        .left("GPU W", gpus("gpu_power_watts", |watts| format!("{watts:.0}")))
}
