//! One look at a service, as lines of text.

use std::time::Instant;

use soundpost::InFlightCall;
use soundpost::read::Service;

use super::window::Window;
use crate::describe::{labels, seconds};
use crate::figures::{Figures, Gpu, Machine};
use crate::output::{Align, Paint, Table, bytes, count, fitted, percent, plain, span, width};

/// Columns and rows there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Size {
    /// For what is not a terminal.
    pub(super) fn unbounded() -> Self {
        Self { columns: 160, rows: usize::MAX }
    }
}

/// Columns of a bar.
const BAR: usize = 20;
/// A call without progress for so long is shown as such, seconds.
const STALLED: f64 = 30.0;

pub(super) struct Frame<'a> {
    service: &'a mut Service,
    window: &'a Window,
    calls: Vec<InFlightCall>,
}

impl<'a> Frame<'a> {
    /// Looks at the service.
    pub(super) fn look(service: &'a mut Service, window: &'a mut Window) -> Self {
        let snapshot = service.snapshot();
        window.add(Instant::now(), Figures::read(&snapshot, service.prefix()));
        let calls = service.in_flight();
        Self { service, window, calls }
    }

    /// The lines that fit.
    pub(super) fn lines(&self, size: Size, paint: Paint) -> Vec<String> {
        let nothing = Figures::default();
        let figures = self.window.last().unwrap_or(&nothing);
        let mut lines = vec![self.head(figures, paint)];
        if !figures.unhealthy.is_empty() {
            lines.push(paint.bad(&format!("unhealthy: {}", plain(&figures.unhealthy.join(", ")))));
        }
        lines.extend(machine(&figures.machine, paint));
        lines.push(String::new());
        lines.extend(self.operations(figures, paint));
        lines.push(String::new());
        lines.extend(self.in_flight(paint));
        if lines.len() > size.rows {
            let hidden = lines.len() - size.rows + 1;
            lines.truncate(size.rows.saturating_sub(1));
            lines.push(paint.dim(&format!("… {hidden} more lines")));
        }
        lines.iter().map(|line| cut(line, size.columns)).collect()
    }

    fn head(&self, figures: &Figures, paint: Paint) -> String {
        let mut parts = vec![if figures.up { paint.good("up") } else { paint.bad("down") }];
        let versions: Vec<String> = figures
            .builds
            .iter()
            .map(|(version, _)| plain(version))
            .filter(|text| !text.is_empty())
            .collect();
        parts.extend((!versions.is_empty()).then(|| versions.join(", ")));
        parts.extend(self.service.agent().map(|agent| format!("agent {agent}")));
        parts.extend(self.service.address().map(|address| plain(&address)));
        format!("{}  {}", paint.bold(&plain(self.service.name())), parts.join(" · "))
    }

    fn operations(&self, figures: &Figures, paint: Paint) -> Vec<String> {
        let mut table = Table::new(&[
            ("operation", Align::Left),
            ("in flight", Align::Right),
            ("calls/s", Align::Right),
            ("calls", Align::Right),
            ("failed", Align::Right),
            ("p50", Align::Right),
            ("p95", Align::Right),
            ("first audio p50", Align::Right),
            ("p95", Align::Right),
            ("RTF p50", Align::Right),
            ("audio", Align::Right),
        ]);
        for name in figures.operations.keys() {
            let Some(recent) = self.window.recent(name) else { continue };
            let operation = &recent.operation;
            let time = |seconds: Option<f64>| seconds.map(span).unwrap_or_default();
            let rate = recent.time.map(|time| operation.finished() as f64 / time.as_secs_f64());
            table.row([
                name.clone(),
                operation.in_flight.to_string(),
                rate.map(|rate| format!("{rate:.2}")).unwrap_or_default(),
                count(operation.finished()),
                count(operation.failed),
                time(operation.duration.quantile(0.5)),
                time(operation.duration.quantile(0.95)),
                time(operation.first_audio.quantile(0.5)),
                time(operation.first_audio.quantile(0.95)),
                operation
                    .real_time_factor
                    .quantile(0.5)
                    .map(|factor| format!("{factor:.2}"))
                    .unwrap_or_default(),
                if operation.audio_seconds > 0.0 { span(operation.audio_seconds) } else { String::new() },
            ]);
        }
        if table.is_empty() {
            return vec!["no call was recorded yet".to_owned()];
        }
        let title = match self.window.time() {
            Some(time) => format!("Calls of the last {}", span(time.as_secs_f64().round())),
            None => "Calls of this run".to_owned(),
        };
        std::iter::once(paint.bold(&title)).chain(table.lines(paint)).collect()
    }

