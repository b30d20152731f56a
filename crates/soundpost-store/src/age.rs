//! The time by which age is measured. A wall clock that is suddenly ahead is not believed for a day: what it has removed
//! would be gone for good, and the clock may be wrong.

use rusqlite::Connection;

use super::limits::Now;
use super::numbers::{set_value, value};
use super::sql::whole;

/// A clock that is ahead by less was put right.
const RIGHT: u64 = 60_000_000_000;
/// One that is further ahead is believed after so long.
const DOUBTED: u64 = 24 * 60 * 60_000_000_000;

/// Where the store keeps it.
const BELIEVED_AT: &str = "believed";
const DOUBTED_AT: &str = "doubted";

/// Which time is believed; all in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age {
    believed: u64,
    /// The wall clock, when it was first seen ahead of that.
    doubted: Option<u64>,
    looked: Now,
    /// What the store has.
    saved: (u64, Option<u64>),
}

impl Age {
    /// As the store has it; of one that has nothing the wall clock is believed.
    pub(super) fn load(connection: &Connection, now: Now) -> rusqlite::Result<Self> {
        let known = |name| value(connection, name).map(|value| Some(value).filter(|value| *value > 0));
        let (believed, doubted) = (known(BELIEVED_AT)?, known(DOUBTED_AT)?);
        let saved = (believed.unwrap_or(0), doubted);
        Ok(Self { believed: believed.unwrap_or(now.unix), doubted, looked: now, saved })
    }

    /// The time that is believed now.
    pub(super) fn at(&mut self, now: Now) -> u64 {
        let passed = now.monotonic.saturating_sub(self.looked.monotonic);
        let expected = self.looked.unix.saturating_add(passed);
        self.looked = now;
        self.believed = self.believed.saturating_add(passed);
        let doubted = self.doubted.filter(|_| !is_ahead(now.unix, expected));
        self.doubted = is_ahead(now.unix, self.believed).then(|| doubted.unwrap_or(now.unix).min(now.unix));
        if self.doubted.is_none_or(|doubted| now.unix - doubted >= DOUBTED) {
            (self.believed, self.doubted) = (now.unix, None);
        }
        self.believed
    }

    /// Keeps it in the store, as exactly as it matters.
    pub(super) fn save(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let now = (self.believed, self.doubted);
        if self.saved.1 != now.1 || self.saved.0.abs_diff(now.0) >= RIGHT {
            set_value(connection, BELIEVED_AT, whole(now.0))?;
            set_value(connection, DOUBTED_AT, whole(now.1.unwrap_or(0)))?;
            self.saved = now;
        }
        Ok(())
    }
}

fn is_ahead(unix: u64, of: u64) -> bool {
    unix > of.saturating_add(RIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 60 * 60_000_000_000;
    const NOW: u64 = 1_767_323_045_000_000_000;

    /// A clock that is looked at every minute, and steps; what is believed, before each step and after the last.
    fn believed(steps: &[(u64, i64)]) -> Vec<i64> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema/0001.sql")).unwrap();
        let (mut monotonic, mut ahead) = (0, 0_i64);
        let now = |monotonic: u64, ahead: i64| Now {
            unix: (NOW + monotonic).checked_add_signed(ahead).unwrap(),
            monotonic,
        };
        let mut age = Age::load(&connection, now(0, 0)).unwrap();
        let mut seen = Vec::new();
        for (hours, step) in steps {
            for minute in 0..hours * 60 {
                monotonic += HOUR / 60;
                let at = age.at(now(monotonic, ahead));
                age.save(&connection).unwrap();
                if minute % 50 == 49 {
                    // A new process, whose monotonic clock may be another.
                    age = Age::load(&connection, now(monotonic, ahead)).unwrap();
                }
                assert!(at > 0);
            }
            let at = i128::from(age.at(now(monotonic, ahead))) - i128::from(NOW + monotonic);
            seen.push((at / i128::from(HOUR)) as i64);
            ahead += step * HOUR.cast_signed();
        }
        seen
    }

    #[test]
    fn a_step_ahead_is_believed_after_a_day_and_one_back_at_once() {
        const YEAR: i64 = 365 * 24;
        assert_eq!(believed(&[(1, YEAR), (23, 0), (2, 0)]), [0, 0, YEAR]);
        assert_eq!(believed(&[(1, YEAR), (23, -YEAR), (5, YEAR), (23, 0)]), [0, 0, 0, 0], "each anew");
        assert_eq!(believed(&[(1, -2), (1, 0), (1, 2), (23, 0), (2, 0)]), [0, -2, -2, -2, 0]);
        assert_eq!(believed(&[(1, YEAR), (20, YEAR), (23, 0), (2, 0)]), [0, 0, 0, 2 * YEAR]);
    }
}
