//! Fast sampling: on a grid, while calls run, and once more after they ended.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use soundpost_core::snapshot::Activity;

use crate::schedule::{Interval, Schedule};

/// Interval of fast samples, and the activity of calls.
#[derive(Clone)]
pub struct FastSampling {
    /// Interval between two fast samples.
    pub interval: Interval,
    /// Returns the activity of calls; called before each fast sample.
    pub activity: Arc<dyn Fn() -> Activity + Send + Sync>,
}

impl fmt::Debug for FastSampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FastSampling").field("interval", &self.interval).finish_non_exhaustive()
    }
}

pub(crate) struct FastSampler {
    sampling: FastSampling,
    schedule: Schedule,
    before: Activity,
}

impl FastSampler {
    pub(crate) fn new(sampling: FastSampling, now: Instant) -> Self {
        let schedule = Schedule::new(sampling.interval, now);
        Self { sampling, schedule, before: Activity::default() }
    }

    pub(crate) fn wait(&self, now: Instant) -> Duration {
        self.schedule.wait(now)
    }

    /// Reports whether a fast sample is due: calls run, ran before, or began and ended since.
    pub(crate) fn is_wanted(&mut self, now: Instant) -> bool {
        if !self.schedule.take(now) {
            return false;
        }
        let activity = (self.sampling.activity)();
        let before = std::mem::replace(&mut self.before, activity);
        activity.running || before.running || activity.begun != before.begun
    }
}
