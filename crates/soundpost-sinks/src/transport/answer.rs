//! What became of records that were sent.

use std::time::Duration;

use soundpost_store::Rejected;

use crate::format::losses::Losses;

/// What became of a batch: of its first records that they are done with, and a verdict about the others.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "records of which nobody knows what became of them are neither sent again nor counted"]
pub struct Answer {
    /// How many of the batch's first records are done with: the receiver has them, or will never take them.
    pub settled: usize,
    /// How many of those the receiver will never take.
    pub rejected: Rejected,
    /// What was not written as it was, of those that the receiver has.
    pub losses: Losses,
    /// Of all the others. Where there are none it is [`Verdict::Taken`], or says why some of the settled were refused.
    pub rest: Verdict,
    /// How many of the first of those may be to blame, where the receiver was sent no more of them; 0: any.
    pub suspects: usize,
}

/// Of records that are not done with. Texts are for a person; they hold no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has them.
    Taken,
    /// Something about one of them will never be taken; or the receiver is not what it should be, and refuses everything.
    Refused(String),
    /// The receiver has read one of them as what it is, and will never take it.
    Faulty(String),
    /// They are too many at once, or too large.
    TooLarge(String),
    /// The receiver takes nothing before a person changes something.
    Misconfigured(String),
    /// Not now.
    Later {
        /// Why.
        why: String,
        /// How long the receiver asks to be left alone.
        retry_after: Option<Duration>,
    },
}

impl Answer {
    /// All records of a batch are done with.
    pub fn taken(records: usize, losses: Losses) -> Self {
        let rejected = Rejected { empty: losses.records, ..Rejected::default() };
        Self { settled: records, rejected, losses, rest: Verdict::Taken, suspects: 0 }
    }

    /// How many records may be to blame, of so many that were sent.
    pub(crate) fn blamed(&self, sent: usize) -> usize {
        let rest = sent.saturating_sub(self.settled);
        if self.suspects == 0 { rest } else { self.suspects.min(rest) }
    }

    /// None of them is.
    pub fn none(rest: Verdict) -> Self {
        Self { settled: 0, rejected: Rejected::default(), losses: Losses::default(), rest, suspects: 0 }
    }
}

impl Verdict {
    /// Not now, for this reason.
    pub fn later(why: impl Into<String>) -> Self {
        Self::Later { why: why.into(), retry_after: None }
    }

    /// One of them makes the encoder panic.
    pub(crate) fn unwritable(panic: &str) -> Self {
        Self::Refused(format!("it cannot be encoded: {panic}"))
    }
}
