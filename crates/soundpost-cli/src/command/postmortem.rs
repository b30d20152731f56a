//! `soundpost postmortem`: what the last death left.

use std::io::Write;

use super::write_json;
use crate::arguments::{Postmortem as Arguments, Which};
use crate::describe::{labels, machine};
use crate::failure::Failure;
use crate::output::{Align, Paint, Table, Terminal, bytes, local, percent, plain, span};
use crate::postmortem::{self, Look, Postmortem};
use crate::supervise::{how, in_flight};
use crate::which;

/// Shows the last one, or all.
pub(super) fn show(
    which: &Which,
    command: &Arguments,
    terminal: Terminal,
    out: &mut dyn Write,
) -> Result<i32, Failure> {
    let service = which::service(which)?;
    let mut all = postmortem::of(&service)?;
    all.reverse();
    if !command.list {
        all.truncate(1);
    }
    if all.is_empty() && !command.json {
        writeln!(out, "no death of {} is known", plain(service.name()))?;
    }
    for postmortem in &all {
        if command.json {
            write_json(out, postmortem)?;
        } else if command.list {
            writeln!(
                out,
                "{}  {}; {}",
                local(postmortem.unix_nanos),
                how(postmortem),
                in_flight(postmortem)
            )?;
        } else {
            for line in lines(postmortem, terminal.paint) {
                writeln!(out, "{line}")?;
            }
        }
    }
    Ok(0)
}

fn lines(postmortem: &Postmortem, paint: Paint) -> Vec<String> {
    let mut lines = vec![
        format!("{} died at {}", paint.bold(&plain(&postmortem.service)), local(postmortem.unix_nanos)),
        format!("  {}", paint.bad(&how(postmortem))),
    ];
    if let Some(program) = &postmortem.program {
        lines.push(format!("  it ran {}", plain(program)));
    }
    lines.push(format!("  {}", in_flight(postmortem)));
    lines.extend(machine(&postmortem.machine).into_iter().map(|line| format!("  {line}")));
    let mut calls = Table::new(&[
        ("request id", Align::Left),
        ("operation", Align::Left),
        ("labels", Align::Left),
        ("for", Align::Right),
        ("in stage", Align::Left),
        ("chunks", Align::Right),
        ("audio", Align::Right),
        ("process", Align::Right),
    ]);
    for call in &postmortem.calls {
        calls.row([
            call.request_id.clone(),
            call.operation.clone(),
            labels(&call.labels),
            span(call.duration_ms * 1e-3),
            call.stage.clone().unwrap_or_default(),
            if call.chunks > 0 { call.chunks.to_string() } else { String::new() },
            if call.audio_seconds > 0.0 { span(call.audio_seconds) } else { String::new() },
            call.pid.to_string(),
        ]);
    }
    if !calls.is_empty() {
        lines.push(String::new());
        lines.push(paint.bold("Calls in flight"));
        lines.extend(calls.lines(paint));
    }
    lines.extend(last_minute(&postmortem.last_minute, paint));
    lines
}

/// About a line for five seconds.
fn last_minute(looks: &[Look], paint: Paint) -> Vec<String> {
    let mut table = Table::new(&[
        ("before", Align::Right),
        ("cpu", Align::Right),
        ("host memory", Align::Right),
        ("the service's", Align::Right),
        ("GPU busy", Align::Left),
        ("GPU memory", Align::Left),
    ]);
    let gpus = |look: &Look, text: &dyn Fn(&crate::figures::Gpu) -> Option<String>| {
        let texts: Vec<String> = look.machine.gpus.iter().filter_map(text).collect();
        texts.join(", ")
    };
    let last = looks.len().saturating_sub(1);
    for (_, look) in looks.iter().enumerate().filter(|(index, _)| (last - index).is_multiple_of(5)) {
        let machine = &look.machine;
        table.row([
            span(look.seconds_before),
            machine.cpu_usage_ratio.map(percent).unwrap_or_default(),
            machine.host_memory_used_bytes.map(bytes).unwrap_or_default(),
            machine.process_resident_memory_bytes.map(bytes).unwrap_or_default(),
            gpus(look, &|gpu| gpu.gpu_utilization_ratio.map(percent)),
            gpus(look, &|gpu| gpu.gpu_memory_used_bytes.map(bytes)),
        ]);
    }
    if table.is_empty() {
        return Vec::new();
    }
    [String::new(), paint.bold("The minute before")].into_iter().chain(table.lines(paint)).collect()
}
