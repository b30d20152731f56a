//! Postmortems: written by `soundpost run` and by reporters, or derived from the store where no agent watched.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use soundpost::read::Service;
use soundpost::read::store::{
    CallFilter, CallRow, LogEvent, LogFilter, Order, Reader, VitalsSample, append_postmortem,
    postmortem_lines,
};
use soundpost::{InFlightCall, Outcome};

use crate::error::CommandError;
use crate::output::{format_rfc3339, format_span, plain};
use crate::signals::signal_name;
use crate::summary::Machine;

/// Maximum number of calls in a postmortem.
const MAX_CALLS: usize = 1000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
/// Maximum number of log events in a postmortem.
const MAX_LOGS: usize = 20;
/// Number of log events of the service that are searched for those of one process.
const SEARCHED_LOGS: usize = 2000;
/// Calls that died within this time belong to one crash, nanoseconds.
pub(crate) const SAME_CRASH: u64 = 5 * SECOND;

/// Selects the calls whose process died, the last first.
const DIED: CallFilter = CallFilter {
    since: None,
    until: None,
    outcome: Some(Outcome::Died),
    status: None,
    operation: None,
    request_id: None,
    after: None,
    labels: Vec::new(),
    min_duration: None,
    order: Order::Newest,
    limit: Some(MAX_CALLS),
};

/// Crash of a service or of one of its processes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Postmortem {
    #[serde(default)]
    pub(crate) time: String,
    pub(crate) unix_nanos: u64,
    pub(crate) service: String,
    pub(crate) cause: Cause,
    /// Key of the process that died while the service lived on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<String>,
    pub(crate) exit_status: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// Whether the kernel's OOM killer ended a process of the same control group.
    #[serde(default)]
    pub(crate) out_of_memory: bool,
    /// The program without its arguments, which may contain secrets.
    pub(crate) program: Option<String>,
    pub(crate) pid: Option<u32>,
    pub(crate) ran_seconds: Option<f64>,
    /// Calls that were in flight, the oldest first.
    pub(crate) calls: Vec<OpenCall>,
    /// Last vitals before the crash.
    #[serde(default)]
    pub(crate) machine: Machine,
    /// Vitals of the minute before, one sample per second, the oldest first.
    #[serde(default)]
    pub(crate) last_minute: Vec<VitalsAt>,
    /// Last log events of the process, from the store.
    #[serde(default, skip_deserializing)]
    pub(crate) logs: Vec<LastLog>,
}

/// A log event before the crash.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LastLog {
    pub(crate) unix_nanos: u64,
    pub(crate) level: String,
    pub(crate) logger: String,
    pub(crate) message: String,
}

/// How the service ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// With an exit status other than 0.
    Exit,
    /// By a signal.
    Signal,
    /// One process without a shutdown, while the service lived on.
    Process,
    /// No agent watched: only the calls in flight are known.
    #[default]
    Unknown,
}

/// A call that is or was in flight.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenCall {
    pub(crate) request_id: String,
    pub(crate) operation: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) duration_ms: f64,
    /// Time without progress while it is in flight, seconds.
    #[serde(skip)]
    pub(crate) idle_seconds: f64,
    /// Its stage at the end.
    pub(crate) stage: Option<String>,
    pub(crate) chunks: u64,
    pub(crate) audio_seconds: f64,
    pub(crate) pid: u32,
}

/// Vitals at a time before the crash.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct VitalsAt {
    pub(crate) seconds_before: f64,
    #[serde(flatten)]
    pub(crate) machine: Machine,
}

impl OpenCall {
    fn from_row(row: &CallRow) -> Self {
        let call = &row.call;
        Self {
            request_id: call.request_id.clone(),
            operation: call.operation.clone(),
            labels: call.labels.iter().cloned().collect(),
            duration_ms: call.duration() as f64 * 1e-6,
            idle_seconds: 0.0,
            stage: call.died_in.clone(),
            chunks: call.chunks,
            audio_seconds: call.audio_seconds,
            pid: call.pid,
        }
    }

