//! Whether a receiver that refuses records means the records.

use crate::transport::answer::{Answer, Verdict};

/// A receiver that never took anything may refuse so many records before it is taken to refuse us.
const BENEFIT: u32 = 8;
/// One that has taken something before may refuse so many in a row.
const PROVEN: u32 = 64;

/// What is known of a receiver. Some answer 400 to everything when they are not, or no longer, what the settings say
/// they are, such as a port that expects TLS; bisection would then throw away all there is, one record after the other.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    proven: bool,
    /// Records in a row that were refused alone.
    refused: u32,
}

impl Trust {
    /// The receiver has taken records before, some time.
    pub(crate) fn prove(&mut self) {
        self.proven = true;
    }

    /// What an answer to so many records is to be taken for.
    pub(crate) fn judge(&mut self, sent: usize, answer: Answer) -> Answer {
        let settled = if answer.rest == Verdict::Taken { sent } else { answer.settled };
        if settled as u64 > answer.rejected.total() {
            (self.proven, self.refused) = (true, 0);
        }
        let alone = answer.blamed(sent) == 1;
        match answer.rest {
            // Nobody else reads them.
            Verdict::Faulty(_) => {
                (self.proven, self.refused) = (true, 0);
                answer
            }
            Verdict::Refused(said) if alone => {
                self.refused = self.refused.saturating_add(1);
                let (most, what) = match self.proven {
                    true => (PROVEN, "it refuses everything now"),
                    false => (BENEFIT, "it has taken nothing yet and refuses everything"),
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

    /// How many records it may refuse now, one after the other, before it is taken to refuse us.
    fn benefit(trust: &mut Trust) -> u32 {
        let is_meant = |_: &u32| {
            // Of more than one nobody knows yet which is meant.
            assert_eq!(trust.judge(2, refused()), refused());
            trust.judge(1, refused()) == refused()
        };
        (0..1000).take_while(is_meant).count() as u32
    }

    #[test]
    fn a_receiver_that_refuses_everything_is_not_what_it_should_be() {
        let mut trust = Trust::default();
        assert_eq!(benefit(&mut trust), BENEFIT);
        assert_eq!(benefit(&mut trust), 0);
        // It is now.
        let _ = trust.judge(1, Answer::taken(1, Losses::default()));
        assert_eq!(trust.judge(1, refused()), refused());
    }

    #[test]
    fn a_receiver_that_took_something_once_is_not_believed_for_ever() {
        let mut trust = Trust::default();
        trust.prove();
        for _ in 0..2 {
            assert_eq!(benefit(&mut trust), PROVEN);
            let verdict = trust.judge(1, refused()).rest;
            assert_eq!(verdict, Verdict::Misconfigured("it refuses everything now: 400".into()));
            // Some of a batch.
            let _ = trust.judge(3, Answer { settled: 1, ..refused() });
        }
    }

    #[test]
    fn a_receiver_that_reads_records_is_believed_however_many_it_refuses() {
        let faulty = || Answer::none(Verdict::Faulty("400: too old".into()));
        let mut trust = Trust::default();
        for _ in 0..10 * PROVEN {
            assert_eq!(trust.judge(1, faulty()), faulty());
        }
        // So it is proven, by which it is not believed for ever.
        assert_eq!(benefit(&mut trust), PROVEN);
        assert_eq!(trust.judge(2, faulty()), faulty());
        assert_eq!(benefit(&mut trust), PROVEN);
    }

    #[test]
    fn refused_records_between_others_are_meant() {
        let mut trust = Trust::default();
        trust.prove();
        for _ in 0..=2 * PROVEN {
            assert_eq!(trust.judge(1, refused()), refused());
            let _ = trust.judge(2, Answer::taken(2, Losses::default()));
        }
    }
}
