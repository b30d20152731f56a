//! A client's socket, which is shut down when it is dropped.

use std::io;
use std::os::fd::AsRawFd as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use nix::sys::socket::{Shutdown, shutdown};
use soundpost_core::{CloseInChild, close_in_child};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub(super) struct Socket {
    /// Declared before the stream, so that it is dropped first: another file may get the descriptor once it is closed.
    _close_in_child: CloseInChild,
    stream: TcpStream,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { _close_in_child: close_in_child(stream.as_raw_fd()), stream }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A child that was just forked may hold the connection for a moment; the client detects its end now.
        let _ = shutdown(self.stream.as_raw_fd(), Shutdown::Both);
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

/// Without vectored writes: a plain write is a `send` with `MSG_NOSIGNAL`, but `writev` raises SIGPIPE in a host that
/// does not ignore it.
impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