    fn in_flight(&self, paint: Paint) -> Vec<String> {
        let mut table = Table::new(&[
            ("request id", Align::Left),
            ("operation", Align::Left),
            ("labels", Align::Left),
            ("for", Align::Right),
            ("no progress for", Align::Right),
            ("stage", Align::Left),
            ("chunks", Align::Right),
            ("audio", Align::Right),
            ("process", Align::Right),
        ]);
        for call in &self.calls {
            let idle = seconds(call.since_progress);
            table.row([
                call.request_id.clone(),
                call.operation.clone(),
                labels(call.labels.iter().map(|(name, value)| (name, value))),
                span(seconds(call.age)),
                if idle >= STALLED { span(idle) } else { String::new() },
                call.stage.clone().unwrap_or_default(),
                if call.chunks > 0 { call.chunks.to_string() } else { String::new() },
                if call.audio_seconds > 0.0 { span(call.audio_seconds) } else { String::new() },
                call.pid.to_string(),
            ]);
        }
        if table.is_empty() {
            return vec!["no call is in flight".to_owned()];
        }
        std::iter::once(paint.bold("In flight")).chain(table.lines(paint)).collect()
    }
}

/// Host and GPUs with their bars.
fn machine(machine: &Machine, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    let memory = share(machine.host_memory_used_bytes, machine.host_memory_total_bytes);
    if machine.cpu_usage_ratio.is_some() || memory.is_some() {
        let load = machine.load1.map(|load| format!("load {load:.2}"));
        lines.push(line(
            "host",
            "cpu",
            machine.cpu_usage_ratio,
            memory,
            machine_memory(machine),
            load,
            paint,
        ));
    }
    for gpu in &machine.gpus {
        let memory = share(gpu.gpu_memory_used_bytes, gpu.gpu_memory_total_bytes);
        let name = format!("GPU {}", plain(&gpu.gpu));
        let text = used(gpu.gpu_memory_used_bytes, gpu.gpu_memory_total_bytes);
        lines.push(line(&name, "busy", gpu.gpu_utilization_ratio, memory, text, rest(gpu), paint));
    }
    lines
}

fn machine_memory(machine: &Machine) -> String {
    used(machine.host_memory_used_bytes, machine.host_memory_total_bytes)
}

fn rest(gpu: &Gpu) -> Option<String> {
    let parts = [
        gpu.gpu_temperature_celsius.map(|degrees| format!("{degrees:.0} °C")),
        gpu.gpu_power_watts.map(|watts| format!("{watts:.0} W")),
        Some(plain(&gpu.name)).filter(|name| !name.is_empty()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("  "))
}

fn line(
    name: &str,
    what: &str,
    busy: Option<f64>,
    memory: Option<f64>,
    text: String,
    rest: Option<String>,
    paint: Paint,
) -> String {
    let busy = busy.map(|share| format!("{what:<4} {} {:>5}", bar(share, paint), percent(share)));
    let memory = memory.map(|share| format!("mem {} {text}", bar(share, paint)));
    let parts: Vec<String> = [busy, memory, rest].into_iter().flatten().collect();
    format!("{name:<6} {}", parts.join("  "))
}

fn share(used: Option<f64>, total: Option<f64>) -> Option<f64> {
    used.zip(total.filter(|total| *total > 0.0)).map(|(used, total)| used / total)
}

fn used(used: Option<f64>, total: Option<f64>) -> String {
    match (used, total) {
        (Some(used), Some(total)) => format!("{} of {}", bytes(used), bytes(total)),
        (Some(used), None) => bytes(used),
        _ => String::new(),
    }
}

/// A bar of a share of 1.
fn bar(share: f64, paint: Paint) -> String {
    let full = (share.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    let text = "█".repeat(full);
    let painted = match share {
        share if share >= 0.95 => paint.bad(&text),
        share if share >= 0.8 => paint.warning(&text),
        _ => paint.good(&text),
    };
    painted + &paint.dim(&"░".repeat(BAR - full))
}

/// A painted line of at most `columns`; one that is cut loses its colours.
fn cut(line: &str, columns: usize) -> String {
    let mut bare = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\x1b') {
        bare.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    bare.push_str(rest);
    if width(&bare) <= columns { line.to_owned() } else { fitted(&bare, columns) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_cuts_keep_their_width() {
        let paint = Paint { colour: true };
        for share in [-1.0, 0.0, 0.5, 0.85, 1.0, 7.0, f64::NAN] {
            assert_eq!(width(&cut(&bar(share, Paint::default()), 100)), BAR, "{share}");
        }
        let painted = format!("a {}", bar(0.5, paint));
        assert_eq!(cut(&painted, 22), painted);
        assert_eq!(cut(&painted, 5), "a ██…");
    }
}
