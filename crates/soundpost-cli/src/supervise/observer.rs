//! Observation of a service, once a second, for the postmortem.

use std::collections::VecDeque;
use std::time::Instant;

use soundpost::binding::oom_kills;
use soundpost::{InFlightCall, Telemetry};

use crate::postmortem::VitalsAt;
use crate::summary::{Machine, ServiceSummary};

/// Number of samples that are kept: those of a minute.
const MAX_SAMPLES: usize = 60;

#[derive(Default)]
pub(super) struct ServiceObserver {
    samples: VecDeque<(Instant, Machine)>,
    /// Calls in flight at the last sample.
    pub(super) calls: Vec<InFlightCall>,
    /// OOM kills before the run.
    kills_before: Option<u64>,
}

impl ServiceObserver {
    /// Begins with a new run of the command; the samples of the machine stay.
    pub(super) fn begin_run(&mut self) {
        self.calls.clear();
        self.kills_before = oom_kills();
    }

    pub(super) fn sample(&mut self, telemetry: &Telemetry) {
        let summary = ServiceSummary::of_snapshot(&telemetry.snapshot(), &telemetry.namespace());
        if self.samples.len() == MAX_SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((Instant::now(), summary.machine));
        self.calls = telemetry.in_flight();
    }

    /// Whether the OOM killer ended a process in this run.
    pub(super) fn is_out_of_memory(&self) -> bool {
        self.kills_before.zip(oom_kills()).is_some_and(|(before, now)| now > before)
    }

    pub(super) fn machine(&self) -> Machine {
        self.samples.back().map(|(_, machine)| machine.clone()).unwrap_or_default()
    }

    /// Returns the samples of the last minute, the oldest first.
    pub(super) fn last_minute(&self) -> Vec<VitalsAt> {
        let sample = |(time, machine): &(Instant, Machine)| VitalsAt {
            seconds_before: (time.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            machine: machine.clone(),
        };
        self.samples.iter().map(sample).collect()
    }
}
