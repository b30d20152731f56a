//! Limits of retention.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use soundpost_core::{clock, memory_room};

use crate::file;

/// Maximum size of the log, bytes: it exceeds the checkpoint by one batch.
pub(crate) const LOG_BYTES: u64 = 8 << 20;
/// Minimum size of a store in memory, bytes.
const MIN_BYTES: u64 = 1 << 20;

/// Size of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreUsage {
    /// Bytes of the file and its log.
    pub bytes: u64,
    /// Maximum bytes.
    pub limit: u64,
    /// Whether the file system is in memory, so that a reboot removes the store.
    pub is_in_memory: bool,
}

/// Maximum sizes, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Of the file without its log.
    pub(crate) file: u64,
    pub(crate) log: u64,
}

/// Limits of the store. The oldest records are removed first.
#[derive(Clone)]
pub struct Limits {
    /// Maximum age of records.
    pub age: Duration,
    /// Maximum bytes on disk; at least 16 MiB, of which the log takes 8 MiB. In memory, see [`Limits::bytes_in`].
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
    /// Returns the maximum bytes of a store in a directory: those of the limits, or if they are fewer an eighth of the
    /// free bytes of a file system in memory.
    pub fn bytes_in(&self, directory: &Path) -> u64 {
        let bytes = self.bytes.max(2 * LOG_BYTES);
        let room = memory_room(directory, file::bytes(&directory.join(file::FILE)));
        room.map_or(bytes, |room| bytes.min(room.max(MIN_BYTES)))
    }

    /// Returns the bytes of the store in a directory and their maximum; `None` without a store.
    pub fn usage_in(&self, directory: &Path) -> Option<StoreUsage> {
        let path = directory.join(file::FILE);
        let bytes = path.is_file().then(|| file::bytes(&path))?;
        let is_in_memory = memory_room(directory, 0).is_some();
        Some(StoreUsage { bytes, limit: self.bytes_in(directory), is_in_memory })
    }

    pub(crate) fn room_in(&self, directory: &Path) -> Room {
        let bytes = self.bytes_in(directory);
        let log = LOG_BYTES.min(bytes / 2);
        Room { file: bytes - log, log }
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
