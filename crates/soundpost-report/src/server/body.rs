//! The body of a response.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::progress::Progress;

/// Number of bytes passed to the connection at a time, which bounds its buffer.
const PIECE: usize = 64 * 1024;

/// A body of known length that records in the progress when it was passed on completely.
pub(super) struct Page {
    rest: Bytes,
    progress: Arc<Progress>,
}

impl Page {
    pub(super) fn new(bytes: Bytes, progress: Arc<Progress>) -> Self {
        Self { rest: bytes, progress }
    }
}

impl Body for Page {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = PIECE.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

impl Drop for Page {
    /// hyper drops a body after its last part, or at once for HEAD.
    fn drop(&mut self) {
        self.progress.responded();
    }
}
