//! State of a service as lines of text.

use std::time::Instant;

use soundpost::read::Service;

use super::window::{Recent, Window};
use crate::format::{call_table, gpu_details, span_or_nothing, used_of_total};
use crate::output::{
    Paint, Table, display_width, format_count, format_percent, format_span, plain, truncate,
};
use crate::postmortem::OpenCall;
use crate::summary::{Buckets, Machine, ServiceSummary};

#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Size {
    /// Size without a terminal.
    pub(super) fn unbounded() -> Self {
        Self { columns: 160, rows: usize::MAX }
    }
}

/// Width of a bar, columns.
const BAR_COLUMNS: usize = 20;

pub(super) struct Frame<'a> {
    service: &'a mut Service,
    window: &'a Window,
    calls: Vec<OpenCall>,
}

impl<'a> Frame<'a> {
    pub(super) fn read(service: &'a mut Service, window: &'a mut Window) -> Self {
        let snapshot = service.snapshot();
        window.add(Instant::now(), ServiceSummary::of_snapshot(&snapshot, service.prefix()));
        let calls = service.in_flight().iter().map(OpenCall::from_in_flight).collect();
        Self { service, window, calls }
    }

    pub(super) fn lines(&self, size: Size, paint: Paint) -> Vec<String> {
        let nothing = ServiceSummary::default();
        let summary = self.window.last().unwrap_or(&nothing);
        let mut lines = vec![self.title(summary, paint)];
        if !summary.unhealthy.is_empty() {
            lines.push(paint.bad(&format!("unhealthy: {}", plain(&summary.unhealthy.join(", ")))));
        }
        lines.extend(machine_bars(&summary.machine, paint));
        lines.push(String::new());
        lines.extend(self.operations(summary, paint));
        lines.push(String::new());
        lines.extend(self.in_flight(paint));
        if lines.len() > size.rows {
            let hidden = lines.len() - size.rows + 1;
            lines.truncate(size.rows.saturating_sub(1));
            lines.push(paint.dim(&format!("… {hidden} more lines")));
        }
        lines.iter().map(|line| truncate_painted(line, size.columns)).collect()
    }

    fn title(&self, summary: &ServiceSummary, paint: Paint) -> String {
        let mut parts = vec![match (summary.up, summary.loading) {
            (true, false) => paint.good("up"),
            (true, true) => paint.dim("loading"),
            (false, _) => paint.bad("down"),
        }];
        let versions: Vec<String> = summary.builds.iter().map(|(version, _)| plain(version)).collect();
        let versions: Vec<String> = versions.into_iter().filter(|version| !version.is_empty()).collect();
        parts.extend((!versions.is_empty()).then(|| versions.join(", ")));
        parts.extend(self.service.agent().map(|agent| format!("agent {agent}")));
        parts.extend(self.service.address().map(|address| plain(&address)));
        format!("{}  {}", paint.bold(&plain(self.service.name())), parts.join(" · "))
    }

    fn operations(&self, summary: &ServiceSummary, paint: Paint) -> Vec<String> {
        let rows = summary.operations.keys();
        let rows = rows.filter_map(|name| Some((name, self.window.recent(name)?)));
        let time =
            |buckets: &Buckets, quantile| buckets.quantile(quantile).map(format_span).unwrap_or_default();
        let number = |number: Option<f64>| number.map(|number| format!("{number:.2}")).unwrap_or_default();
        let rate = |recent: &Recent| Some(recent.operation.finished() as f64 / recent.time?.as_secs_f64());
        let table = Table::new(rows)
            .left("operation", |(name, _)| (*name).clone())
            .right("in flight", |(_, recent)| recent.operation.in_flight.to_string())
            .right("calls/s", |(_, recent)| number(rate(recent)))
            .right("calls", |(_, recent)| format_count(recent.operation.finished()))
            .right("failed", |(_, recent)| format_count(recent.operation.failed))
            .right("p50", |(_, recent)| time(&recent.operation.duration, 0.5))
            .right("p95", |(_, recent)| time(&recent.operation.duration, 0.95))
            .right("first audio p50", |(_, recent)| time(&recent.operation.first_audio, 0.5))
            .right("p95", |(_, recent)| time(&recent.operation.first_audio, 0.95))
            .right("RTF p50", |(_, recent)| number(recent.operation.real_time_factor.quantile(0.5)))
            .right("audio", |(_, recent)| span_or_nothing(recent.operation.audio_seconds));
        let title = match self.window.time() {
            Some(time) => format!("Calls of the last {}", format_span(time.as_secs_f64().round())),
            None => "Calls of this run".to_owned(),
        };
        titled(&title, &table, paint, "no call was recorded yet")
    }

