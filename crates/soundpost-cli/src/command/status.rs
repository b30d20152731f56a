//! `soundpost status`: state of services.

use serde::Serialize;
use soundpost::read::Service;
use soundpost::read::snapshot::{MetricSeries, MetricValue, Snapshot};
use soundpost::read::store::{Reader, SinkState, StoreUsage};
use soundpost::sink::SinkProblem;

use crate::arguments::Status;
use crate::error::CommandError;
use crate::format::{machine_lines, seconds};
use crate::output::{Output, Paint, format_bytes, format_count, format_span, plain, unix_nanos_now};
use crate::postmortem::OpenCall;
use crate::service::ServiceArgs;
use crate::summary::{Machine, ServiceSummary};
use crate::user::ADVICE;

/// State of a service, as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    service: &'a str,
    up: bool,
    loading: bool,
    pids: Vec<u32>,
    reporter_pid: Option<u32>,
    agent_pid: Option<u32>,
    address: Option<String>,
    versions: Vec<&'a str>,
    unhealthy: &'a [String],
    requests_in_flight: u64,
    /// Age of the oldest call in flight.
    oldest_seconds: Option<f64>,
    outcomes: std::collections::BTreeMap<String, u64>,
    sinks: &'a [Sink],
    #[serde(flatten)]
    machine: &'a Machine,
    store_bytes: Option<u64>,
    store_limit_bytes: Option<u64>,
    directory: String,
}

/// State of a sink. Counts begin with its first registration in the store.
#[derive(Serialize)]
struct Sink {
    sink: String,
    /// Whether the last delivery succeeded; `None` where no process ships to it.
    up: Option<bool>,
    /// Whether the receiver rejects everything until its configuration is changed.
    misconfigured: bool,
    /// Error of the last delivery, while the sink is not up.
    why: Option<String>,
    /// Time of the first failure, seconds since 1970.
    since_unix: Option<u64>,
    /// Age of the first pending record.
    lag_seconds: f64,
    accepted: u64,
    delivered: u64,
    rejected: u64,
    dropped: u64,
    erased: u64,
    pending: u64,
}

impl Sink {
    /// Returns the sinks of the store; none where it cannot be read.
    fn all(service: &Service, snapshot: &Snapshot) -> Vec<Self> {
        let reader = Reader::open(service.directory()).ok().flatten();
        let states = reader.and_then(|reader| reader.sinks().ok()).unwrap_or_default();
        let mut problems = SinkProblem::all(service.directory());
        let now = unix_nanos_now();
        let of = |state: SinkState| {
            let up = is_up(snapshot, &state.sink);
            // A problem of an earlier run is not current.
            let problem = problems.iter().position(|problem| problem.sink == state.sink && up == Some(false));
            let problem = problem.map(|index| problems.swap_remove(index));
            Self {
                up,
                misconfigured: problem.as_ref().is_some_and(|problem| problem.misconfigured),
                since_unix: problem.as_ref().map(|problem| problem.since_unix),
                why: problem.map(|problem| problem.why),
                lag_seconds: seconds(state.first_unix.map_or(0, |first| now.saturating_sub(first))),
                accepted: state.accepted,
                delivered: state.delivered,
                rejected: state.rejected.total(),
                dropped: state.dropped.total() - state.dropped.erased,
                erased: state.dropped.erased,
                pending: state.pending,
                sink: state.sink,
            }
        };
        states.into_iter().map(of).collect()
    }

    fn text(&self, paint: Paint) -> String {
        let mut state = match self.up {
            Some(true) => paint.good("up"),
            Some(false) if self.misconfigured => paint.bad("misconfigured"),
            Some(false) => paint.bad("down"),
            None => paint.dim("without a process that ships"),
        };
        if let (Some(why), Some(since)) = (&self.why, self.since_unix) {
            let failing = (unix_nanos_now() / 1_000_000_000).saturating_sub(since);
            state.push_str(&format!(" for {}: {}", format_span(failing as f64), plain(why)));
        }
        let mut text = format!("{} {state}; {} delivered", plain(&self.sink), format_count(self.delivered));
        if self.pending > 0 {
            text.push_str(&format!(
                ", {} pending for up to {}",
                format_count(self.pending),
                format_span(self.lag_seconds)
            ));
        }
        for (what, number) in [("rejected", self.rejected), ("dropped", self.dropped)] {
            if number > 0 {
                text.push_str(&format!(", {} {what}", format_count(number)));
            }
        }
        text
    }
}

/// Reads `soundpost_sink_up` of a sink.
fn is_up(snapshot: &Snapshot, sink: &str) -> Option<bool> {
    let family = snapshot.families.iter().find(|family| &*family.name == "soundpost_sink_up")?;
    let is_its = |series: &&MetricSeries| {
        series.labels.iter().any(|(name, value)| &**name == "sink" && **value == *sink)
    };
    let series = family.series.iter().find(is_its)?;
    Some(matches!(series.value, MetricValue::Float(up) if up > 0.0))
}

