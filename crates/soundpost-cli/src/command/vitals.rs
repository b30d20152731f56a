//! `soundpost vitals`: what was sampled, from the store.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::time::Duration;

use soundpost::read::store::{Entity, VitalsSample};

use super::{open_store, write_json};
use crate::arguments::{Time, Vitals, Which};
use crate::failure::Failure;
use crate::output::{Align, Table, Terminal, bytes, csv_line, local, now, percent};
use crate::rows::{self, Row};
use crate::which;

/// What is shown where nothing is said.
const LAST: Duration = Duration::from_secs(600);
/// Lines of a table, about.
const LINES: u64 = 40;
const SECOND: u64 = 1_000_000_000;
/// The shortest time that is read at once; a long time is read in so many parts.
const STRETCH: u64 = 600 * SECOND;
const PARTS: u64 = 500;

/// Shows the samples of a time.
pub(super) fn show(
    which: &Which,
    command: &Vitals,
    terminal: Terminal,
    out: &mut dyn Write,
) -> Result<i32, Failure> {
    let service = which::service(which)?;
    let store = open_store(&service)?;
    let range = range(&command.time);
    let part = (range.end.saturating_sub(range.start) / PARTS).max(STRETCH);
    let stretch = (range.end.saturating_sub(range.start) / LINES).max(SECOND);
    let mut lines: BTreeMap<u64, Line> = BTreeMap::new();
    if command.format.csv {
        writeln!(out, "{}", csv_line(rows::VITALS.map(Into::into)))?;
    }
    let mut from = range.start;
    while let Some(store) = store.as_ref().filter(|_| from < range.end) {
        let to = range.end.min(from.saturating_add(part));
        let samples = store.vitals(from..to, &[]).map_err(|error| Failure::Failed(error.to_string()))?;
        for sample in &samples {
            if command.format.json {
                write_json(out, &Row(&rows::VITALS, &rows::vitals(sample)))?;
            } else if command.format.csv {
                writeln!(out, "{}", csv_line(rows::vitals(sample).iter().map(|cell| cell.text().into())))?;
            } else {
                let line = sample.unix_nanos.saturating_sub(range.start) / stretch;
                lines.entry(range.start + line * stretch).or_default().take(sample);
            }
        }
        from = to;
    }
    if !command.format.json && !command.format.csv {
        let table = table(&lines);
        if table.is_empty() {
            eprintln!("soundpost: nothing was sampled in that time");
            return Ok(0);
        }
        for line in table.lines(terminal.paint) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(0)
}

fn range(time: &Time) -> Range<u64> {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    // What is sampled at this moment is in it.
    let until = time.until.unwrap_or_else(|| now() + SECOND);
    let last = nanos(time.last.unwrap_or(LAST));
    time.since.unwrap_or_else(|| until.saturating_sub(last))..until
}

/// The highest values of a stretch of time.
#[derive(Default)]
struct Line {
    values: BTreeMap<&'static str, f64>,
    gpus: BTreeMap<String, BTreeMap<&'static str, f64>>,
    /// Of one moment, by process: their sum is what counts.
    processes: (u64, f64),
}

impl Line {
    fn take(&mut self, sample: &VitalsSample) {
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
                    let (moment, sum) = &mut self.processes;
                    *sum = if *moment == sample.unix_nanos { *sum + value } else { *value };
                    *moment = sample.unix_nanos;
                    raise(&mut self.values, name, *sum);
                }
                _ => {}
            }
        }
    }
}

fn table(lines: &BTreeMap<u64, Line>) -> Table {
    let mut table = Table::new(&[
        ("from", Align::Left),
        ("cpu", Align::Right),
        ("load", Align::Right),
        ("host memory", Align::Right),
        ("the service's", Align::Right),
        ("GPU busy", Align::Left),
        ("GPU memory", Align::Left),
        ("GPU °C", Align::Left),
        ("GPU W", Align::Left),
    ]);
    for (from, line) in lines {
        let value = |name: &str, text: fn(f64) -> String| {
            line.values.get(name).copied().map(text).unwrap_or_default()
        };
        let gpus = |name: &str, text: fn(f64) -> String| {
            let texts: Vec<String> =
                line.gpus.values().filter_map(|gpu| gpu.get(name).copied().map(text)).collect();
            texts.join(", ")
        };
        table.row([
            local(*from),
            value("cpu_usage_ratio", percent),
            value("load1", |load| format!("{load:.2}")),
            value("host_memory_used_bytes", bytes),
            value("process_resident_memory_bytes", bytes),
            gpus("gpu_utilization_ratio", percent),
            gpus("gpu_memory_used_bytes", bytes),
            gpus("gpu_temperature_celsius", |degrees| format!("{degrees:.0}")),
            gpus("gpu_power_watts", |watts| format!("{watts:.0}")),
        ]);
    }
    table
}