    fn in_flight(&self, paint: Paint) -> Vec<String> {
        titled("In flight", &call_table(&self.calls), paint, "no call is in flight")
    }
}

/// Returns a table under a title, or a text where it is empty.
fn titled<R>(title: &str, table: &Table<R>, paint: Paint, empty: &str) -> Vec<String> {
    match table.lines(paint) {
        lines if lines.is_empty() => vec![empty.to_owned()],
        lines => [vec![paint.bold(title)], lines].concat(),
    }
}

/// Returns a line with bars for the host and for each GPU.
fn machine_bars(machine: &Machine, paint: Paint) -> Vec<String> {
    let line = |name: &str, busy: Option<String>, memory: Option<String>, details: Vec<String>| {
        let details = Some(details.join("  ")).filter(|details| !details.is_empty());
        let parts: Vec<String> = busy.into_iter().chain(memory).chain(details).collect();
        (!parts.is_empty()).then(|| format!("{name:<6} {}", parts.join("  ")))
    };
    let busy = |label: &str, ratio: Option<f64>| {
        ratio.map(|ratio| format!("{label:<4} {} {:>5}", bar(ratio, paint), format_percent(ratio)))
    };
    let memory = |used: Option<f64>, total: Option<f64>| {
        let (used, capacity) = used.zip(total.filter(|total| *total > 0.0))?;
        Some(format!("mem {} {}", bar(used / capacity, paint), used_of_total(used, total)))
    };
    let host_memory = memory(machine.host_memory_used_bytes, machine.host_memory_total_bytes);
    let host_busy = busy("cpu", machine.cpu_usage_ratio);
    let load = machine.load1.filter(|_| host_busy.is_some() || host_memory.is_some());
    let load = load.map(|load| format!("load {load:.2}")).into_iter().collect();
    let gpus = machine.gpus.iter().filter_map(|gpu| {
        let memory = memory(gpu.gpu_memory_used_bytes, gpu.gpu_memory_total_bytes);
        let name = format!("GPU {}", plain(&gpu.gpu));
        line(&name, busy("busy", gpu.gpu_utilization_ratio), memory, gpu_details(gpu).collect())
    });
    line("host", host_busy, host_memory, load).into_iter().chain(gpus).collect()
}

fn bar(ratio: f64, paint: Paint) -> String {
    let full = (ratio.clamp(0.0, 1.0) * BAR_COLUMNS as f64).round() as usize;
    let text = "█".repeat(full);
    let painted = match ratio {
        ratio if ratio >= 0.95 => paint.bad(&text),
        ratio if ratio >= 0.8 => paint.warning(&text),
        _ => paint.good(&text),
    };
    painted + &paint.dim(&"░".repeat(BAR_COLUMNS - full))
}

/// Truncates a painted line to `columns`. A line that is cut loses its colours.
fn truncate_painted(line: &str, columns: usize) -> String {
    let mut bare = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\x1b') {
        bare.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    bare.push_str(rest);
    if display_width(&bare) <= columns { line.to_owned() } else { truncate(&bare, columns) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_keeps_its_width() {
        for ratio in [-1.0, 0.0, 0.5, 0.85, 1.0, 7.0, f64::NAN] {
            let bar = truncate_painted(&bar(ratio, Paint::default()), 100);
            assert_eq!(display_width(&bar), BAR_COLUMNS, "{ratio}");
        }
    }

    #[test]
    fn painted_line_is_truncated_by_columns() {
        let painted = format!("a {}", bar(0.5, Paint { colour: true }));
        assert_eq!(truncate_painted(&painted, 22), painted);
        assert_eq!(truncate_painted(&painted, 5), "a ██…");
    }
}
