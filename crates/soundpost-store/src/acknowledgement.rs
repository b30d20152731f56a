//! The result of a delivery, as a sink reports it to the store.

/// What a sink did with a [`Stretch`](crate::Stretch) of the store, which makes this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The cursor it read from.
    pub after: u64,
    /// The last sequence number that it is done with.
    pub through: u64,
    /// How many records of its kinds there ever were up to there.
    pub passed: u64,
    /// How many were delivered.
    pub delivered: u64,
    /// How many will never be delivered.
    pub rejected: Rejected,
    /// How many had lost what they were made of, to retention.
    pub dropped: u64,
}

/// Records that a sink will never deliver, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// The receiver does not take them.
    pub refused: u64,
    /// The receiver takes nothing that large.
    pub too_large: u64,
    /// Nothing of them can be said in the receiver's format.
    pub empty: u64,
}

impl Rejected {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.refused + self.too_large + self.empty
    }
}

impl Acknowledgement {
    /// Extends this one by the one that follows it.
    pub fn join(&mut self, next: &Self) {
        (self.through, self.passed) = (next.through, next.passed);
        self.delivered += next.delivered;
        self.dropped += next.dropped;
        self.rejected += next.rejected;
    }
}

impl std::ops::AddAssign for Rejected {
    fn add_assign(&mut self, other: Self) {
        self.refused += other.refused;
        self.too_large += other.too_large;
        self.empty += other.empty;
    }
}
