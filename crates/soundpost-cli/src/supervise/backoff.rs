//! Delay of a restart.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// Delay after the first failure.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_secs(60);
/// Run time after which the delays begin anew.
const HEALTHY_RUN: Duration = Duration::from_secs(60);

/// Exponential backoff with 25 % jitter, so that services that failed together do not restart together.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Returns the next delay, after a run of this length.
    pub(super) fn next(&mut self, ran: Duration) -> Duration {
        if ran >= HEALTHY_RUN {
            self.failures = 0;
        }
        let pause = FIRST_DELAY.saturating_mul(1 << self.failures.min(10)).min(MAX_DELAY);
        self.failures = self.failures.saturating_add(1);
        pause.mul_f64(0.75 + 0.5 * random_ratio())
    }
}

fn random_ratio() -> f64 {
    let random = std::hash::RandomState::new().build_hasher().finish();
    random as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_doubles_until_a_healthy_run() {
        let mut backoff = Backoff::default();
        let mut next = |ran: u64| backoff.next(Duration::from_secs(ran)).as_secs_f64();
        for expected in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            let pause = next(1);
            assert!((0.75 * expected..=1.25 * expected).contains(&pause), "{pause} for {expected}");
        }
        assert!(next(60) <= 1.25, "it ran well");
        assert!(next(59) >= 1.5);
    }
}
