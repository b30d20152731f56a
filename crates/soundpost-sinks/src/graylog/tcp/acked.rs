//! The number of bytes that the peer's kernel acknowledged.

use std::fs;
use std::os::fd::AsFd;

use nix::sys::socket::getsockopt;

/// The first fields of the kernel's `struct tcp_info`, up to `tcpi_bytes_acked` (since Linux 4.1).
type Info = [u8; 128];

/// Offset of `tcpi_bytes_acked`.
const BYTES_ACKED: usize = 120;

#[derive(Clone, Copy)]
struct TcpInfo;

nix::getsockopt_impl!(
    TcpInfo,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    Info,
    nix::sys::socket::sockopt::GetStruct<Info>
);

/// Counts the bytes that the peer acknowledged on a connection.
///
/// The count is a socket option, because the length of the send queue would require unsafe code.
pub(crate) struct Acked {
    is_told: bool,
}

impl Acked {
    /// Creates the counter of an established connection.
    pub(crate) fn new(socket: &impl AsFd) -> Self {
        // A kernel that returns 0 does not count, such as gVisor; others have counted the SYN.
        Self { is_told: is_new() && bytes(socket).is_some_and(|bytes| bytes > 0) }
    }

    /// Returns the number of acknowledged bytes; `None` if this kernel does not count them.
    pub(crate) fn bytes(&self, socket: &impl AsFd) -> Option<u64> {
        // The SYN counts as one byte.
        self.is_told.then(|| bytes(socket).unwrap_or(0).saturating_sub(1))
    }
}

fn bytes(socket: &impl AsFd) -> Option<u64> {
    let info = getsockopt(socket, TcpInfo).ok()?;
    let bytes = info.get(BYTES_ACKED..)?.first_chunk()?;
    Some(u64::from_ne_bytes(*bytes))
}

/// Returns whether the kernel's structure is long enough; `getsockopt` would panic on an older kernel.
fn is_new() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.trim().parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(4), Some(1))
}
