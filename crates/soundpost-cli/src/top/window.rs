//! The last minute of a service, for recent rates and latencies.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::summary::{OperationSummary, ServiceSummary};

const WINDOW: Duration = Duration::from_secs(60);

/// Summaries of the last minute.
#[derive(Default)]
pub(super) struct Window {
    summaries: VecDeque<(Instant, ServiceSummary)>,
}

/// Recent calls of an operation.
pub(super) struct Recent {
    pub(super) operation: OperationSummary,
    /// Covered time; `None`: the whole run.
    pub(super) time: Option<Duration>,
}

impl Window {
    pub(super) fn add(&mut self, time: Instant, summary: ServiceSummary) {
        // The last summary before the window is its start.
        while self.summaries.get(1).is_some_and(|(second, _)| time.duration_since(*second) >= WINDOW) {
            self.summaries.pop_front();
        }
        // Lower counts mean that the service restarted.
        let fewer = |name: &String, before: &OperationSummary| {
            summary.operations.get(name).is_none_or(|now| now.finished() < before.finished())
        };
        if self
            .summaries
            .back()
            .is_some_and(|(_, last)| last.operations.iter().any(|(name, last)| fewer(name, last)))
        {
            self.summaries.clear();
        }
        self.summaries.push_back((time, summary));
    }

    /// Returns the calls within the window; those of the run, while there is one summary.
    pub(super) fn recent(&self, name: &str) -> Option<Recent> {
        let (last_time, now) = self.summaries.back()?;
        let operation = now.operations.get(name)?;
        let (first_time, first) = self.summaries.front()?;
        let time = last_time.duration_since(*first_time);
        if time.is_zero() {
            return Some(Recent { operation: operation.clone(), time: None });
        }
        let nothing = OperationSummary::default();
        let before = first.operations.get(name).unwrap_or(&nothing);
        Some(Recent { operation: operation.since(before), time: Some(time) })
    }

    pub(super) fn last(&self) -> Option<&ServiceSummary> {
        self.summaries.back().map(|(_, summary)| summary)
    }

    /// Returns the covered time; `None` with one summary.
    pub(super) fn time(&self) -> Option<Duration> {
        let time = self.summaries.back()?.0.duration_since(self.summaries.front()?.0);
        (!time.is_zero()).then_some(time)
    }
}
