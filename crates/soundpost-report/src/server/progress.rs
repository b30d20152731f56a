//! How far a connection has come, and for how long the server has been waiting for its client.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::config::Limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No complete request yet.
    Header,
    /// The request is complete, the response is being made or taken.
    Response,
    /// The response is written, but for what is still in a buffer.
    Flush,
    /// Between two requests.
    Idle,
}

/// Phase of one connection and since when; shared by its task, its stream and the table of connections.
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

    /// Some bytes came.
    fn received(&self) {
        self.enter(|phase| phase == Phase::Idle, Phase::Header, false);
    }

    /// The header is complete.
    pub(super) fn requested(&self) {
        self.enter(|_| true, Phase::Response, false);
    }

    /// The whole response was handed over to be written.
    pub(super) fn responded(&self) {
        self.enter(|phase| phase == Phase::Response, Phase::Flush, true);
    }

    /// All that was written is with the kernel.
    fn flushed(&self) {
        self.enter(|phase| phase == Phase::Flush, Phase::Idle, false);
    }

    /// When the client has kept the server waiting for too long.
    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        let (phase, since) = self.get();
        since
            + match phase {
                Phase::Header => limits.header,
                Phase::Response | Phase::Flush => limits.response,
                Phase::Idle => limits.idle,
            }
    }

    /// Order in which connections give way to a new one, the least first: those without a complete
    /// request, then idle ones, then those taking their response; of each the one that has been so
    /// longest. An honest scraper has its response within milliseconds and is the last to go; were
    /// it spared altogether, clients that never read theirs could take every place.
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

/// A stream that notes its connection's progress.
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
