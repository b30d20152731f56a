//! `soundpost status`: what is running.

use std::io::Write;

use serde::Serialize;
use soundpost::InFlightCall;
use soundpost::read::Service;
use soundpost::read::snapshot::{MetricSeries, MetricValue, Snapshot};
use soundpost::read::store::{Reader, SinkState};
use soundpost::sink::SinkProblem;

use super::write_json;
use crate::arguments::{Status, Which};
use crate::describe::{machine, oldest, seconds};
use crate::failure::Failure;
use crate::figures::{Figures, Machine};
use crate::output::{Paint, Terminal, count, now, plain, span};
use crate::which;

/// A service, as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    service: &'a str,
    up: bool,
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
    directory: String,
}

/// A sink: records since it is known to the store.
#[derive(Serialize)]
struct Sink {
    sink: String,
    /// Whether its receiver took what it was last sent; none where no process ships to it.
    up: Option<bool>,
    /// Whether the receiver takes nothing before a person changes something.
    misconfigured: bool,
    /// What the last try came to, while it is not up.
    why: Option<String>,
    /// Since when, seconds since 1970.
    since_unix: Option<u64>,
    /// Age of the first record that it is still to ship.
    lag_seconds: f64,
    accepted: u64,
    delivered: u64,
    rejected: u64,
    dropped: u64,
    pending: u64,
}

impl Sink {
    /// Those that the store knows; none where it cannot be read.
    fn all(service: &Service, snapshot: &Snapshot) -> Vec<Self> {
        let reader = Reader::open(service.directory()).ok().flatten();
        let states = reader.and_then(|reader| reader.sinks().ok()).unwrap_or_default();
        let mut problems = SinkProblem::all(service.directory());
        let now = now();
        let of = |state: SinkState| {
            let up = is_up(snapshot, &state.sink);
            // What an earlier run left is not how things stand.
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
                dropped: state.dropped.total(),
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
            None => paint.dim("not shipped to"),
        };
        if let (Some(why), Some(since)) = (&self.why, self.since_unix) {
            let failing = (now() / 1_000_000_000).saturating_sub(since);
            state.push_str(&format!(" for {}: {}", span(failing as f64), plain(why)));
        }
        let mut text = format!("{} {state}; {} delivered", plain(&self.sink), count(self.delivered));
        if self.pending > 0 {
            text.push_str(&format!(", {} pending for up to {}", count(self.pending), span(self.lag_seconds)));
        }
        for (what, number) in [("rejected", self.rejected), ("dropped", self.dropped)] {
            if number > 0 {
                text.push_str(&format!(", {} {what}", count(number)));
            }
        }
        text
    }
}

/// What the service's segments say.
fn is_up(snapshot: &Snapshot, sink: &str) -> Option<bool> {
    let family = snapshot.families.iter().find(|family| &*family.name == "soundpost_sink_up")?;
    let is_its = |series: &&MetricSeries| {
        series.labels.iter().any(|(name, value)| &**name == "sink" && **value == *sink)
    };
    let series = family.series.iter().find(is_its)?;
    Some(matches!(series.value, MetricValue::Float(up) if up > 0.0))
}

/// Shows the service that is meant, or all where none is named.
pub(super) fn show(
    which: &Which,
    command: &Status,
    terminal: Terminal,
    out: &mut dyn Write,
) -> Result<i32, Failure> {
    let services = match which::named(which) {
        Some(_) => vec![which::service(which)?],
        None => {
            let directory = which::directory(which);
            let names = Service::all(&directory);
            if names.is_empty() {
                // For the message.
                which::name(which)?;
            }
            let found = names.iter().filter_map(|name| Service::find(&directory, name).transpose());
            found.collect::<Result<_, _>>()?
        }
    };
    for (index, mut service) in services.into_iter().enumerate() {
        let snapshot = service.snapshot();
        let figures = Figures::read(&snapshot, service.prefix());
        let calls = service.in_flight();
        let sinks = Sink::all(&service, &snapshot);
        if command.json {
            write_json(out, &line(&mut service, &figures, &calls, &sinks))?;
        } else {
            if index > 0 {
                writeln!(out)?;
            }
            for text in lines(&mut service, &figures, &calls, &sinks, terminal.paint) {
                writeln!(out, "{text}")?;
            }
        }
    }
    Ok(0)
}

