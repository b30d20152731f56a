//! Report of a crash: the postmortem, and five lines on the standard error.

use std::path::Path;
use std::time::Duration;

use super::child::Exit;
use super::{CommandRun, Supervisor};
use crate::format::machine_lines;
use crate::output::{Paint, format_rfc3339, format_setting, format_span, plain, unix_nanos_now};
use crate::postmortem::{self, Cause, OpenCall, Postmortem};

/// Signals that a program raises by its own fault.
const FAULT_SIGNALS: [i32; 5] = [4, 6, 7, 8, 11];
const SIGKILL: i32 = 9;

pub(super) struct CrashReport<'a> {
    pub(super) run: &'a CommandRun,
    pub(super) supervisor: &'a Supervisor<'a>,
    /// Whether the calls in flight were stored.
    pub(super) is_recovered: bool,
}

impl CrashReport<'_> {
    pub(super) fn postmortem(&self) -> Postmortem {
        let (run, observer) = (self.run, &self.supervisor.observer);
        let (cause, exit_status, signal) = match run.exit {
            Exit::Exited(status) => (Cause::Exit, Some(status), None),
            Exit::Signalled(signal) => (Cause::Signal, None, Some(signal)),
        };
        let unix_nanos = unix_nanos_now();
        let program = self.supervisor.command.command.first();
        Postmortem {
            time: format_rfc3339(unix_nanos),
            unix_nanos,
            service: self.supervisor.service.clone(),
            cause,
            exit_status,
            signal,
            out_of_memory: signal == Some(SIGKILL) && observer.is_out_of_memory(),
            program: program.map(|program| Path::new(program).display().to_string()),
            pid: Some(run.pid),
            ran_seconds: Some(run.duration.as_secs_f64()),
            calls: self.calls(),
            machine: observer.machine(),
            last_minute: observer.last_minute(),
            ..Postmortem::default()
        }
    }

    /// Returns the calls in flight, the oldest first: those that recovery found, else those of the last sample.
    fn calls(&self) -> Vec<OpenCall> {
        let Supervisor { telemetry, observer, .. } = self.supervisor;
        let sampled = || observer.calls.iter().map(OpenCall::from_in_flight).collect();
        // Processes that died before have a postmortem of their own.
        let end = self.run.started_unix.saturating_add(self.run.duration.as_nanos() as u64);
        let begin = end.saturating_sub(postmortem::SAME_CRASH).max(self.run.started_unix);
        let stored = postmortem::died_since(telemetry.directory(), begin);
        stored.filter(|_| self.is_recovered).unwrap_or_else(sampled)
    }

    /// Returns the five lines. `restart` is the delay of the restart, if there is one.
    pub(super) fn lines(&self, postmortem: &Postmortem, restart: Option<Duration>) -> [String; 5] {
        let paint = Paint::stderr();
        let service = plain(&self.supervisor.service);
        let machine = machine_lines(&postmortem.machine).join("; ");
        [
            paint.bad(&format!("{service} died: {}", postmortem.cause_text())),
            postmortem.calls_text(),
            if machine.is_empty() { "the machine was not sampled".to_owned() } else { machine },
            format!("check {}; soundpost postmortem --service {service}", advice(postmortem)),
            self.next_step(restart),
        ]
        .map(|line| format!("soundpost: {line}"))
    }

    fn next_step(&self, restart: Option<Duration>) -> String {
        let linger = self.supervisor.command.linger;
        match (restart, self.supervisor.telemetry.address()) {
            (Some(delay), _) => format!("restart in {}", format_span(delay.as_secs_f64())),
            (None, Some(address)) if !self.run.is_stop_requested && !linger.is_zero() => format!(
                "http://{}/metrics serves the last state for {}; Ctrl-C or TERM ends this at once",
                plain(&address),
                format_setting(linger)
            ),
            _ => "no restart".to_owned(),
        }
    }
}

fn advice(postmortem: &Postmortem) -> &'static str {
    match (postmortem.signal, postmortem.exit_status) {
        (Some(SIGKILL), _) if postmortem.out_of_memory => {
            "the memory growth before the crash, and the memory limit of the container or unit"
        }
        (Some(SIGKILL), _) => "the sender of the signal: dmesg for the kernel, the log of the supervisor",
        (Some(signal), _) if FAULT_SIGNALS.contains(&signal) => {
            "the output above; PYTHONFAULTHANDLER=1 or a core file has the place of the fault"
        }
        _ => "the output above",
    }
}
