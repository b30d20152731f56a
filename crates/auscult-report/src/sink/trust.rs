//! Whether a receiver that refuses records means the records.

use super::answer::{Answer, Verdict};

/// A receiver that never took anything may refuse so many records before it is taken to refuse us.
const BENEFIT: u32 = 8;

/// What is known of a receiver. Some answer 400 to everything when they are not what the settings say they are, such
/// as a port that expects TLS; bisection would then throw away all there is, one record after the other.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    proven: bool,
    refused: u32,
}

impl Trust {
    /// The receiver has taken records before.
    pub(crate) fn prove(&mut self) {
        self.proven = true;
    }

    /// What an answer to so many records is to be taken for.
    pub(crate) fn judge(&mut self, sent: usize, answer: Answer) -> Answer {
        let settled = if answer.rest == Verdict::Taken { sent } else { answer.settled };
        self.proven |= settled as u64 > answer.rejected.total();
        let alone = answer.blamed(sent) == 1;
        match answer.rest {
            Verdict::Refused(said) if !self.proven && alone => {
                self.refused += 1;
                let rest = if self.refused > BENEFIT {
                    Verdict::Misconfigured(format!("it has taken nothing yet and refuses everything: {said}"))
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
    use crate::encode::Losses;

    fn refused() -> Answer {
        Answer::none(Verdict::Refused("400".into()))
    }

    #[test]
    fn a_receiver_that_refuses_everything_is_not_what_it_should_be() {
        let mut trust = Trust::default();
        for _ in 0..BENEFIT {
            assert_eq!(trust.judge(2, refused()), refused());
            assert_eq!(trust.judge(1, refused()), refused());
        }
        assert!(matches!(trust.judge(1, refused()).rest, Verdict::Misconfigured(_)));
        // It is now.
        let _ = trust.judge(1, Answer::taken(1, Losses::default()));
        assert_eq!(trust.judge(1, refused()), refused());
    }

    #[test]
    fn a_receiver_that_has_taken_something_means_the_records() {
        let mut trust = Trust::default();
        trust.prove();
        for _ in 0..=2 * BENEFIT {
            assert_eq!(trust.judge(1, refused()), refused());
        }
    }
}
