//! Backoff of starting NVML after it failed or lost a device.

use std::time::{Duration, Instant};

/// Initial delay: starting NVML takes 10 ms to a second and wakes the devices.
const FIRST: Duration = Duration::from_secs(4);
const LONGEST: Duration = Duration::from_secs(60);
/// Number of attempts before the delay doubles.
const TRIES: u32 = 8;

/// Schedule of attempts: frequent for half a minute, then with backoff.
#[derive(Debug)]
pub(super) struct Retry {
    first: Duration,
    tries: u32,
    /// Time of the next attempt; `None` before the first failure.
    due: Option<Instant>,
}

impl Retry {
    pub(super) fn first(first: Duration) -> Self {
        Self { first, tries: 0, due: None }
    }

    /// Reports whether an attempt is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| now >= due)
    }

    pub(super) fn tried(&mut self, now: Instant) {
        let doubled = (self.tries / TRIES).min(16);
        self.tries = self.tries.saturating_add(1);
        self.due = Some(now + self.first.saturating_mul(1 << doubled).min(LONGEST));
    }

    pub(super) fn settle(&mut self) {
        *self = Self::first(self.first);
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::first(FIRST)
    }
}
