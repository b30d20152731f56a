//! What is left of a batch, and what of it is sent next. Pure: no clock, no socket.

use std::ops::Range;

use soundpost_store::Rejected;

use crate::format::losses::Losses;
use crate::transport::answer::{Answer, Verdict};

/// A batch on its way. What something is wrong with is halved until one record is alone to blame; records are settled
/// in their order.
#[derive(Debug)]
pub struct Delivery {
    /// Stretches that are not settled, the first of them last; each begins where the one before ends.
    todo: Vec<Range<usize>>,
    settled: usize,
    rejected: Rejected,
    losses: Losses,
}

/// Whether to go on.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// At once.
    GoOn,
    /// After a while; the verdict says why, and is [`Verdict::Misconfigured`] or [`Verdict::Later`].
    Wait(Verdict),
}

impl Delivery {
    /// Of so many records.
    pub fn new(records: usize) -> Self {
        let whole = (records > 0).then_some(0..records);
        Self {
            todo: whole.into_iter().collect(),
            settled: 0,
            rejected: Rejected::default(),
            losses: Losses::default(),
        }
    }

    /// What is sent next; `None` when all of it is settled.
    pub fn next(&self) -> Option<Range<usize>> {
        self.todo.last().cloned()
    }

    /// Takes what became of what was sent.
    pub fn answer(&mut self, answer: Answer) -> Turn {
        let Some(mut sent) = self.todo.pop() else { return Turn::GoOn };
        let blamed = answer.blamed(sent.len());
        let settled = if answer.rest == Verdict::Taken { sent.len() } else { answer.settled.min(sent.len()) };
        self.rejected += answer.rejected;
        self.losses += answer.losses;
        self.settled += settled;
        sent.start += settled;
        if sent.is_empty() {
            return Turn::GoOn;
        }
        match answer.rest {
            Verdict::Refused(_) | Verdict::Faulty(_) | Verdict::TooLarge(_) => {
                let suspects = sent.start..sent.start + blamed;
                if suspects.end < sent.end {
                    self.todo.push(suspects.end..sent.end);
                }
                self.blame(suspects, &answer.rest);
                Turn::GoOn
            }
            waits @ (Verdict::Misconfigured(_) | Verdict::Later { .. }) => {
                self.todo.push(sent);
                Turn::Wait(waits)
            }
            Verdict::Taken => Turn::GoOn,
        }
    }

    /// One of these is to blame.
    fn blame(&mut self, suspects: Range<usize>, verdict: &Verdict) {
        if suspects.len() > 1 {
            let middle = suspects.start + suspects.len() / 2;
            self.todo.push(middle..suspects.end);
            self.todo.push(suspects.start..middle);
            return;
        }
        let too_large = matches!(verdict, Verdict::TooLarge(_));
        self.rejected.too_large += u64::from(too_large);
        self.rejected.refused += u64::from(!too_large);
        self.settled += 1;
    }

    /// Gives what is settled so far away, with what is rejected of it: from now on the batch begins behind it.
    pub fn take(&mut self) -> (usize, Rejected) {
        let settled = std::mem::take(&mut self.settled);
        for range in &mut self.todo {
            *range = range.start - settled..range.end - settled;
        }
        (settled, std::mem::take(&mut self.rejected))
    }

    /// How many of the batch's first records are settled.
    pub fn settled(&self) -> usize {
        self.settled
    }

    /// How many of those are rejected.
    pub fn rejected(&self) -> Rejected {
        self.rejected
    }

    /// What was not written as it was.
    pub fn losses(&self) -> Losses {
        self.losses
    }
}

#[cfg(test)]
mod tests;
