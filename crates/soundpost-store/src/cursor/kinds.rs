//! The kinds of records that a sink receives.

/// Kinds of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordKinds {
    /// Calls that ended.
    pub calls: bool,
    /// Log events.
    pub events: bool,
    /// Samples of host, processes and GPUs.
    pub vitals: bool,
}

impl RecordKinds {
    /// Calls and log events.
    pub const LOGS: Self = Self { calls: true, events: true, vitals: false };
    /// Calls and vitals.
    pub const POINTS: Self = Self { calls: true, events: false, vitals: true };
    /// All kinds.
    pub const ALL: Self = Self { calls: true, events: true, vitals: true };

    /// Returns whether calls, events and vitals are selected.
    pub(crate) fn each(self) -> [bool; 3] {
        [self.calls, self.events, self.vitals]
    }

    /// Returns 1 for calls + 2 for events + 4 for vitals.
    pub(super) fn bits(self) -> u64 {
        u64::from(self.calls) | u64::from(self.events) << 1 | u64::from(self.vitals) << 2
    }

    pub(super) fn from_bits(bits: u64) -> Self {
        Self { calls: bits & 1 != 0, events: bits & 2 != 0, vitals: bits & 4 != 0 }
    }
}
