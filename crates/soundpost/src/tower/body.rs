//! The body of a response, whose call ends with it.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use soundpost_core::{Call, Outcome, Seconds, Unwound, enter};

pin_project! {
    /// The body of a response: each of its pieces is a chunk of the call, which ends when the body is taken or dropped.
    pub struct CallBody<B: Body> {
        call: Option<Call>,
        // True from the start for a response to HEAD, whose body the server drops unread.
        is_taken: bool,
        // `None` when dropped.
        #[pin]
        body: Option<B>,
    }

    impl<B: Body> PinnedDrop for CallBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // A server drops a body of known length after its last piece.
            let is_whole = *this.is_taken || this.body.as_ref().as_pin_ref().is_none_or(|body| body.get_ref().is_end_stream());
            let Some(call) = this.call.take() else { return };
            // What the body drops belongs to the call.
            call.in_scope(|| this.body.set(None));
            if is_whole { call.finish() } else { call.abandon() }
        }
    }
}

impl<B: Body> CallBody<B> {
    pub(super) fn new(body: B, call: Option<Call>, has_body: bool) -> Self {
        if let Some(call) = &call {
            call.suspend();
        }
        Self { call, is_taken: !has_body, body: Some(body) }
    }
}

impl<B: Body> Body for CallBody<B>
where
    B::Error: Display,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let Some(body) = this.body.as_pin_mut() else { return Poll::Ready(None) };
        let Some(call) = this.call.as_ref() else { return body.poll_frame(context) };
        call.resume();
        let polled = {
            let _entered = enter(call.handle());
            Unwound::guard(call.handle(), || body.poll_frame(context))
        };
        let frame = ready!(polled);
        match &frame {
            Some(Ok(frame)) if frame.is_data() => call.hand_over(Seconds(0.0)),
            Some(Ok(_)) => call.suspend(),
            Some(Err(error)) => call.end_with(Outcome::Error, "", &error.to_string()),
            None => *this.is_taken = true,
        }
        if frame.is_none() {
            // Ends the call here, and not when the server drops the body.
            this.call.take().iter().for_each(Call::finish);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
