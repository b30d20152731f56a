//! What became of records that were sent.

use std::ops::AddAssign;
use std::time::Duration;

use crate::encode::Losses;

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
    /// Of all the others; [`Verdict::Taken`] says that there are none.
    pub rest: Verdict,
}

/// Records that a receiver will never take, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// The receiver refused it.
    pub refused: u64,
    /// It is too large by itself.
    pub too_large: u64,
    /// There was nothing of it that the format can say.
    pub empty: u64,
}

/// Of records that are not done with. Texts are for a person; they hold no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has them.
    Taken,
    /// Something about one of them will never be taken.
    Refused(String),
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
        Self { settled: records, rejected, losses, rest: Verdict::Taken }
    }

    /// None of them is.
    pub fn none(rest: Verdict) -> Self {
        Self { settled: 0, rejected: Rejected::default(), losses: Losses::default(), rest }
    }
}

impl Verdict {
    /// Not now, for this reason.
    pub fn later(why: impl Into<String>) -> Self {
        Self::Later { why: why.into(), retry_after: None }
    }
}

impl Rejected {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.refused + self.too_large + self.empty
    }
}

impl AddAssign for Rejected {
    fn add_assign(&mut self, other: Self) {
        self.refused += other.refused;
        self.too_large += other.too_large;
        self.empty += other.empty;
    }
}
