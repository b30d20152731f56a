//! The time that ages are measured by. A wall clock that jumps forward is not trusted for a day, because retention
//! would delete records for good.

use rusqlite::Connection;

use crate::limits::Now;
use crate::schema::{set_state, state};
use crate::sql::whole;

/// Maximum forward step that is trusted at once, nanoseconds.
const TRUSTED_STEP_NANOS: u64 = 60_000_000_000;
/// Time after which a larger step is trusted, nanoseconds.
const TRUSTED_AFTER_NANOS: u64 = 24 * 60 * 60_000_000_000;
/// Names in the table `state`.
const TRUSTED: &str = "believed";
const SUSPECT: &str = "doubted";

/// Clock of retention; all times in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrustedClock {
    trusted: u64,
    /// Wall clock when it was first ahead of the trusted time.
    suspect: Option<u64>,
    last_read: Now,
    /// Trusted time and suspect as stored.
    saved: (u64, Option<u64>),
}

impl TrustedClock {
    /// Loads the clock; a store without one trusts the wall clock.
    pub(crate) fn load(connection: &Connection, now: Now) -> rusqlite::Result<Self> {
        let stored = |name| state(connection, name).map(|value| Some(value).filter(|value| *value > 0));
        let (trusted, suspect) = (stored(TRUSTED)?, stored(SUSPECT)?);
        let saved = (trusted.unwrap_or(0), suspect);
        Ok(Self { trusted: trusted.unwrap_or(now.unix), suspect, last_read: now, saved })
    }

    /// Advances the clock. Returns the trusted time.
    pub(crate) fn advance(&mut self, now: Now) -> u64 {
        let passed = now.monotonic.saturating_sub(self.last_read.monotonic);
        let expected = self.last_read.unix.saturating_add(passed);
        self.last_read = now;
        self.trusted = self.trusted.saturating_add(passed);
        let suspect = self.suspect.filter(|_| !is_ahead(now.unix, expected));
        self.suspect = is_ahead(now.unix, self.trusted).then(|| suspect.unwrap_or(now.unix).min(now.unix));
        if self.suspect.is_none_or(|suspect| now.unix - suspect >= TRUSTED_AFTER_NANOS) {
            (self.trusted, self.suspect) = (now.unix, None);
        }
        self.trusted
    }

    /// Stores the clock where it changed by more than a trusted step.
    pub(crate) fn save(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let now = (self.trusted, self.suspect);
        if self.saved.1 != now.1 || self.saved.0.abs_diff(now.0) >= TRUSTED_STEP_NANOS {
            set_state(connection, TRUSTED, whole(now.0))?;
            set_state(connection, SUSPECT, whole(now.1.unwrap_or(0)))?;
            self.saved = now;
        }
        Ok(())
    }
}

fn is_ahead(unix: u64, of: u64) -> bool {
    unix > of.saturating_add(TRUSTED_STEP_NANOS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 60 * 60_000_000_000;
    const NOW: u64 = 1_767_323_045_000_000_000;

    /// Reads a clock that steps every minute. Returns the error in hours before each step and after the last.
    fn trusted(steps: &[(u64, i64)]) -> Vec<i64> {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL, checksum INTEGER)",
            )
            .unwrap();
        let (mut monotonic, mut ahead) = (0, 0_i64);
        let now = |monotonic: u64, ahead: i64| Now {
            unix: (NOW + monotonic).checked_add_signed(ahead).unwrap(),
            monotonic,
        };
        let mut clock = TrustedClock::load(&connection, now(0, 0)).unwrap();
        let mut seen = Vec::new();
        for (hours, step) in steps {
            for minute in 0..hours * 60 {
                monotonic += HOUR / 60;
                let time = clock.advance(now(monotonic, ahead));
                clock.save(&connection).unwrap();
                if minute % 50 == 49 {
                    // A new process, whose monotonic clock may differ.
                    clock = TrustedClock::load(&connection, now(monotonic, ahead)).unwrap();
                }
                assert!(time > 0);
            }
            let error = i128::from(clock.advance(now(monotonic, ahead))) - i128::from(NOW + monotonic);
            seen.push((error / i128::from(HOUR)) as i64);
            ahead += step * HOUR.cast_signed();
        }
        seen
    }

    #[test]
    fn a_step_forward_is_trusted_after_a_day_and_back_at_once() {
        const YEAR: i64 = 365 * 24;
        assert_eq!(trusted(&[(1, YEAR), (23, 0), (2, 0)]), [0, 0, YEAR]);
        assert_eq!(trusted(&[(1, YEAR), (23, -YEAR), (5, YEAR), (23, 0)]), [0, 0, 0, 0], "each anew");
        assert_eq!(trusted(&[(1, -2), (1, 0), (1, 2), (23, 0), (2, 0)]), [0, -2, -2, -2, 0]);
        assert_eq!(trusted(&[(1, YEAR), (20, YEAR), (23, 0), (2, 0)]), [0, 0, 0, 2 * YEAR]);
    }
}
