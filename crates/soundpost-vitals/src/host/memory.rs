//! The memory of the machine.

use crate::host::parse::keyed;

/// From `/proc/meminfo`, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) total: u64,
    /// The kernel's estimate of the memory available without swapping: free and reclaimable.
    pub(super) available: Option<u64>,
}

impl Memory {
    pub(super) fn parse(meminfo: &[u8]) -> Option<Self> {
        let bytes = |key| keyed(meminfo, key).and_then(|kibibytes| kibibytes.checked_mul(1024));
        Some(Self {
            total: bytes("MemTotal:").filter(|&total| total > 0)?,
            available: bytes("MemAvailable:"),
        })
    }
}
