//! How long to wait before the next try. Pure: chance and time come from outside.

use std::time::Duration;

use crate::transport::answer::Verdict;

/// Longest wait before the first repetition.
const FIRST: Duration = Duration::from_millis(250);
/// Shortest of all waits.
const SHORTEST: Duration = Duration::from_millis(10);
/// Between two tries of what a person has to change.
const SLOW: Duration = Duration::from_secs(60);
/// What a receiver may ask for at most.
const ASKED: Duration = Duration::from_secs(300);

/// Waits that get longer while nothing works.
#[derive(Debug)]
pub(crate) struct Patience {
    longest: Duration,
    failures: u32,
}

impl Patience {
    /// With waits of at most so long, unless the receiver asks for more.
    pub(crate) fn new(longest: Duration) -> Self {
        Self { longest, failures: 0 }
    }

    /// Something worked.
    pub(crate) fn rest(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after a verdict that waits. `chance` is any number, each equally likely.
    pub(crate) fn wait(&mut self, verdict: &Verdict, chance: u64) -> Duration {
        let part = (chance >> 11) as f64 / (1u64 << 53) as f64;
        match verdict {
            // Long, and not of all processes of a fleet at once.
            Verdict::Misconfigured(_) => SLOW.min(self.longest * 2).mul_f64(0.5 + part / 2.0),
            Verdict::Later { retry_after, .. } => {
                let growth = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
                self.failures = self.failures.saturating_add(1).min(31);
                let most = FIRST.saturating_mul(growth).min(self.longest);
                let asked = retry_after.unwrap_or_default().min(ASKED);
                (asked + most.mul_f64(part)).max(SHORTEST).min(ASKED.max(self.longest))
            }
            Verdict::Taken | Verdict::Refused(_) | Verdict::Faulty(_) | Verdict::TooLarge(_) => {
                Duration::ZERO
            }
        }
    }
}

/// Any number, each equally likely.
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
    fn waits_get_longer_up_to_a_bound_and_begin_anew() {
        let mut patience = Patience::new(LONGEST);
        let mut waits = || patience.wait(&later(None), u64::MAX).as_millis();
        let found: Vec<_> = std::iter::repeat_with(&mut waits).take(10).collect();
        assert_eq!(found, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        patience.rest();
        assert_eq!(patience.wait(&later(None), u64::MAX).as_millis(), 250);
        assert_eq!(patience.wait(&later(None), 0), SHORTEST);
    }

    #[test]
    fn what_a_person_has_to_change_is_tried_slowly() {
        let mut patience = Patience::new(LONGEST);
        let wrong = Verdict::Misconfigured(String::new());
        assert_eq!(patience.wait(&wrong, 0), SLOW / 2);
        assert_eq!(patience.wait(&wrong, u64::MAX).as_millis(), 60_000);
        // Who wants to wait less can say so.
        assert!(Patience::new(Duration::from_secs(1)).wait(&wrong, u64::MAX) <= Duration::from_secs(2));
    }

    proptest! {
        #[test]
        fn a_receiver_is_left_alone_as_long_as_it_asks_for(
            asked in 0u64..1_000_000, failures in 0u32..100, chance in any::<u64>(),
        ) {
            let mut patience = Patience::new(LONGEST);
            patience.failures = failures.min(31);
            let asked = Duration::from_secs(asked);
            let wait = patience.wait(&later(Some(asked)), chance);
            prop_assert!(wait >= asked.min(ASKED) && wait <= ASKED);
            prop_assert!(wait <= asked + LONGEST + SHORTEST);
        }
    }
}
