//! The room that Soundpost takes of a file system in memory: an eighth, because the rest belongs to other programs.

use std::path::Path;

use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};
use nix::sys::statvfs::statvfs;

/// Part of the free bytes that Soundpost takes at most.
const PART: u64 = 8;
/// Type of a file system in memory without a size.
const RAMFS_MAGIC: FsType = FsType(0x8584_58F6_u32 as _);

/// Reports whether `bytes` are at most an eighth of the free bytes of a directory's file system.
pub(super) fn has_room(directory: &Path, bytes: u64) -> bool {
    free_bytes(directory).is_some_and(|free| free >= PART * bytes)
}

/// Returns the maximum number of bytes in files of a directory that hold `held` bytes now; `None` on a disk.
pub fn memory_room(directory: &Path, held: u64) -> Option<u64> {
    let found = statfs(directory).ok()?;
    if ![TMPFS_MAGIC, RAMFS_MAGIC].contains(&found.filesystem_type()) {
        return None;
    }
    // A file system without a limit of its own has no blocks.
    let free = if found.blocks() == 0 { available_memory() } else { free_bytes(directory) };
    Some(free?.saturating_add(held) / PART)
}

fn free_bytes(directory: &Path) -> Option<u64> {
    let stat = statvfs(directory).ok()?;
    // The size of `c_ulong` depends on the machine.
    #[allow(clippy::unnecessary_cast)]
    Some(stat.blocks_available() as u64 * stat.fragment_size() as u64)
}

fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib: u64 = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:")?.split_whitespace().next()?.parse().ok())?;
    Some(kib << 10)
}