    pub(crate) fn from_in_flight(call: &InFlightCall) -> Self {
        Self {
            request_id: call.request_id.clone(),
            operation: call.operation.clone(),
            labels: call.labels.iter().cloned().collect(),
            duration_ms: call.age as f64 * 1e-6,
            idle_seconds: call.since_progress as f64 * 1e-9,
            stage: call.stage.clone(),
            chunks: call.chunks,
            audio_seconds: call.audio_seconds,
            pid: call.pid,
        }
    }

    /// Describes the call.
    pub(crate) fn text(&self) -> String {
        let stage = self.stage.as_ref().map(|stage| format!(", in stage {}", plain(stage)));
        let (operation, id) = (plain(&self.operation), plain(&self.request_id));
        format!("{operation} {id}, for {}{}", format_span(self.duration_ms * 1e-3), stage.unwrap_or_default())
    }
}

impl Postmortem {
    /// Appends the postmortem to the service's file.
    pub(crate) fn record(&self, service: &Service) -> std::io::Result<()> {
        append_postmortem(service.directory(), serde_json::to_string(self)?)
    }

    /// Adds what the store has of the time before the crash.
    fn complete(&mut self, store: &Reader) {
        let end = self.unix_nanos.saturating_add(SECOND);
        if self.time.is_empty() {
            self.time = format_rfc3339(self.unix_nanos);
        }
        if self.last_minute.is_empty() {
            let samples = store.vitals(self.unix_nanos.saturating_sub(MINUTE)..end, &[]).unwrap_or_default();
            self.last_minute = by_second(&samples, self.unix_nanos);
            self.machine = self.last_minute.last().map(|last| last.machine.clone()).unwrap_or_default();
        }
        let last = LogFilter { until: Some(end), limit: Some(SEARCHED_LOGS), ..LogFilter::default() };
        let events = store.events(&last).unwrap_or_default();
        let own = events.into_iter().map(|row| row.event).filter(|event| Some(event.pid) == self.pid);
        let log = |event: LogEvent| LastLog {
            unix_nanos: event.unix_nanos,
            level: event.level.name().to_owned(),
            logger: event.logger,
            message: event.message,
        };
        self.logs = own.take(MAX_LOGS).map(log).collect();
        self.logs.reverse();
    }

    fn key(&self) -> (Option<u32>, u64) {
        (self.pid, self.unix_nanos)
    }

    pub(crate) fn cause_text(&self) -> String {
        let ran = self.ran_seconds.map(|ran| format!(" after {}", format_span(ran))).unwrap_or_default();
        let pid = self.pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
        if self.cause == Cause::Process {
            let memory = if self.out_of_memory { "; the kernel's OOM killer ended a process" } else { "" };
            return format!("one process died, and the service lived on{pid}{memory}");
        }
        match (self.signal, self.exit_status) {
            (Some(signal), _) => {
                let memory = if self.out_of_memory { ", by the kernel's OOM killer" } else { "" };
                format!("killed by signal {signal} ({}){ran}{pid}{memory}", signal_name(signal))
            }
            (None, Some(status)) => format!("exit status {status}{ran}{pid}"),
            (None, None) => "cause unknown: no agent watched".to_owned(),
        }
    }

    pub(crate) fn calls_text(&self) -> String {
        let Some(oldest) = self.calls.first() else { return "no call was in flight".to_owned() };
        let count = match self.calls.len() {
            1 => "1 call in flight:".to_owned(),
            count => format!("{count} calls in flight; the oldest:"),
        };
        format!("{count} {}", oldest.text())
    }

