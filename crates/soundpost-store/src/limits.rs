//! How much the store keeps.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use soundpost_core::clock;

/// What the log may take: it grows by a batch beyond where it is brought into the file.
pub(super) const LOG_BYTES: u64 = 8 << 20;

/// Bounds of the store. What is oldest goes first.
#[derive(Clone)]
pub struct Limits {
    /// How long calls and vitals are kept.
    pub age: Duration,
    /// Most bytes on disk; at least 16 MiB, 8 MiB of which are the log's.
    pub bytes: u64,
    /// For how long vitals are kept as they were sampled; then one a minute.
    pub vitals_full_rate: Duration,
    /// The clocks by which age is measured.
    pub clock: Arc<dyn Fn() -> Now + Send + Sync>,
}

/// What two clocks show, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The wall clock, since 1970.
    pub unix: u64,
    /// One that nobody sets, and that a suspended machine does not stop.
    pub monotonic: u64,
}

impl Now {
    /// What the machine's clocks show.
    pub fn read() -> Self {
        Self { unix: clock::unix_nanos(), monotonic: clock::boot_nanos() }
    }
}

impl Default for Limits {
    /// 30 days, 512 MiB, vitals at full rate for 24 hours.
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { age: DAY * 30, bytes: 512 << 20, vitals_full_rate: DAY, clock: Arc::new(Now::read) }
    }
}

impl Limits {
    /// Bytes of the file, without its log.
    pub(super) fn file_bytes(&self) -> u64 {
        self.bytes.max(2 * LOG_BYTES) - LOG_BYTES
    }

    /// From when on calls and vitals are kept at a time.
    pub(super) fn kept_from(&self, now: u64) -> u64 {
        before(now, self.age)
    }

    /// From when on vitals are kept as they were sampled.
    pub(super) fn full_rate_from(&self, now: u64) -> u64 {
        before(now, self.vitals_full_rate)
    }
}

fn before(now: u64, age: Duration) -> u64 {
    now.saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX))
}

impl fmt::Debug for Limits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Limits")
            .field("age", &self.age)
            .field("bytes", &self.bytes)
            .field("vitals_full_rate", &self.vitals_full_rate)
            .finish_non_exhaustive()
    }
}
