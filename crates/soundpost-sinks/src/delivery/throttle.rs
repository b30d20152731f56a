//! What is said about a sink, and how often. Pure: the time comes from outside.

use std::time::{Duration, Instant};

/// Between two lines that say the same of a sink: that it is down, that it is misconfigured, that it rejected records.
const QUIET: Duration = Duration::from_secs(60);

/// How a sink is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    Up,
    Down,
    Misconfigured,
}

/// What was said of a sink.
#[derive(Debug, Default)]
pub(crate) struct Speech {
    /// How it is, to whom reads only what was said.
    told: State,
    down: Option<Instant>,
    misconfigured: Option<Instant>,
    rejected: Option<Instant>,
    /// Rejections that were not said.
    unsaid: u64,
}

impl Speech {
    /// Whether to say that it is so. To be asked for as long as it is: what was said too often is said later.
    pub(crate) fn fails(&mut self, state: State, now: Instant) -> bool {
        let said = match state {
            State::Up => return false,
            State::Down => &mut self.down,
            State::Misconfigured => &mut self.misconfigured,
        };
        let says = self.told != state && is_over(*said, now);
        if says {
            (self.told, *said) = (state, Some(now));
        }
        says
    }

    /// Whether to say that it works again: always where the contrary was said.
    pub(crate) fn works(&mut self) -> bool {
        std::mem::take(&mut self.told) != State::Up
    }

    /// Takes down a rejected record; how many to speak of, this one among them, if it is time.
    pub(crate) fn rejects(&mut self, now: Instant) -> Option<u64> {
        self.unsaid += 1;
        if !is_over(self.rejected, now) {
            return None;
        }
        self.rejected = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

fn is_over(said: Option<Instant>, now: Instant) -> bool {
    said.is_none_or(|said| now.saturating_duration_since(said) >= QUIET)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of what happens at these seconds; `None`: it works.
    fn lines(happens: &[(u64, Option<State>)]) -> Vec<(u64, &'static str)> {
        let (mut speech, start) = (Speech::default(), Instant::now());
        let mut lines = Vec::new();
        for (second, what) in happens {
            let now = start + Duration::from_secs(*second);
            let line = match what {
                None => speech.works().then_some("back"),
                Some(State::Down) => speech.fails(State::Down, now).then_some("down"),
                Some(state) => speech.fails(*state, now).then_some("misconfigured"),
            };
            lines.extend(line.map(|line| (*second, line)));
        }
        lines
    }

    const DOWN: Option<State> = Some(State::Down);
    const WRONG: Option<State> = Some(State::Misconfigured);

    #[test]
    fn an_outage_is_said_once_and_so_is_its_end() {
        let happens = [(0, None), (1, DOWN), (2, DOWN), (500, DOWN), (501, None), (502, None)];
        assert_eq!(lines(&happens), [(1, "down"), (501, "back")]);
    }

    #[test]
    fn one_soon_after_another_is_said_when_it_lasts() {
        let happens = [(1, DOWN), (10, None), (20, DOWN), (60, DOWN), (61, DOWN), (62, DOWN), (70, None)];
        assert_eq!(lines(&happens), [(1, "down"), (10, "back"), (61, "down"), (70, "back")]);
        // One that does not is not.
        let happens = [(1, DOWN), (10, None), (20, DOWN), (30, None), (100, DOWN)];
        assert_eq!(lines(&happens), [(1, "down"), (10, "back"), (100, "down")]);
    }

    #[test]
    fn what_a_person_has_to_change_is_said_in_an_outage_as_well() {
        let happens = [(1, DOWN), (5, WRONG), (6, DOWN), (7, WRONG), (60, WRONG), (61, DOWN), (99, None)];
        assert_eq!(lines(&happens), [(1, "down"), (5, "misconfigured"), (61, "down"), (99, "back")]);
        let happens = [(1, DOWN), (5, None), (9, WRONG), (10, None)];
        assert_eq!(lines(&happens), [(1, "down"), (5, "back"), (9, "misconfigured"), (10, "back")]);
    }

    #[test]
    fn rejections_are_said_once_a_minute_with_their_number() {
        let (mut speech, start) = (Speech::default(), Instant::now());
        let said: Vec<_> =
            (0..200).filter_map(|second| speech.rejects(start + Duration::from_secs(second))).collect();
        assert_eq!(said, [1, 60, 60, 60]);
    }
}
