//! The delivery state of a batch. Pure: no clock, no socket.

use std::ops::Range;

use soundpost_store::Rejected;

use crate::format::losses::Losses;
use crate::transport::answer::{Answer, Verdict};

/// A batch in delivery. A rejected range is halved until the faulty record is found. Records are settled in order.
#[derive(Debug)]
pub struct BatchBisect {
    /// Adjacent ranges that are not settled, in reverse order.
    todo: Vec<Range<usize>>,
    settled: usize,
    rejected: Rejected,
    losses: Losses,
}

/// The next step of a delivery.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends the next range immediately.
    Continue,
    /// Waits first. The verdict is [`Verdict::Misconfigured`] or [`Verdict::Later`].
    Wait(Verdict),
}

impl BatchBisect {
    /// Creates the state of a batch of `records` records.
    pub fn new(records: usize) -> Self {
        let whole = (records > 0).then_some(0..records);
        Self {
            todo: whole.into_iter().collect(),
            settled: 0,
            rejected: Rejected::default(),
            losses: Losses::default(),
        }
    }

    /// Returns the range to send next; `None` when the batch is settled.
    pub fn next(&self) -> Option<Range<usize>> {
        self.todo.last().cloned()
    }

    /// Applies the result of the range that was sent.
    pub fn apply(&mut self, answer: Answer) -> Step {
        let Some(mut sent) = self.todo.pop() else { return Step::Continue };
        let blamed = answer.blamed(sent.len());
        let settled = if answer.rest == Verdict::Taken { sent.len() } else { answer.settled.min(sent.len()) };
        self.rejected += answer.rejected;
        self.losses += answer.losses;
        self.settled += settled;
        sent.start += settled;
        if sent.is_empty() {
            return Step::Continue;
        }
        match answer.rest {
            Verdict::Refused(_) | Verdict::Faulty(_) | Verdict::TooLarge(_) => {
                let candidates = sent.start..sent.start + blamed;
                if candidates.end < sent.end {
                    self.todo.push(candidates.end..sent.end);
                }
                self.split(candidates, &answer.rest);
                Step::Continue
            }
            waits @ (Verdict::Misconfigured(_) | Verdict::Later { .. }) => {
                self.todo.push(sent);
                Step::Wait(waits)
            }
            Verdict::Taken => Step::Continue,
        }
    }

    /// Splits a range that contains a faulty record; a single record is rejected.
    fn split(&mut self, candidates: Range<usize>, verdict: &Verdict) {
        if candidates.len() > 1 {
            let middle = candidates.start + candidates.len() / 2;
            self.todo.push(middle..candidates.end);
            self.todo.push(candidates.start..middle);
            return;
        }
        let too_large = matches!(verdict, Verdict::TooLarge(_));
        self.rejected.too_large += u64::from(too_large);
        self.rejected.refused += u64::from(!too_large);
        self.settled += 1;
    }

    /// Removes the settled records from the batch. Returns how many they are and how many of them were rejected.
    pub fn take_settled(&mut self) -> (usize, Rejected) {
        let settled = std::mem::take(&mut self.settled);
        for range in &mut self.todo {
            *range = range.start - settled..range.end - settled;
        }
        (settled, std::mem::take(&mut self.rejected))
    }

    /// Returns how many of the first records are settled.
    pub fn settled(&self) -> usize {
        self.settled
    }

    /// Returns the rejections among the settled records.
    pub fn rejected(&self) -> Rejected {
        self.rejected
    }

    /// Returns the values that were written in a changed form.
    pub fn losses(&self) -> Losses {
        self.losses
    }
}

#[cfg(test)]
mod tests;
