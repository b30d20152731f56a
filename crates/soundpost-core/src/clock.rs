//! Clocks: monotonic nanoseconds for durations, and the wall clock.
//!
//! All processes of a host share `CLOCK_MONOTONIC`, so a reader can compare it with times of another process.
//! Durations never use the wall clock.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// Returns the nanoseconds of `CLOCK_MONOTONIC`.
#[inline]
pub fn monotonic_nanos() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// Returns the nanoseconds of `CLOCK_BOOTTIME`, which also counts while the machine is suspended.
pub fn boot_nanos() -> u64 {
    read(ClockId::CLOCK_BOOTTIME)
}

/// Returns the nanoseconds since the Unix epoch by the wall clock; 0 before 1970.
#[inline]
pub fn unix_nanos() -> u64 {
    read(ClockId::CLOCK_REALTIME)
}

#[inline]
fn read(id: ClockId) -> u64 {
    match clock_gettime(id) {
        Ok(time) => (time.tv_sec().max(0) as u64)
            .wrapping_mul(1_000_000_000)
            .wrapping_add(time.tv_nsec().max(0) as u64),
        Err(_) => 0,
    }
}

/// Returns the instant after `timeout`, limited to a hundred years.
pub fn deadline(timeout: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    Instant::now() + timeout.min(CENTURY)
}

#[inline]
pub(crate) fn seconds(nanos: u64) -> f64 {
    nanos as f64 * 1e-9
}
