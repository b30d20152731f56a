//! A connection to a peer that acknowledges nothing.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::acked::Acked;
use crate::net::connect;

/// What is sent and not acknowledged for so long breaks the connection: the peer's host is gone, or the peer has
/// stopped reading.
const UNACKNOWLEDGED: Duration = Duration::from_secs(120);

/// After so long without any traffic it is asked whether the peer is there, and again as long after it did not answer.
const IDLE: Duration = Duration::from_secs(20);

/// Reads at once that find something, before the peer is taken for one that never stops talking.
const TALK: usize = 64;

/// A connection of which is known how much of what was written the peer's kernel has.
pub(crate) struct Connection {
    io: connect::Connection,
    acked: Acked,
    queued: Vec<u8>,
    /// How much of what is queued is written.
    begun: usize,
    flushed: bool,
}

impl Connection {
    pub(crate) fn new(io: connect::Connection) -> Self {
        let seconds = IDLE.as_secs() as u32;
        // A kernel without one of these finds out later that the peer's host is gone.
        let _ = setsockopt(&io, sockopt::KeepAlive, &true);
        let _ = setsockopt(&io, sockopt::TcpKeepIdle, &seconds);
        let _ = setsockopt(&io, sockopt::TcpKeepInterval, &seconds);
        let _ = setsockopt(&io, sockopt::TcpUserTimeout, &(UNACKNOWLEDGED.as_millis() as u32));
        let acked = Acked::new(&io);
        Self { io, acked, queued: Vec::new(), begun: 0, flushed: true }
    }

    /// What is to be written next, to be added to.
    pub(crate) fn queue(&mut self) -> &mut Vec<u8> {
        self.queued.drain(..self.begun);
        self.begun = 0;
        self.flushed = false;
        &mut self.queued
    }

    /// Whether the kernel has all that was queued.
    pub(crate) fn is_flushed(&self) -> bool {
        self.flushed
    }

    /// Returns when the kernel has all that was queued. Whoever does not wait for it may go on later.
    ///
    /// # Errors
    /// When the connection is broken, or the peer ended it: the kernel would take what nobody reads.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_flush(context)).await
    }

    /// Returns when the connection is broken or the peer ended it; what the peer says is not listened to.
    pub(crate) async fn ended(&mut self) -> io::Error {
        poll_fn(|context| self.poll_end(context)).await
    }

    /// Bytes that were written to the socket, TLS's own included.
    pub(crate) fn written(&self) -> u64 {
        self.io.written()
    }

    /// Bytes that the peer's kernel has; `None`: this kernel does not tell.
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
