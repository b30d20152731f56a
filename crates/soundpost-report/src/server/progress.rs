//! The progress of a connection, and the time for which its client has kept the server waiting.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::config::Limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The request is incomplete.
    Header,
    /// The request is complete; the response is being rendered or sent.
    Response,
    /// The response is written except for buffered bytes.
    Flush,
    /// The connection waits for the next request.
    Idle,
}

/// Phase of one connection and its start. The connection's task, its stream and the table share it.
#[derive(Debug)]
pub(super) struct Progress(Mutex<(Phase, Instant)>);

impl Progress {
    pub(super) fn new() -> Self {
        Self(Mutex::new((Phase::Header, Instant::now())))
    }

    fn get(&self) -> (Phase, Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, from: impl Fn(Phase) -> bool, to: Phase, keep_time: bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if from(state.0) {
            *state = (to, if keep_time { state.1 } else { Instant::now() });
        }
    }

    fn received(&self) {
        self.enter(|phase| phase == Phase::Idle, Phase::Header, false);
    }

    pub(super) fn requested(&self) {
        self.enter(|_| true, Phase::Response, false);
    }

    /// Records that the whole response was passed on.
    pub(super) fn responded(&self) {
        self.enter(|phase| phase == Phase::Response, Phase::Flush, true);
    }

    /// Records that the kernel has all bytes.
    fn flushed(&self) {
        self.enter(|phase| phase == Phase::Flush, Phase::Idle, false);
    }

    /// Returns the time at which the client misses its deadline.
    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        let (phase, since) = self.get();
        since
            + match phase {
                Phase::Header => limits.header,
                Phase::Response | Phase::Flush => limits.response,
                Phase::Idle => limits.idle,
            }
    }

    /// Returns the order in which connections are replaced, lowest first: incomplete requests, then idle connections,
    /// then responses; each by duration. A response in progress is not exempt: otherwise clients that never read
    /// could occupy every slot.
    pub(super) fn precedence(&self) -> (u8, Instant) {
        let (phase, since) = self.get();
        let rank = match phase {
            Phase::Header => 0,
            Phase::Idle => 1,
            Phase::Response | Phase::Flush => 2,
        };
        (rank, since)
    }
}

/// A stream that records the progress of its connection.
pub(super) struct Watched<S> {
    stream: S,
    progress: Arc<Progress>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, progress: Arc<Progress>) -> Self {
        Self { stream, progress }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.progress.received();
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        if let Poll::Ready(Ok(())) = result {
            self.progress.flushed();
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
