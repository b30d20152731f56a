//! Room in the process's address space, which `ulimit -v` limits.
//!
//! Rust aborts a process when an allocation fails. So Soundpost checks for room before it maps memory and starts a thread,
//! and leaves some to the host.

use std::io;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::unistd::{SysconfVar, sysconf};

/// Beginning of the message of an error.
pub(crate) const FULL: &str = "the address space is full";
/// Room that stays for the host, bytes.
const RESERVE_BYTES: u64 = 32 << 20;
/// Minimum room for a start, bytes.
const START_BYTES: u64 = 8 << 20;
/// Maximum size of memory that is not checked, bytes.
const SMALL_BYTES: u64 = 1 << 20;

/// Returns the bytes that can still be mapped; `None` without a limit.
pub(crate) fn room() -> Option<u64> {
    let limit =
        getrlimit(Resource::RLIMIT_AS).ok().map(|(soft, _)| soft).filter(|soft| *soft != RLIM_INFINITY)?;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').next()?.parse().ok()?;
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten()?.cast_unsigned();
    Some(limit.saturating_sub(pages * page))
}

/// Checks that `bytes` can be mapped and the host has room afterwards.
///
/// # Errors
/// [`io::ErrorKind::OutOfMemory`] if not.
pub(crate) fn check(bytes: u64) -> io::Result<()> {
    if bytes > SMALL_BYTES { check_room(bytes + RESERVE_BYTES) } else { Ok(()) }
}

/// Checks that there is room for a start.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_start() -> io::Result<()> {
    check_room(START_BYTES)
}

fn check_room(needed: u64) -> io::Result<()> {
    let Some(room) = room().filter(|room| *room < needed) else { return Ok(()) };
    let message =
        format!("{FULL}: {} MiB are left, and {} MiB needed; raise `ulimit -v`", room >> 20, needed >> 20);
    Err(io::Error::new(io::ErrorKind::OutOfMemory, message))
}
