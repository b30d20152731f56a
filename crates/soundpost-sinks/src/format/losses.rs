//! The parts of records that a format cannot represent.

use std::ops::AddAssign;

/// Counts of values that were omitted or written in a changed form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "the losses are counted nowhere else"]
pub struct Losses {
    /// Records without anything left to write.
    pub records: u64,
    /// Fields and labels that were omitted: unsupported numbers, empty or duplicate names, or too many fields.
    pub left_out: u64,
    /// Texts that were truncated.
    pub shortened: u64,
    /// Texts with replaced characters, and names that were changed to be valid or unique.
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
