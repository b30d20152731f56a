//! How long to wait before a command is started again.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// A command that ran for so long is taken to have been well.
const WELL: Duration = Duration::from_secs(60);

/// Doubles with each failure, up to a minute; a quarter more or less, so that services that failed together do not
/// start together.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait, of a command that ran for so long.
    pub(super) fn next(&mut self, ran: Duration) -> Duration {
        if ran >= WELL {
            self.failures = 0;
        }
        let pause = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        pause.mul_f64(0.75 + 0.5 * chance())
    }
}

/// A number from 0 to 1.
fn chance() -> f64 {
    let random = std::hash::RandomState::new().build_hasher().finish();
    random as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_begin_anew_after_a_good_time() {
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
