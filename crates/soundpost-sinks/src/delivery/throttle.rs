//! Limits a sink's log messages. Pure: the caller passes the time.

use std::time::{Duration, Instant};

/// Minimum interval between two messages of the same kind: down, misconfigured, rejected records.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    #[default]
    Up,
    Down,
    Misconfigured,
}

/// The log messages of a sink so far.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle {
    /// Last condition written to the log.
    logged: Condition,
    down: Option<Instant>,
    misconfigured: Option<Instant>,
    rejected: Option<Instant>,
    /// Rejections that were not logged.
    unlogged: u64,
}

impl LogThrottle {
    /// Returns whether to log a failure. The caller asks again while it lasts, because a repetition is logged later.
    pub(crate) fn is_failure_due(&mut self, state: Condition, now: Instant) -> bool {
        let last = match state {
            Condition::Up => return false,
            Condition::Down => &mut self.down,
            Condition::Misconfigured => &mut self.misconfigured,
        };
        let is_due = self.logged != state && has_elapsed(*last, now);
        if is_due {
            (self.logged, *last) = (state, Some(now));
        }
        is_due
    }

    /// Returns whether to log a recovery: always after a logged failure.
    pub(crate) fn is_recovery_due(&mut self) -> bool {
        std::mem::take(&mut self.logged) != Condition::Up
    }

    /// Counts a rejection. Returns the number of unlogged rejections once per interval.
    pub(crate) fn rejections_due(&mut self, now: Instant) -> Option<u64> {
        self.unlogged += 1;
        if !has_elapsed(self.rejected, now) {
            return None;
        }
        self.rejected = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

fn has_elapsed(last: Option<Instant>, now: Instant) -> bool {
    last.is_none_or(|last| now.saturating_duration_since(last) >= LOG_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the messages of conditions at these seconds; `None` is a success.
    fn lines(happens: &[(u64, Option<Condition>)]) -> Vec<(u64, &'static str)> {
        let (mut throttle, start) = (LogThrottle::default(), Instant::now());
        let mut lines = Vec::new();
        for (second, what) in happens {
            let now = start + Duration::from_secs(*second);
            let line = match what {
                None => throttle.is_recovery_due().then_some("back"),
                Some(Condition::Down) => throttle.is_failure_due(Condition::Down, now).then_some("down"),
                Some(state) => throttle.is_failure_due(*state, now).then_some("misconfigured"),
            };
            lines.extend(line.map(|line| (*second, line)));
        }
        lines
    }

    const DOWN: Option<Condition> = Some(Condition::Down);
    const WRONG: Option<Condition> = Some(Condition::Misconfigured);

    #[test]
    fn outage_and_its_end_are_logged_once() {
        let happens = [(0, None), (1, DOWN), (2, DOWN), (500, DOWN), (501, None), (502, None)];
        assert_eq!(lines(&happens), [(1, "down"), (501, "back")]);
    }

    #[test]
    fn second_outage_within_the_interval_is_logged_if_it_lasts() {
        let happens = [(1, DOWN), (10, None), (20, DOWN), (60, DOWN), (61, DOWN), (62, DOWN), (70, None)];
        assert_eq!(lines(&happens), [(1, "down"), (10, "back"), (61, "down"), (70, "back")]);
        // A shorter outage is not logged.
        let happens = [(1, DOWN), (10, None), (20, DOWN), (30, None), (100, DOWN)];
        assert_eq!(lines(&happens), [(1, "down"), (10, "back"), (100, "down")]);
    }

    #[test]
    fn misconfiguration_is_logged_during_an_outage() {
        let happens = [(1, DOWN), (5, WRONG), (6, DOWN), (7, WRONG), (60, WRONG), (61, DOWN), (99, None)];
        assert_eq!(lines(&happens), [(1, "down"), (5, "misconfigured"), (61, "down"), (99, "back")]);
        let happens = [(1, DOWN), (5, None), (9, WRONG), (10, None)];
        assert_eq!(lines(&happens), [(1, "down"), (5, "back"), (9, "misconfigured"), (10, "back")]);
    }

    #[test]
    fn rejections_are_logged_once_a_minute_with_their_number() {
        let (mut throttle, start) = (LogThrottle::default(), Instant::now());
        let last: Vec<_> = (0..200)
            .filter_map(|second| throttle.rejections_due(start + Duration::from_secs(second)))
            .collect();
        assert_eq!(last, [1, 60, 60, 60]);
    }
}