    /// Returns the recorded postmortems, the latest last. Damaged lines are skipped.
    pub(crate) fn recorded(directory: &Path) -> Vec<Self> {
        postmortem_lines(directory).iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// Returns all crashes of a service, the latest last.
///
/// # Errors
/// When none is recorded and the store cannot be read.
pub(crate) fn all(service: &Service) -> Result<Vec<Postmortem>, CommandError> {
    let mut all = Postmortem::recorded(service.directory());
    // A process that `run` watched has its report.
    let watched: Vec<_> = all.iter().filter(|known| known.process.is_none()).map(Postmortem::key).collect();
    all.retain(|known| {
        let is_same = |(pid, time): &(_, u64)| *pid == known.pid && time.abs_diff(known.unix_nanos) < MINUTE;
        known.process.is_none() || !watched.iter().any(is_same)
    });
    let unwatched = Reader::open(service.directory()).map_err(CommandError::from).and_then(|store| {
        let Some(store) = store else { return Ok(None) };
        all.iter_mut().for_each(|postmortem| postmortem.complete(&store));
        unwatched(&store, service.name())
    });
    let found = match unwatched {
        // A damaged store does not hide the recorded postmortems.
        Err(_) if !all.is_empty() => None,
        unwatched => unwatched?,
    };
    if let Some(found) = found {
        // The record of an agent has more than the store.
        let known = all.iter().any(|known| {
            known.calls.iter().any(|call| found.calls.iter().any(|dead| dead.request_id == call.request_id))
        });
        if !known {
            all.push(found);
        }
    }
    all.sort_by_key(|postmortem| postmortem.unix_nanos);
    Ok(all)
}

/// Returns the calls that died since a time, the longest first; `None` where the store cannot be read.
pub(crate) fn died_since(directory: &Path, unix_nanos: u64) -> Option<Vec<OpenCall>> {
    let store = Reader::open(directory).ok()??;
    let filter = CallFilter { since: Some(unix_nanos), ..DIED };
    Some(dead_calls(&store.calls(&filter).ok()?))
}

fn dead_calls(rows: &[CallRow]) -> Vec<OpenCall> {
    let mut calls: Vec<OpenCall> = rows.iter().map(OpenCall::from_row).collect();
    calls.sort_by(|one, other| other.duration_ms.total_cmp(&one.duration_ms));
    calls
}

/// Derives the last crash from the calls that the next start of the service found in flight.
fn unwatched(store: &Reader, service: &str) -> Result<Option<Postmortem>, CommandError> {
    let mut rows = store.calls(&DIED)?;
    let Some(unix_nanos) = rows.first().map(|row| row.call.ended_unix) else { return Ok(None) };
    rows.retain(|row| unix_nanos.saturating_sub(row.call.ended_unix) < SAME_CRASH);
    let calls = dead_calls(&rows);
    let samples = store.vitals(unix_nanos.saturating_sub(MINUTE)..unix_nanos, &[])?;
    let last_minute = by_second(&samples, unix_nanos);
    Ok(Some(Postmortem {
        time: format_rfc3339(unix_nanos),
        unix_nanos,
        service: service.to_owned(),
        machine: last_minute.last().map(|last| last.machine.clone()).unwrap_or_default(),
        calls,
        last_minute,
        ..Postmortem::default()
    }))
}

/// Groups samples by second.
fn by_second(samples: &[VitalsSample], end: u64) -> Vec<VitalsAt> {
    let mut seconds: Vec<VitalsAt> = Vec::new();
    let mut second = None;
    for sample in samples {
        let before = end.saturating_sub(sample.unix_nanos) / SECOND;
        if second != Some(before) {
            second = Some(before);
            // A value without a sample in this second is that of the second before.
            let machine = seconds.last().map(|last| last.machine.clone()).unwrap_or_default();
            let machine = Machine { process_resident_memory_bytes: None, ..machine };
            seconds.push(VitalsAt { seconds_before: before as f64, machine });
        }
        if let Some(last) = seconds.last_mut() {
            last.machine.add_sample(sample);
        }
    }
    seconds
}
