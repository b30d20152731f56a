//! When to take a glance: on a grid, while calls run, and once more after they ended.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use soundpost_core::snapshot::Activity;

use crate::schedule::{Interval, Schedule};

/// How often glances are taken, and who says whether calls run.
#[derive(Clone)]
pub struct Glances {
    /// Between two glances.
    pub interval: Interval,
    /// Asked before each glance.
    pub activity: Arc<dyn Fn() -> Activity + Send + Sync>,
}

impl fmt::Debug for Glances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Glances").field("interval", &self.interval).finish_non_exhaustive()
    }
}

/// The glances of one source.
pub(crate) struct Watch {
    glances: Glances,
    schedule: Schedule,
    before: Activity,
}

impl Watch {
    pub(crate) fn new(glances: Glances, now: Instant) -> Self {
        let schedule = Schedule::new(glances.interval, now);
        Self { glances, schedule, before: Activity::default() }
    }

    pub(crate) fn wait(&self, now: Instant) -> Duration {
        self.schedule.wait(now)
    }

    /// Whether to take a glance now: calls run, ran at the last look, or came and went since.
    pub(crate) fn is_wanted(&mut self, now: Instant) -> bool {
        if !self.schedule.take(now) {
            return false;
        }
        let activity = (self.glances.activity)();
        let before = std::mem::replace(&mut self.before, activity);
        activity.running || before.running || activity.begun != before.begun
    }
}
