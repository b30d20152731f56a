//! What a death left: written by `soundpost run`, or made out of the store where nobody watched.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use soundpost::read::Service;
use soundpost::read::store::{CallFilter, CallRow, Order, Reader, StoreError, VitalsSample};
use soundpost::{InFlightCall, Outcome};

use crate::failure::Failure;
use crate::figures::Machine;
use crate::output::rfc3339;

/// The file of a service's directory that has them, a line of JSON each, the latest last.
const FILE: &str = "postmortems.jsonl";
/// So many are kept.
const KEPT: usize = 50;
/// Most calls of one death that are told.
const MOST: usize = 1000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
/// Calls that ended within so long died together.
const TOGETHER: u64 = 5 * SECOND;

/// What asks for calls whose process died, the last first.
const DIED: CallFilter = CallFilter {
    since: None,
    until: None,
    outcome: Some(Outcome::Died),
    status: None,
    operation: None,
    request_id: None,
    labels: Vec::new(),
    min_duration: None,
    order: Order::Newest,
    limit: Some(MOST),
};

/// One death of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Postmortem {
    /// When, RFC 3339.
    pub(crate) time: String,
    /// The same, nanoseconds since 1970.
    pub(crate) unix_nanos: u64,
    pub(crate) service: String,
    pub(crate) cause: Cause,
    pub(crate) exit_status: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// Whether the kernel killed a process of the same control group for want of memory.
    #[serde(default)]
    pub(crate) out_of_memory: bool,
    /// The program, without its arguments: they may hold secrets.
    pub(crate) program: Option<String>,
    pub(crate) pid: Option<u32>,
    pub(crate) ran_seconds: Option<f64>,
    /// Calls that were in flight, the oldest first.
    pub(crate) calls: Vec<DeadCall>,
    /// The machine at the last look before.
    #[serde(default)]
    pub(crate) machine: Machine,
    /// The minute before, a look a second, the oldest first.
    #[serde(default)]
    pub(crate) last_minute: Vec<Look>,
}

/// How it died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// It ended with a status other than 0.
    Exit,
    /// A signal ended it.
    Signal,
    /// Nobody watched: only what was in flight is known.
    #[default]
    Unknown,
}

/// A call that was in flight.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeadCall {
    pub(crate) request_id: String,
    pub(crate) operation: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) duration_ms: f64,
    /// The stage it was in.
    pub(crate) stage: Option<String>,
    pub(crate) chunks: u64,
    pub(crate) audio_seconds: f64,
    pub(crate) pid: u32,
}

/// The machine at one moment of the last minute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Look {
    pub(crate) seconds_before: f64,
    #[serde(flatten)]
    pub(crate) machine: Machine,
}

impl DeadCall {
    /// A call as the store has it.
    fn of_row(row: &CallRow) -> Self {
        Self {
            request_id: row.request_id.clone(),
            operation: row.operation.clone(),
            labels: row.labels.iter().cloned().collect(),
            duration_ms: row.duration as f64 * 1e-6,
            stage: row.died_in.clone(),
            chunks: row.chunks,
            audio_seconds: row.audio_seconds,
            pid: row.pid,
        }
    }

    /// A call as it was seen in flight.
    pub(crate) fn of_in_flight(call: &InFlightCall) -> Self {
        Self {
            request_id: call.request_id.clone(),
            operation: call.operation.clone(),
            labels: call.labels.iter().cloned().collect(),
            duration_ms: call.age as f64 * 1e-6,
            stage: call.stage.clone(),
            chunks: call.chunks,
            audio_seconds: call.audio_seconds,
            pid: call.pid,
        }
    }
}

impl Postmortem {
    /// Adds it to those of the service.
    ///
    /// # Errors
    /// When the service's directory cannot be written.
    pub(crate) fn record(&self, service: &Service) -> std::io::Result<()> {
        let mut lines = lines(service.directory());
        lines.push(serde_json::to_string(self)?);
        let text = lines[lines.len().saturating_sub(KEPT)..].join("\n");
        service.write(FILE, &(text + "\n"))
    }

    /// Those that were recorded, the latest last. What cannot be read is left out.
    pub(crate) fn recorded(directory: &Path) -> Vec<Self> {
        lines(directory).iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

fn lines(directory: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(directory.join(FILE)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// All deaths of a service, the latest last.
///
/// # Errors
/// When none was watched and its store cannot be read.
pub(crate) fn of(service: &Service) -> Result<Vec<Postmortem>, Failure> {
    let mut all = Postmortem::recorded(service.directory());
    let unwatched = Reader::open(service.directory())
        .map_err(|error| Failure::Failed(error.to_string()))
        .and_then(|store| store.map_or(Ok(None), |store| unwatched(&store, service.name())));
    let found = match unwatched {
        // A store that cannot be read does not hide what was watched.
        Err(_) if !all.is_empty() => None,
        unwatched => unwatched?,
    };
    if let Some(found) = found {
        // What was watched is known better.
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

/// Calls whose process died since a moment, the one that ran longest first; `None` where the store cannot be read.
pub(crate) fn died_since(directory: &Path, unix_nanos: u64) -> Option<Vec<DeadCall>> {
    let store = Reader::open(directory).ok()??;
    let filter = CallFilter { since: Some(unix_nanos), ..DIED };
    Some(dead_calls(&store.calls(&filter).ok()?))
}

fn dead_calls(rows: &[CallRow]) -> Vec<DeadCall> {
    let mut calls: Vec<DeadCall> = rows.iter().map(DeadCall::of_row).collect();
    calls.sort_by(|one, other| other.duration_ms.total_cmp(&one.duration_ms));
    calls
}

/// The last death by the calls that were in flight, as the next start of the service found them.
fn unwatched(store: &Reader, service: &str) -> Result<Option<Postmortem>, Failure> {
    let failed = |error: StoreError| Failure::Failed(error.to_string());
    let mut rows = store.calls(&DIED).map_err(failed)?;
    let Some(unix_nanos) = rows.first().map(|row| row.ended_unix) else { return Ok(None) };
    // Calls of several processes that died together.
    rows.retain(|row| unix_nanos.saturating_sub(row.ended_unix) < TOGETHER);
    let calls = dead_calls(&rows);
    let samples = store.vitals(unix_nanos.saturating_sub(MINUTE)..unix_nanos, &[]).map_err(failed)?;
    let last_minute = looks(&samples, unix_nanos);
    Ok(Some(Postmortem {
        time: rfc3339(unix_nanos),
        unix_nanos,
        service: service.to_owned(),
        machine: last_minute.last().map(|look| look.machine.clone()).unwrap_or_default(),
        calls,
        last_minute,
        ..Postmortem::default()
    }))
}

/// Samples of a time as looks, a second each.
fn looks(samples: &[VitalsSample], end: u64) -> Vec<Look> {
    let mut looks: Vec<Look> = Vec::new();
    let mut second = None;
    for sample in samples {
        let before = end.saturating_sub(sample.unix_nanos) / SECOND;
        if second != Some(before) {
            second = Some(before);
            // What is not sampled in this second is as it was.
            let machine = looks.last().map(|look| look.machine.clone()).unwrap_or_default();
            let machine = Machine { process_resident_memory_bytes: None, ..machine };
            looks.push(Look { seconds_before: before as f64, machine });
        }
        if let Some(look) = looks.last_mut() {
            look.machine.take_sample(sample);
        }
    }
    looks
}
