//! Exponential backoff with jitter. Pure: the caller passes the random number.

use std::time::Duration;

use crate::transport::answer::Verdict;

/// Maximum delay before the first retry.
const FIRST_DELAY: Duration = Duration::from_millis(250);
/// Minimum delay.
const MIN_DELAY: Duration = Duration::from_millis(10);
/// Maximum delay between retries of a misconfigured sink.
const MISCONFIGURED_DELAY: Duration = Duration::from_secs(60);
/// Maximum delay that a receiver can request.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The delay before the next retry, which doubles with each failure.
#[derive(Debug)]
pub(crate) struct Backoff {
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Creates a backoff with delays of at most `longest`, unless the receiver requests more.
    pub(crate) fn new(longest: Duration) -> Self {
        Self { longest, failures: 0 }
    }

    /// Restarts at the shortest delay.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns the delay after a verdict. `chance` is a uniformly distributed random number.
    pub(crate) fn delay(&mut self, verdict: &Verdict, chance: u64) -> Duration {
        let part = (chance >> 11) as f64 / (1u64 << 53) as f64;
        match verdict {
            // The jitter spreads the retries of a fleet.
            Verdict::Misconfigured(_) => MISCONFIGURED_DELAY.min(self.longest * 2).mul_f64(0.5 + part / 2.0),
            Verdict::Later { retry_after, .. } => {
                let growth = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
                self.failures = self.failures.saturating_add(1).min(31);
                let most = FIRST_DELAY.saturating_mul(growth).min(self.longest);
                let asked = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
                (asked + most.mul_f64(part)).max(MIN_DELAY).min(MAX_RETRY_AFTER.max(self.longest))
            }
            Verdict::Taken | Verdict::Refused(_) | Verdict::Faulty(_) | Verdict::TooLarge(_) => {
                Duration::ZERO
            }
        }
    }
}

/// Returns a uniformly distributed random number.
pub(crate) fn chance() -> u64 {
    getrandom::u64()
        .unwrap_or_else(|_| soundpost_core::clock::monotonic_nanos().wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(30);

    fn later(retry_after: Option<Duration>) -> Verdict {
        Verdict::Later { why: String::new(), retry_after }
    }

    #[test]
    fn delays_double_up_to_the_limit_and_restart_after_a_reset() {
        let mut backoff = Backoff::new(LONGEST);
        let mut waits = || backoff.delay(&later(None), u64::MAX).as_millis();
        let found: Vec<_> = std::iter::repeat_with(&mut waits).take(10).collect();
        assert_eq!(found, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        backoff.reset();
        assert_eq!(backoff.delay(&later(None), u64::MAX).as_millis(), 250);
        assert_eq!(backoff.delay(&later(None), 0), MIN_DELAY);
    }

    #[test]
    fn misconfigured_sink_is_retried_slowly() {
        let mut backoff = Backoff::new(LONGEST);
        let wrong = Verdict::Misconfigured(String::new());
        assert_eq!(backoff.delay(&wrong, 0), MISCONFIGURED_DELAY / 2);
        assert_eq!(backoff.delay(&wrong, u64::MAX).as_millis(), 60_000);
        // A short `longest` also limits this delay.
        assert!(Backoff::new(Duration::from_secs(1)).delay(&wrong, u64::MAX) <= Duration::from_secs(2));
    }

    proptest! {
        #[test]
        fn retry_after_is_respected_within_its_limit(
            asked in 0u64..1_000_000, failures in 0u32..100, chance in any::<u64>(),
        ) {
            let mut backoff = Backoff::new(LONGEST);
            backoff.failures = failures.min(31);
            let asked = Duration::from_secs(asked);
            let wait = backoff.delay(&later(Some(asked)), chance);
            prop_assert!(wait >= asked.min(MAX_RETRY_AFTER) && wait <= MAX_RETRY_AFTER);
            prop_assert!(wait <= asked + LONGEST + MIN_DELAY);
        }
    }
}
