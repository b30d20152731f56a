//! `soundpost postmortem`: the last crash of a service.

use crate::arguments::Postmortem as PostmortemArgs;
use crate::error::CommandError;
use crate::format::{CallLine, call_table, labels_text, machine_lines};
use crate::output::{
    Align, Output, Paint, Table, format_bytes, format_local, format_percent, format_span, plain,
};
use crate::postmortem::{self, Postmortem, VitalsAt};
use crate::service::ServiceArgs;
use crate::summary::GpuSummary;

/// Samples of the last minute that share a line.
const SAMPLES_PER_LINE: usize = 5;

/// Shows the last crash, or lists all.
pub(super) fn show(
    service: &ServiceArgs,
    command: &PostmortemArgs,
    out: &mut Output<'_>,
) -> Result<i32, CommandError> {
    let service = service.open()?;
    let mut all = postmortem::all(&service)?;
    all.reverse();
    if !command.list {
        all.truncate(1);
    }
    if all.is_empty() && !command.json {
        out.line(format!("no crash of {} is known", plain(service.name())))?;
    }
    for postmortem in &all {
        if command.json {
            out.json(postmortem)?;
        } else if command.list {
            let (cause, calls) = (postmortem.cause_text(), postmortem.calls_text());
            out.line(format!("{}  {cause}; {calls}", format_local(postmortem.unix_nanos)))?;
        } else {
            out.lines(lines(postmortem, out.terminal.paint))?;
        }
    }
    Ok(0)
}

fn lines(postmortem: &Postmortem, paint: Paint) -> Vec<String> {
    let (service, time) = (plain(&postmortem.service), format_local(postmortem.unix_nanos));
    let mut lines = vec![
        format!("{} died at {time}", paint.bold(&service)),
        format!("  {}", paint.bad(&postmortem.cause_text())),
    ];
    lines.extend(postmortem.program.iter().map(|program| format!("  command: {}", plain(program))));
    lines.push(format!("  {}", postmortem.calls_text()));
    lines.extend(machine_lines(&postmortem.machine).into_iter().map(|line| format!("  {line}")));
    let calls = call_table(postmortem.calls.iter().map(|call| CallLine {
        request_id: &call.request_id,
        operation: &call.operation,
        labels: labels_text(&call.labels),
        seconds: call.duration_ms * 1e-3,
        stalled: String::new(),
        stage: call.stage.as_ref(),
        chunks: call.chunks,
        audio_seconds: call.audio_seconds,
        pid: call.pid,
    }));
    for (title, table) in
        [("Calls in flight", calls), ("The minute before", last_minute(&postmortem.last_minute))]
    {
        if !table.is_empty() {
            lines.extend([String::new(), paint.bold(title)]);
            lines.extend(table.lines(paint));
        }
    }
    lines
}

fn last_minute(samples: &[VitalsAt]) -> Table {
    let mut table = Table::new(&[
        ("before", Align::Right),
        ("cpu", Align::Right),
        ("host memory", Align::Right),
        ("the service's", Align::Right),
        ("GPU busy", Align::Left),
        ("GPU memory", Align::Left),
    ]);
    for sample in samples.iter().rev().step_by(SAMPLES_PER_LINE).rev() {
        let machine = &sample.machine;
        let gpus = |text: &dyn Fn(&GpuSummary) -> Option<String>| {
            machine.gpus.iter().filter_map(text).collect::<Vec<_>>().join(", ")
        };
        table.row([
            format_span(sample.seconds_before),
            machine.cpu_usage_ratio.map(format_percent).unwrap_or_default(),
            machine.host_memory_used_bytes.map(format_bytes).unwrap_or_default(),
            machine.process_resident_memory_bytes.map(format_bytes).unwrap_or_default(),
            gpus(&|gpu| gpu.gpu_utilization_ratio.map(format_percent)),
            gpus(&|gpu| gpu.gpu_memory_used_bytes.map(format_bytes)),
        ]);
    }
    table
}
