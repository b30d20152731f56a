//! Time: monotonic nanoseconds for durations, and the wall clock derived from them.
//!
//! `CLOCK_MONOTONIC` is one clock for all processes of a host, so a reader can compare it with what
//! another process wrote. The wall clock is never used to measure.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`.
#[inline]
pub fn monotonic_nanos() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// Nanoseconds of `CLOCK_BOOTTIME`, which goes on while the machine is suspended.
pub fn boot_nanos() -> u64 {
    read(ClockId::CLOCK_BOOTTIME)
}

/// Nanoseconds since the Unix epoch by the wall clock; 0 before 1970.
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

/// The moment so far ahead; of times that no clock can show, a hundred years.
pub fn deadline(timeout: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    Instant::now() + timeout.min(CENTURY)
}

/// Nanoseconds as seconds.
#[inline]
pub(crate) fn seconds(nanos: u64) -> f64 {
    nanos as f64 * 1e-9
}
