//! The current call of a thread, for code without a call at hand: nested instrumented functions and stages.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::call::Call;
use super::handle::CallHandle;
use super::outcome::Outcome;

thread_local! {
    static CURRENT: RefCell<Vec<CallHandle>> = const { RefCell::new(Vec::new()) };
}

/// Returns the innermost call of this thread.
pub fn current_call() -> Option<CallHandle> {
    CURRENT.try_with(|current| current.borrow().last().cloned()).ok().flatten()
}

/// Makes `call` the current call of this thread until the guard is dropped.
pub fn enter(call: &CallHandle) -> Entered {
    let entered = CURRENT.try_with(|current| current.borrow_mut().push(call.clone())).is_ok();
    Entered { entered, here: std::marker::PhantomData }
}

impl CallHandle {
    /// Runs `body` with this call as the current one of the thread, see [`Call::in_scope`].
    pub fn in_scope<T>(&self, body: impl FnOnce() -> T) -> T {
        let _entered = enter(self);
        body()
    }
}

/// Restores the thread's previous current call when dropped.
#[must_use = "the call is current as long as this value"]
pub struct Entered {
    entered: bool,
    /// The guard belongs to the thread that entered.
    here: std::marker::PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        if self.entered {
            let _ = CURRENT.try_with(|current| current.borrow_mut().pop());
        }
    }
}

pin_project! {
    /// A future that is one call: the current call during each poll, `cancelled` when it is dropped before its end.
    pub struct CallFuture<F, C> {
        call: Option<(Call, C)>,
        // `None` when dropped.
        #[pin]
        future: Option<F>,
    }

    impl<F, C> PinnedDrop for CallFuture<F, C> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some((call, _)) = this.call.take() {
                // What the future drops belongs to the call.
                call.in_scope(|| this.future.set(None));
                if !std::thread::panicking() {
                    call.end(Outcome::Cancelled);
                }
            }
        }
    }
}

/// Ends the call when a poll unwinds, because a future whose panic was caught may be dropped much later.
#[doc(hidden)]
pub struct Unwound<'a>(&'a CallHandle);

impl<'a> Unwound<'a> {
    /// Polls a part of the call.
    pub fn guard<T>(call: &'a CallHandle, poll: impl FnOnce() -> T) -> T {
        let unwound = Unwound(call);
        let polled = poll();
        std::mem::forget(unwound);
        polled
    }
}

impl Drop for Unwound<'_> {
    fn drop(&mut self) {
        self.0.end(Outcome::Error);
    }
}

impl<F: Future, C: FnOnce(&Call, &F::Output)> CallFuture<F, C> {
    /// Runs `future` as `call`; `conclude` ends the call from the output.
    pub fn new(call: Call, future: F, conclude: C) -> Self {
        Self { call: Some((call, conclude)), future: Some(future) }
    }
}

impl<F: Future, C: FnOnce(&Call, &F::Output)> Future for CallFuture<F, C> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(future) = this.future.as_pin_mut() else { return Poll::Pending };
        let polled = {
            let _entered = this.call.as_ref().map(|(call, _)| enter(call.handle()));
            match this.call.as_ref() {
                Some((call, _)) => Unwound::guard(call.handle(), || future.poll(context)),
                None => future.poll(context),
            }
        };
        if let Poll::Ready(output) = &polled
            && let Some((call, conclude)) = this.call.take()
        {
            conclude(&call, output);
        }
        polled
    }
}

pin_project! {
    /// A future that runs in a call and does not end it, see [`InstrumentFuture::in_call`].
    pub struct ScopedFuture<F> {
        call: CallHandle,
        // `None` when dropped.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for ScopedFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.call.in_scope(|| this.future.set(None));
        }
    }
}

impl<F: Future> Future for ScopedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(future) = this.future.as_pin_mut() else { return Poll::Pending };
        let _entered = enter(this.call);
        future.poll(context)
    }
}

/// Runs futures in calls. A call is the current one during each poll of its future, so that log events and functions
/// with `#[instrument]` belong to it, on any thread.
pub trait InstrumentFuture: Future + Sized {
    /// Makes the future a call, which is `ok` when the future ends, and `cancelled` when it is dropped before. Another
    /// outcome is set by [`Call::mark`] on the current call.
    fn instrumented(self, call: Call) -> CallFuture<Self, fn(&Call, &Self::Output)> {
        CallFuture::new(call, self, |call, _| call.finish())
    }

    /// Makes the future a call as [`InstrumentFuture::instrumented`] does; an `Err` is the outcome of that error.
    fn try_instrumented<T, E>(self, call: Call) -> CallFuture<Self, fn(&Call, &Self::Output)>
    where
        Self: Future<Output = Result<T, E>>,
        E: std::error::Error + 'static,
    {
        CallFuture::new(call, self, |call, output| match output {
            Ok(_) => call.finish(),
            Err(error) => call.fail(error),
        })
    }

    /// Runs the future in a call that the caller ends.
    fn in_call(self, call: &CallHandle) -> ScopedFuture<Self> {
        ScopedFuture { call: call.clone(), future: Some(self) }
    }
}

impl<F: Future> InstrumentFuture for F {}
