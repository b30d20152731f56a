//! A crash: what is recorded of it, and the five lines that a person reads.

use std::path::Path;
use std::time::Duration;

use super::child::{Ended, signal_name};
use super::{Life, Supervisor};
use crate::describe::machine;
use crate::output::{Paint, now, plain, rfc3339, setting, span};
use crate::postmortem::{self, Cause, DeadCall, Postmortem};

/// Signals that a program gives itself by a fault of its own.
const FAULTS: [i32; 5] = [4, 6, 7, 8, 11];
const KILL: i32 = 9;

pub(super) struct Crash<'a> {
    pub(super) life: &'a Life,
    pub(super) supervisor: &'a Supervisor<'a>,
    /// Whether what was in flight is in the store.
    pub(super) recovered: bool,
}

impl Crash<'_> {
    /// What is known, for the record.
    pub(super) fn postmortem(&self) -> Postmortem {
        let (life, witness) = (self.life, &self.supervisor.witness);
        let (cause, exit_status, signal) = match life.ended {
            Ended::Exited(status) => (Cause::Exit, Some(status), None),
            Ended::Signalled(signal) => (Cause::Signal, None, Some(signal)),
        };
        let unix_nanos = now();
        let program = self.supervisor.command.command.first();
        Postmortem {
            time: rfc3339(unix_nanos),
            unix_nanos,
            service: self.supervisor.service.clone(),
            cause,
            exit_status,
            signal,
            out_of_memory: signal == Some(KILL) && witness.out_of_memory(),
            program: program.map(|program| Path::new(program).display().to_string()),
            pid: Some(life.pid),
            ran_seconds: Some(life.ran.as_secs_f64()),
            calls: self.calls(),
            machine: witness.machine(),
            last_minute: witness.last_minute(),
        }
    }

    /// Calls that were in flight, the oldest first: as recovery found them, else as they were seen last.
    fn calls(&self) -> Vec<DeadCall> {
        let Supervisor { telemetry, witness, .. } = self.supervisor;
        let seen = || witness.calls.iter().map(DeadCall::of_in_flight).collect();
        let stored = postmortem::died_since(telemetry.directory(), self.life.started_unix);
        stored.filter(|_| self.recovered).unwrap_or_else(seen)
    }

    /// The five lines; `again`: when the command is started again.
    pub(super) fn lines(&self, postmortem: &Postmortem, again: Option<Duration>) -> [String; 5] {
        let paint = Paint::stderr();
        let service = plain(&self.supervisor.service);
        let [how, calls] = [how(postmortem), in_flight(postmortem)];
        let machine = machine(&postmortem.machine).join("; ");
        let machine = if machine.is_empty() { "the machine was not sampled".to_owned() } else { machine };
        let say = |text: &str| format!("soundpost: {text}");
        [
            say(&paint.bad(&format!("{service} died: {how}"))),
            say(&calls),
            say(&machine),
            say(&format!("look at: {}", advice(postmortem))),
            say(&self.next(again)),
        ]
    }

    /// What happens now.
    fn next(&self, again: Option<Duration>) -> String {
        let linger = self.supervisor.command.linger;
        match (again, self.supervisor.telemetry.address()) {
            (Some(pause), _) => format!("it is started again in {}", span(pause.as_secs_f64())),
            (None, Some(address)) if !self.life.asked && !linger.is_zero() => format!(
                "http://{}/metrics shows the last state for {}; Ctrl-C or TERM ends it at once",
                plain(&address),
                setting(linger)
            ),
            _ => "it is not started again".to_owned(),
        }
    }
}

/// What died and how.
pub(crate) fn how(postmortem: &Postmortem) -> String {
    let ran = postmortem.ran_seconds.map(|ran| format!(" after {}", span(ran))).unwrap_or_default();
    let pid = postmortem.pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
    match (postmortem.signal, postmortem.exit_status) {
        (Some(signal), _) => {
            let memory = if postmortem.out_of_memory { ": the kernel ran out of memory for it" } else { "" };
            format!("killed by signal {signal} ({}){ran}{pid}{memory}", signal_name(signal))
        }
        (None, Some(status)) => format!("exit status {status}{ran}{pid}"),
        (None, None) => "how is not known: no agent watched".to_owned(),
    }
}

/// Calls in flight, in a sentence.
pub(crate) fn in_flight(postmortem: &Postmortem) -> String {
    let Some(oldest) = postmortem.calls.first() else { return "no call was in flight".to_owned() };
    let count = match postmortem.calls.len() {
        1 => "1 call in flight:".to_owned(),
        count => format!("{count} calls in flight; the oldest:"),
    };
    let stage = oldest.stage.as_ref().map(|stage| format!(", in stage {}", plain(stage))).unwrap_or_default();
    format!(
        "{count} {} {}, for {}{stage}",
        plain(&oldest.operation),
        plain(&oldest.request_id),
        span(oldest.duration_ms * 1e-3)
    )
}

/// What to look at.
fn advice(postmortem: &Postmortem) -> String {
    let more = format!("soundpost postmortem --service {}", plain(&postmortem.service));
    match (postmortem.signal, postmortem.exit_status) {
        (Some(KILL), _) if postmortem.out_of_memory => {
            format!("what grew before, and the memory limit of the container or unit; {more}")
        }
        (Some(KILL), _) => format!("who sent it: dmesg for the kernel, the log of the supervisor; {more}"),
        (Some(signal), _) if FAULTS.contains(&signal) => {
            format!("the output above; PYTHONFAULTHANDLER=1 or a core file says where; {more}")
        }
        _ => format!("the output above; {more}"),
    }
}
