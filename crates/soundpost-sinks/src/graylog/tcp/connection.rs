//! A connection of a protocol without acknowledgements.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::acked::Acked;
use crate::net::connect;

/// Timeout for the peer's kernel to acknowledge sent data. After it, the connection breaks.
const UNACKNOWLEDGED: Duration = Duration::from_secs(120);
/// Idle time before a keepalive probe, and interval between probes.
const IDLE: Duration = Duration::from_secs(20);
/// Maximum consecutive reads of unexpected data before the connection is closed.
const TALK: usize = 64;

/// A connection that counts the bytes that the peer's kernel acknowledged.
pub(crate) struct Connection {
    io: connect::Connection,
    acked: Acked,
    queued: Vec<u8>,
    begun: usize,
    flushed: bool,
}

impl Connection {
    pub(crate) fn new(io: connect::Connection) -> Self {
        let seconds = IDLE.as_secs() as u32;
        // Without one of these options, a dead peer is detected later.
        let _ = setsockopt(&io, sockopt::KeepAlive, &true);
        let _ = setsockopt(&io, sockopt::TcpKeepIdle, &seconds);
        let _ = setsockopt(&io, sockopt::TcpKeepInterval, &seconds);
        let _ = setsockopt(&io, sockopt::TcpUserTimeout, &(UNACKNOWLEDGED.as_millis() as u32));
        let acked = Acked::new(&io);
        Self { io, acked, queued: Vec::new(), begun: 0, flushed: true }
    }

    pub(crate) fn queue(&mut self) -> &mut Vec<u8> {
        self.queued.drain(..self.begun);
        self.begun = 0;
        self.flushed = false;
        &mut self.queued
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.flushed
    }

    /// Writes all queued data to the kernel. A cancelled call can be continued later.
    ///
    /// # Errors
    /// When the connection is broken or the peer closed it, although the kernel would still accept data.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_flush(context)).await
    }

    /// Waits until the connection is broken or the peer closed it. Received data is discarded.
    pub(crate) async fn ended(&mut self) -> io::Error {
        poll_fn(|context| self.poll_end(context)).await
    }

    /// Returns the number of bytes written to the socket, including those of TLS.
    pub(crate) fn written(&self) -> u64 {
        self.io.written()
    }

    /// Returns the number of bytes that the peer's kernel has; `None` if this kernel does not count them.
    pub(crate) fn acked(&self) -> Option<u64> {
        self.acked.bytes(&self.io)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.begun < self.queued.len() {
            if let Poll::Ready(error) = self.poll_end(context) {
                return Poll::Ready(Err(error));
            }
            match ready!(Pin::new(&mut self.io).poll_write(context, &self.queued[self.begun..]))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                written => self.begun += written,
            }
        }
        ready!(Pin::new(&mut self.io).poll_flush(context))?;
        self.flushed = true;
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let mut buffer = [0; 1024];
        for _ in 0..TALK {
            let mut read = ReadBuf::new(&mut buffer);
            match ready!(Pin::new(&mut self.io).poll_read(context, &mut read)) {
                Err(error) => return Poll::Ready(error),
                Ok(()) if read.filled().is_empty() => {
                    return Poll::Ready(io::Error::new(ErrorKind::ConnectionAborted, "the server hung up"));
                }
                Ok(()) => {}
            }
        }
        Poll::Ready(io::Error::new(ErrorKind::InvalidData, "the server sends what nobody asked for"))
    }
}

#[cfg(test)]
mod tests;
