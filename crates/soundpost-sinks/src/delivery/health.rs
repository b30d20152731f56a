//! Metrics, status file and log messages of a sink.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use soundpost_core::thread::lock;
use soundpost_core::{Calls, Counter, Error, Gauge, Merge, ServiceDir, Spec};

use super::status::SinkProblem;
use super::throttle::{Condition, LogThrottle};
use crate::format::losses::Losses;
use crate::transport::answer::Verdict;

/// Delay before a receiver that does not answer is reported as down.
const DOWN_GRACE: Duration = Duration::from_secs(2);
/// Reason of `unhealthy` while a sink's receiver does not answer.
const DOWN: &str = "sink_down";
/// Reason of `unhealthy` while a sink's receiver accepts nothing until an operator changes something.
const MISCONFIGURED: &str = "sink_misconfigured";
/// Reasons of `soundpost_sink_altered`.
const ALTERED: [&str; 4] = ["shortened", "cleaned", "left_out", "saturated"];

/// The flags and the status file that all sinks share.
pub(crate) struct SinkStatus {
    directory: ServiceDir,
    /// Problems of the failing sinks by name; `None` before the first report.
    problems: Mutex<Option<BTreeMap<String, SinkProblem>>>,
}

impl SinkStatus {
    pub(crate) fn new(directory: ServiceDir) -> Self {
        Self { directory, problems: Mutex::default() }
    }

    fn set(&self, calls: &Calls, name: &str, problem: Option<SinkProblem>) {
        let mut shown = lock(&self.problems);
        let mut problems = shown.clone().unwrap_or_default();
        let earlier = problems.remove(name);
        problems.extend(problem.map(|problem| (name.to_owned(), problem.following(earlier))));
        if shown.as_ref() == Some(&problems) {
            return;
        }
        SinkProblem::write(&self.directory, problems.values());
        for (reason, misconfigured) in [(DOWN, false), (MISCONFIGURED, true)] {
            calls.set_unhealthy(reason, problems.values().any(|known| known.misconfigured == misconfigured));
        }
        *shown = Some(problems);
    }
}

/// The metrics and log messages of one sink.
pub(crate) struct SinkMetrics {
    name: String,
    label: String,
    calls: Arc<Calls>,
    status: Arc<SinkStatus>,
    up: Gauge,
    altered: [Counter; 4],
    failing: Option<Instant>,
    /// The verdict in the status file.
    reported: Option<Verdict>,
    throttle: LogThrottle,
}

impl SinkMetrics {
    pub(crate) fn new(
        name: &str,
        label: String,
        calls: Arc<Calls>,
        status: Arc<SinkStatus>,
    ) -> Result<Self, Error> {
        let registry = calls.registry();
        let up = Spec::gauge("soundpost_sink_up")
            .help("1 if the sink's receiver accepted the last batch, or nothing was sent yet.")
            .labels(&["sink"])
            .merge(Merge::Last);
        let up = registry.family(up)?.gauge(&[name])?;
        let altered = Spec::counter("soundpost_sink_altered")
            .help("Texts, fields and names that a sink wrote in a changed form, by reason.")
            .labels(&["sink", "reason"]);
        let altered = registry.family(altered)?;
        let [shortened, cleaned, left_out, saturated] =
            ALTERED.map(|reason| altered.counter(&[name, reason]));
        up.set(1.0);
        status.set(&calls, name, None);
        Ok(Self {
            name: name.to_owned(),
            label,
            altered: [shortened?, cleaned?, left_out?, saturated?],
            calls,
            status,
            up,
            failing: None,
            reported: None,
            throttle: LogThrottle::default(),
        })
    }

    /// Counts the values that were written in a changed form.
    pub(crate) fn count_losses(&self, losses: Losses) {
        let counts = [losses.shortened, losses.cleaned, losses.left_out, losses.saturated];
        self.altered.iter().zip(counts).filter(|(_, count)| *count > 0).for_each(|(counter, count)| {
            counter.increment_by(count as f64);
        });
    }

    /// Reports the receiver as up. `pending` returns the number of pending records.
    pub(crate) fn mark_up(&mut self, pending: impl FnOnce() -> Option<u64>) {
        let Some(since) = self.failing.take() else { return };
        self.reported = None;
        self.up.set(1.0);
        self.status.set(&self.calls, &self.name, None);
        if self.throttle.is_recovery_due() {
            let message =
                format!("sink {}: back after {}; {}", self.label, span(since.elapsed()), waits(pending()));
            self.calls.registry().diagnostics().info("sink", &message);
        }
    }

    pub(crate) fn mark_failing(&mut self, verdict: &Verdict, pending: impl FnOnce() -> Option<u64>) {
        let since = *self.failing.get_or_insert_with(Instant::now);
        let (state, why) = match verdict {
            Verdict::Misconfigured(why) => (Condition::Misconfigured, why),
            Verdict::Later { why, .. } => (Condition::Down, why),
            Verdict::Taken | Verdict::Refused(_) | Verdict::Faulty(_) | Verdict::TooLarge(_) => return,
        };
        self.up.set(0.0);
        if state == Condition::Down && since.elapsed() < DOWN_GRACE {
            return;
        }
        if self.reported.as_ref() != Some(verdict) {
            self.reported = Some(verdict.clone());
            let why = self.calls.registry().redacted(why);
            let problem =
                SinkProblem::new(&self.name, state == Condition::Misconfigured, since.elapsed(), &why);
            self.status.set(&self.calls, &self.name, Some(problem));
        }
        if !self.throttle.is_failure_due(state, Instant::now()) {
            return;
        }
        let what = match state {
            Condition::Misconfigured => "does not work as it is set up, and is tried again slowly",
            _ => "is down",
        };
        let message = format!("sink {}: {what}: {why}; {}", self.label, waits(pending()));
        self.calls.registry().failures().warn("sink", &message);
    }

    /// Counts a rejected record. The first is logged, then the number once a minute.
    pub(crate) fn count_rejection(&mut self, verdict: &Verdict) {
        let (Verdict::Refused(why) | Verdict::Faulty(why) | Verdict::TooLarge(why)) = verdict else { return };
        let registry = self.calls.registry();
        let Some(count) = self.throttle.rejections_due(Instant::now()) else {
            return registry.diagnostics().count_error("sink");
        };
        let what = match count {
            1 => "a record was rejected".to_owned(),
            _ => format!("{count} records were rejected, the last"),
        };
        registry
            .diagnostics()
            .warn("sink", &registry.redacted(&format!("sink {}: {what}: {why}", self.label)));
    }

    /// Retracts the sink's problem, because another process may ship from now on.
    pub(crate) fn retract(&self) {
        self.status.set(&self.calls, &self.name, None);
    }
}

fn waits(pending: Option<u64>) -> String {
    match pending {
        Some(1) => "1 record waits for it in the store".to_owned(),
        Some(pending) => format!("{pending} records wait for it in the store"),
        None => "what waits for it is in the store".to_owned(),
    }
}

fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
