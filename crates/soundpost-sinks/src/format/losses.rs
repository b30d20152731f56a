//! What of a record a format could not take.

use std::ops::AddAssign;

/// What was not written as it was, so that nothing is lost without being counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "what was lost is counted by nobody else"]
pub struct Losses {
    /// Whole records, because nothing was left to write.
    pub records: u64,
    /// Fields and labels that were left out: a number that the format has no word for, no name, a name that was
    /// there before, or too many.
    pub left_out: u64,
    /// Texts that were cut.
    pub shortened: u64,
    /// Names and texts in which characters were replaced that the format cannot hold, or that are taken.
    pub cleaned: u64,
    /// Numbers beyond the format's largest, written as the largest.
    pub saturated: u64,
}

impl AddAssign for Losses {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.left_out += other.left_out;
        self.shortened += other.shortened;
        self.cleaned += other.cleaned;
        self.saturated += other.saturated;
    }
}
