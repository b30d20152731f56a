//! When NVML is started again after it failed or lost a device.

use std::time::{Duration, Instant};

/// Starting NVML takes 10 ms to a second and wakes the devices: not more often than this at first.
const FIRST: Duration = Duration::from_secs(4);
/// And not more often than this if it goes on.
const LONGEST: Duration = Duration::from_secs(60);
/// After so many tries the time between them doubles.
const TRIES: u32 = 8;

/// Times of tries: soon for half a minute, then ever more slowly.
#[derive(Debug)]
pub(super) struct Retry {
    first: Duration,
    tries: u32,
    /// When the next is due; none before the first failure.
    due: Option<Instant>,
}

impl Retry {
    pub(super) fn first(first: Duration) -> Self {
        Self { first, tries: 0, due: None }
    }

    /// Whether it is time for a try.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| now >= due)
    }

    /// Notes a try that failed, or one that is made now.
    pub(super) fn tried(&mut self, now: Instant) {
        let doubled = (self.tries / TRIES).min(16);
        self.tries = self.tries.saturating_add(1);
        self.due = Some(now + self.first.saturating_mul(1 << doubled).min(LONGEST));
    }

    /// All is well again.
    pub(super) fn settle(&mut self) {
        *self = Self::first(self.first);
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::first(FIRST)
    }
}
