//! Limits of retention.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use soundpost_core::clock;

/// Size of the log, bytes: it exceeds the checkpoint by one batch.
pub(crate) const LOG_BYTES: u64 = 8 << 20;

/// Limits of the store. The oldest records are removed first.
#[derive(Clone)]
pub struct Limits {
    /// Maximum age of records.
    pub age: Duration,
    /// Maximum bytes on disk; at least 16 MiB, of which the log takes 8 MiB.
    pub bytes: u64,
    /// Age after which vitals are thinned to one sample a minute.
    pub vitals_full_rate: Duration,
    /// Clocks that ages are measured by.
    pub clock: Arc<dyn Fn() -> Now + Send + Sync>,
}

/// Time of two clocks, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, since 1970.
    pub unix: u64,
    /// Monotonic clock, which advances while the machine is suspended.
    pub monotonic: u64,
}

impl Now {
    /// Reads the machine's clocks.
    pub fn read() -> Self {
        Self { unix: clock::unix_nanos(), monotonic: clock::boot_nanos() }
    }
}

impl Default for Limits {
    /// Returns 30 days, 512 MiB, and vitals at full rate for 24 hours.
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { age: DAY * 30, bytes: 512 << 20, vitals_full_rate: DAY, clock: Arc::new(Now::read) }
    }
}

impl Limits {
    /// Returns the maximum size of the file without its log, bytes.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.bytes.max(2 * LOG_BYTES) - LOG_BYTES
    }

    /// Returns the time from which records are kept.
    pub(crate) fn kept_from(&self, now: u64) -> u64 {
        before(now, self.age)
    }

    /// Returns the time from which vitals are kept at full rate.
    pub(crate) fn full_rate_from(&self, now: u64) -> u64 {
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
