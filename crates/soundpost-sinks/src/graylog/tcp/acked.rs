//! How much of what was written the peer's kernel has.

use std::fs;
use std::os::fd::AsFd;

use nix::sys::socket::getsockopt;

/// The first fields of the kernel's `struct tcp_info`, up to `tcpi_bytes_acked`, which it has since Linux 4.1.
type Info = [u8; 128];

/// Where `tcpi_bytes_acked` is in it.
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

/// Counts what the peer acknowledged on a connection.
///
/// This is asked for with a socket option, which takes no unsafe code as the request for the length of the send queue
/// would, and which says the same: what was written less what is queued.
pub(crate) struct Acked {
    is_told: bool,
}

impl Acked {
    /// For a connection that is established.
    pub(crate) fn new(socket: &impl AsFd) -> Self {
        // A kernel that says 0 does not count, as gVisor's: others have counted the beginning of the connection.
        Self { is_told: is_new() && bytes(socket).is_some_and(|bytes| bytes > 0) }
    }

    /// How many bytes of what was written were acknowledged; `None`: this kernel does not tell.
    pub(crate) fn bytes(&self, socket: &impl AsFd) -> Option<u64> {
        // The beginning of the connection counts as one.
        self.is_told.then(|| bytes(socket).unwrap_or(0).saturating_sub(1))
    }
}

fn bytes(socket: &impl AsFd) -> Option<u64> {
    let info = getsockopt(socket, TcpInfo).ok()?;
    let bytes = info.get(BYTES_ACKED..)?.first_chunk()?;
    Some(u64::from_ne_bytes(*bytes))
}

/// Whether the kernel's structure is long enough; asking an older one would be a panic.
fn is_new() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.trim().parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(4), Some(1))
}