fn line<'a>(
    service: &'a mut Service,
    figures: &'a Figures,
    calls: &[InFlightCall],
    sinks: &'a [Sink],
) -> Line<'a> {
    let mut outcomes = std::collections::BTreeMap::new();
    for (outcome, calls) in figures.operations.values().flat_map(|operation| &operation.outcomes) {
        *outcomes.entry(outcome.clone()).or_default() += calls;
    }
    let pids = service.pids();
    Line {
        up: figures.up,
        pids,
        reporter_pid: service.reporter(),
        agent_pid: service.agent(),
        address: service.address(),
        versions: figures.builds.iter().map(|(version, _)| version.as_str()).collect(),
        unhealthy: &figures.unhealthy,
        requests_in_flight: figures.in_flight(),
        oldest_seconds: oldest(calls).map(|call| seconds(call.age)),
        outcomes,
        sinks,
        machine: &figures.machine,
        directory: service.directory().display().to_string(),
        service: service.name(),
    }
}

fn lines(
    service: &mut Service,
    figures: &Figures,
    calls: &[InFlightCall],
    sinks: &[Sink],
    paint: Paint,
) -> Vec<String> {
    let pids = service.pids();
    let state = match (figures.up, service.reporter()) {
        (true, _) => paint.good("up"),
        (false, Some(_)) => paint.bad("down"),
        (false, None) => paint.dim("not running"),
    };
    let mut lines = vec![format!("{}  {state}", paint.bold(&plain(service.name())))];
    let mut say =
        |name: &str, text: String| lines.push(format!("  {} {text}", paint.dim(&format!("{name:<10}"))));
    if !pids.is_empty() {
        let list = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        say("processes", format!("{} ({list})", pids.len()));
    }
    for (version, commit) in &figures.builds {
        let text = [version, commit].map(|text| plain(text)).join(" ");
        if !text.trim().is_empty() {
            say("version", text.trim().to_owned());
        }
    }
    if let Some(agent) = service.agent() {
        say("agent", format!("process {agent}"));
    }
    match (service.address(), service.reporter()) {
        (Some(address), _) => say("endpoint", format!("http://{}/metrics", plain(&address))),
        (None, Some(_)) => say("endpoint", "none".to_owned()),
        (None, None) => {}
    }
    if !figures.unhealthy.is_empty() {
        say("unhealthy", paint.bad(&plain(&figures.unhealthy.join(", "))));
    }
    if figures.up {
        say("in flight", in_flight(figures, calls));
    }
    for (name, operation) in figures.operations.iter().filter(|(_, operation)| operation.finished() > 0) {
        let outcomes = operation.outcomes.iter().filter(|(_, calls)| **calls > 0);
        let outcomes: Vec<String> =
            outcomes.map(|(outcome, calls)| format!("{outcome} {}", count(*calls))).collect();
        let median = operation.duration.quantile(0.5).map(|time| format!("; half within {}", span(time)));
        say(
            "finished",
            format!("{}: {}{}", plain(name), plain(&outcomes.join(", ")), median.unwrap_or_default()),
        );
    }
    for text in machine(&figures.machine) {
        say("machine", text);
    }
    for sink in sinks {
        say("sink", sink.text(paint));
    }
    say("files", plain(&service.directory().display().to_string()));
    lines
}

fn in_flight(figures: &Figures, calls: &[InFlightCall]) -> String {
    let Some(oldest) = oldest(calls) else { return count(figures.in_flight()) };
    let stage = oldest.stage.as_ref().map(|stage| format!(", in stage {}", plain(stage)));
    format!(
        "{}; the oldest, {} {}, for {}{}",
        count(figures.in_flight()),
        plain(&oldest.operation),
        plain(&oldest.request_id),
        span(seconds(oldest.age)),
        stage.unwrap_or_default()
    )
}
