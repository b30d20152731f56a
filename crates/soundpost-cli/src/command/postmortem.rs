//! `soundpost postmortem`: the last crash of a service.

use crate::arguments::Postmortem as PostmortemArgs;
use crate::error::CommandError;
use crate::format::{call_table, machine_lines};
use crate::output::{Output, Paint, Table, format_bytes, format_local, format_percent, format_span, plain};
use crate::postmortem::{self, Postmortem, VitalsAt};
use crate::service::ServiceArgs;
use crate::summary::GpuSummary;

/// Samples of the last minute that share a line.
const SAMPLES_PER_LINE: usize = 5;

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
    let calls = call_table(&postmortem.calls).lines(paint);
    let minute = last_minute(&postmortem.last_minute).lines(paint);
    let logs = Table::new(&postmortem.logs)
        .left("time", |log| format_local(log.unix_nanos))
        .left("level", |log| log.level.clone())
        .left("logger", |log| plain(&log.logger))
        .left("message", |log| plain(&log.message))
        .lines(paint);
    for (title, table) in
        [("Calls in flight", calls), ("Last log events", logs), ("The minute before", minute)]
    {
        if !table.is_empty() {
            lines.extend([String::new(), paint.bold(title)]);
            lines.extend(table);
        }
    }
    lines
}

fn last_minute(samples: &[VitalsAt]) -> Table<&VitalsAt> {
    let gpus = |sample: &VitalsAt, text: &dyn Fn(&GpuSummary) -> Option<String>| {
        sample.machine.gpus.iter().filter_map(text).collect::<Vec<_>>().join(", ")
    };
    let bytes = |bytes: Option<f64>| bytes.map(format_bytes).unwrap_or_default();
    let percent = |ratio: Option<f64>| ratio.map(format_percent);
    Table::new(samples.iter().rev().step_by(SAMPLES_PER_LINE).rev())
        .right("before", |sample| format_span(sample.seconds_before))
        .right("cpu", |sample| percent(sample.machine.cpu_usage_ratio).unwrap_or_default())
        .right("host memory", |sample| bytes(sample.machine.host_memory_used_bytes))
        .right("the service's", |sample| bytes(sample.machine.process_resident_memory_bytes))
        .left("GPU busy", |sample| gpus(sample, &|gpu| percent(gpu.gpu_utilization_ratio)))
        .left("GPU memory", |sample| gpus(sample, &|gpu| gpu.gpu_memory_used_bytes.map(format_bytes)))
}
