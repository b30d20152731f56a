//! The result of a delivery, which a sink reports to the store.

/// Result of delivering a [`RecordBatch`](crate::RecordBatch), which creates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Cursor at which the batch began.
    pub after: u64,
    /// Last sequence number that the sink is done with.
    pub through: u64,
    /// Records of the sink's kinds ever stored up to there.
    pub passed: u64,
    /// Delivered records.
    pub delivered: u64,
    /// Records that cannot be delivered.
    pub rejected: Rejected,
    /// Records whose samples retention had removed.
    pub dropped: u64,
    /// Maximum number of records that were damaged.
    pub damaged: u64,
    /// Records that were erased before the sink read them.
    pub erased: u64,
}

impl Acknowledgement {
    /// Extends this one by the one that follows it.
    pub fn join(&mut self, next: &Self) {
        (self.through, self.passed) = (next.through, next.passed);
        self.delivered += next.delivered;
        self.dropped += next.dropped;
        self.damaged += next.damaged;
        self.erased += next.erased;
        self.rejected += next.rejected;
    }
}

/// Records that a sink cannot deliver, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// The receiver refuses them.
    pub refused: u64,
    /// They exceed the receiver's limit of size.
    pub too_large: u64,
    /// Their format has nothing to express them.
    pub empty: u64,
}

impl Rejected {
    /// Returns the sum over all reasons.
    pub fn total(&self) -> u64 {
        self.refused + self.too_large + self.empty
    }
}

impl std::ops::AddAssign for Rejected {
    fn add_assign(&mut self, other: Self) {
        self.refused += other.refused;
        self.too_large += other.too_large;
        self.empty += other.empty;
    }
}
