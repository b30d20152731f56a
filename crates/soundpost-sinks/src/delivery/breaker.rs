//! Detects a receiver that rejects everything.

use crate::transport::answer::{Answer, Verdict};

/// Maximum consecutive rejections before the first successful delivery.
const INITIAL_LIMIT: u32 = 8;
/// Maximum consecutive rejections after a successful delivery.
const PROVEN_LIMIT: u32 = 64;

/// Stops delivery when the endpoint is not the configured kind of server. Such an endpoint can answer 400 to every
/// request, for example a port that expects TLS. Bisection would then discard all records, one after the other.
#[derive(Debug, Default)]
pub(crate) struct RejectionBreaker {
    proven: bool,
    /// Consecutive records that were rejected alone.
    refused: u32,
}

impl RejectionBreaker {
    /// Notes that the receiver has accepted records before.
    pub(crate) fn mark_proven(&mut self) {
        self.proven = true;
    }

    /// Returns the answer to `sent` records, changed to misconfigured beyond the limit.
    pub(crate) fn judge(&mut self, sent: usize, answer: Answer) -> Answer {
        let settled = if answer.rest == Verdict::Taken { sent } else { answer.settled };
        if settled as u64 > answer.rejected.total() {
            (self.proven, self.refused) = (true, 0);
        }
        let alone = answer.blamed(sent) == 1;
        match answer.rest {
            // Only the configured kind of server parses records.
            Verdict::Faulty(_) => {
                (self.proven, self.refused) = (true, 0);
                answer
            }
            Verdict::Refused(said) if alone => {
                self.refused = self.refused.saturating_add(1);
                let (most, what) = match self.proven {
                    true => (PROVEN_LIMIT, "it refuses everything now"),
                    false => (INITIAL_LIMIT, "it has taken nothing yet and refuses everything"),
                };
                let rest = if self.refused > most {
                    Verdict::Misconfigured(format!("{what}: {said}"))
                } else {
                    Verdict::Refused(said)
                };
                Answer { rest, ..answer }
            }
            _ => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::losses::Losses;

    fn refused() -> Answer {
        Answer::none(Verdict::Refused("400".into()))
    }

    /// Returns how many consecutive rejections are tolerated.
    fn tolerated(breaker: &mut RejectionBreaker) -> u32 {
        let is_tolerated = |_: &u32| {
            // A rejection of several records does not count.
            assert_eq!(breaker.judge(2, refused()), refused());
            breaker.judge(1, refused()) == refused()
        };
        (0..1000).take_while(is_tolerated).count() as u32
    }

    #[test]
    fn receiver_that_rejects_everything_is_misconfigured() {
        let mut breaker = RejectionBreaker::default();
        assert_eq!(tolerated(&mut breaker), INITIAL_LIMIT);
        assert_eq!(tolerated(&mut breaker), 0);
        // A success restores it.
        let _ = breaker.judge(1, Answer::taken(1, Losses::default()));
        assert_eq!(breaker.judge(1, refused()), refused());
    }

    #[test]
    fn proven_receiver_has_a_higher_limit() {
        let mut breaker = RejectionBreaker::default();
        breaker.mark_proven();
        for _ in 0..2 {
            assert_eq!(tolerated(&mut breaker), PROVEN_LIMIT);
            let verdict = breaker.judge(1, refused()).rest;
            assert_eq!(verdict, Verdict::Misconfigured("it refuses everything now: 400".into()));
            // A partial success restores it.
            let _ = breaker.judge(3, Answer { settled: 1, ..refused() });
        }
    }

    #[test]
    fn faulty_records_are_rejected_without_limit() {
        let faulty = || Answer::none(Verdict::Faulty("400: too old".into()));
        let mut breaker = RejectionBreaker::default();
        for _ in 0..10 * PROVEN_LIMIT {
            assert_eq!(breaker.judge(1, faulty()), faulty());
        }
        // It is proven now, so the higher limit applies.
        assert_eq!(tolerated(&mut breaker), PROVEN_LIMIT);
        assert_eq!(breaker.judge(2, faulty()), faulty());
        assert_eq!(tolerated(&mut breaker), PROVEN_LIMIT);
    }

    #[test]
    fn rejections_between_accepted_records_do_not_add_up() {
        let mut breaker = RejectionBreaker::default();
        breaker.mark_proven();
        for _ in 0..=2 * PROVEN_LIMIT {
            assert_eq!(breaker.judge(1, refused()), refused());
            let _ = breaker.judge(2, Answer::taken(2, Losses::default()));
        }
    }
}