/// Shows the given service, or all services.
pub(super) fn show(
    service: &ServiceArgs,
    command: &Status,
    out: &mut Output<'_>,
) -> Result<i32, CommandError> {
    let all = service.all()?;
    if service.given_name().is_some() || all.is_empty() {
        return write(&mut service.open()?, 0, command, out).map(|()| 0);
    }
    for (index, located) in all.iter().enumerate() {
        if let Some(mut service) = ServiceArgs::find(located)? {
            write(&mut service, index, command, out)?;
        }
    }
    for note in service.closed() {
        eprintln!("soundpost: {note}: {ADVICE}");
    }
    Ok(0)
}

fn write(
    service: &mut Service,
    index: usize,
    command: &Status,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let snapshot = service.snapshot();
    let summary = ServiceSummary::of_snapshot(&snapshot, service.prefix());
    let oldest = service.in_flight().iter().max_by_key(|call| call.age).map(OpenCall::from_in_flight);
    let sinks = Sink::all(service, &snapshot);
    if command.json {
        return out.json(&line(service, &summary, oldest.as_ref(), &sinks));
    }
    if index > 0 {
        out.line("")?;
    }
    out.lines(lines(service, &summary, oldest.as_ref(), &sinks, out.terminal.paint))
}

fn usage(service: &Service) -> Option<StoreUsage> {
    service.store_limits().and_then(|limits| limits.usage_in(service.directory()))
}

/// Describes the size of a store.
pub(super) fn usage_text(usage: StoreUsage) -> String {
    let [bytes, limit] = [usage.bytes, usage.limit].map(|bytes| format_bytes(bytes as f64));
    let place = if usage.is_in_memory { ", an eighth of the free memory at most" } else { "" };
    format!("{bytes} of {limit}{place}")
}

fn line<'a>(
    service: &'a mut Service,
    summary: &'a ServiceSummary,
    oldest: Option<&OpenCall>,
    sinks: &'a [Sink],
) -> Line<'a> {
    let mut outcomes = std::collections::BTreeMap::new();
    for (outcome, calls) in summary.operations.values().flat_map(|operation| &operation.outcomes) {
        *outcomes.entry(outcome.clone()).or_default() += calls;
    }
    let (pids, usage) = (service.pids(), usage(service));
    Line {
        up: summary.up,
        loading: summary.loading,
        pids,
        reporter_pid: service.reporter(),
        agent_pid: service.agent(),
        address: service.address(),
        versions: summary.builds.iter().map(|(version, _)| version.as_str()).collect(),
        unhealthy: &summary.unhealthy,
        requests_in_flight: summary.in_flight(),
        oldest_seconds: oldest.map(|call| call.duration_ms * 1e-3),
        outcomes,
        sinks,
        machine: &summary.machine,
        store_bytes: usage.map(|usage| usage.bytes),
        store_limit_bytes: usage.map(|usage| usage.limit),
        directory: service.directory().display().to_string(),
        service: service.name(),
    }
}

fn lines(
    service: &mut Service,
    summary: &ServiceSummary,
    oldest: Option<&OpenCall>,
    sinks: &[Sink],
    paint: Paint,
) -> Vec<String> {
    let pids = service.pids();
    let state = match (summary.up, service.reporter()) {
        (true, _) if summary.loading => paint.dim("loading"),
        (true, _) => paint.good("up"),
        (false, Some(_)) => paint.bad("down"),
        (false, None) => paint.dim("not running"),
    };
    let mut lines = vec![format!("{}  {state}", paint.bold(&plain(service.name())))];
    let mut add =
        |name: &str, text: String| lines.push(format!("  {} {text}", paint.dim(&format!("{name:<10}"))));
    if !pids.is_empty() {
        let list = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        add("processes", format!("{} ({list})", pids.len()));
    }
    for (version, commit) in &summary.builds {
        let text = [version, commit].map(|text| plain(text)).join(" ");
        if !text.trim().is_empty() {
            add("version", text.trim().to_owned());
        }
    }
    if let Some(agent) = service.agent() {
        add("agent", format!("process {agent}"));
    }
    match (service.address(), service.reporter()) {
        (Some(address), _) => add("endpoint", format!("http://{}/metrics", plain(&address))),
        (None, Some(_)) => add("endpoint", "none".to_owned()),
        (None, None) => {}
    }
    if !summary.unhealthy.is_empty() {
        add("unhealthy", paint.bad(&plain(&summary.unhealthy.join(", "))));
    }
    if summary.up {
        let oldest = oldest.map(|call| format!("; the oldest, {}", call.text())).unwrap_or_default();
        add("in flight", format_count(summary.in_flight()) + &oldest);
    }
    for (name, operation) in summary.operations.iter().filter(|(_, operation)| operation.finished() > 0) {
        let outcomes = operation.outcomes.iter().filter(|(_, calls)| **calls > 0);
        let outcomes: Vec<String> =
            outcomes.map(|(outcome, calls)| format!("{outcome} {}", format_count(*calls))).collect();
        let median = operation.duration.quantile(0.5).map(|time| format!("; p50 {}", format_span(time)));
        add(
            "finished",
            format!("{}: {}{}", plain(name), plain(&outcomes.join(", ")), median.unwrap_or_default()),
        );
    }
    for text in machine_lines(&summary.machine) {
        add("machine", text);
    }
    for sink in sinks {
        add("sink", sink.text(paint));
    }
    if let Some(usage) = usage(service) {
        add("store", usage_text(usage));
    }
    add("files", plain(&service.directory().display().to_string()));
    lines
}
