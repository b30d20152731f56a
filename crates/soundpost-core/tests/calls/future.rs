//! Futures as calls, and the current call.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use soundpost_core::{Call, CallFuture, Outcome, current_call, enter};

use crate::Service;

/// A future that is pending so many times, and then does something.
struct Steps<F>(u32, Option<F>);

impl<F: FnOnce() -> T + Unpin, T> Future for Steps<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        let call = current_call().expect("the call is current while polled");
        assert_eq!(call.operation(), "op");
        if self.0 > 0 {
            self.0 -= 1;
            return Poll::Pending;
        }
        Poll::Ready(self.1.take().expect("polled once more")())
    }
}

fn conclude(call: &Call, output: &Result<(), std::io::Error>) {
    match output {
        Ok(()) => call.finish(),
        Err(error) => call.fail(error),
    }
}

#[test]
fn a_future_is_a_call_however_it_ends() {
    let service = Service::new();
    let mut context = Context::from_waker(Waker::noop());
    let mut run = |polls: u32, steps: u32, output: fn() -> Result<(), std::io::Error>| {
        let mut future = Box::pin(CallFuture::new(service.start(), Steps(steps, Some(output)), conclude));
        let ready = (0..polls).any(|_| future.as_mut().poll(&mut context).is_ready());
        assert!(current_call().is_none(), "current only while polled");
        ready
    };
    assert!(run(3, 2, || Ok(())));
    assert!(run(1, 0, || Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "late"))));
    assert!(!run(2, 5, || Ok(())), "dropped half way");
    assert!(!run(0, 5, || Ok(())), "dropped before it was polled");
    let mut panics =
        Box::pin(CallFuture::new(service.start(), Steps(0, Some(|| panic!("on purpose"))), conclude));
    let caught = catch_unwind(AssertUnwindSafe(|| panics.as_mut().poll(&mut context)));
    assert!(caught.is_err());
    assert!(current_call().is_none());
    assert_eq!(service.count(Outcome::Error), 1.0, "an error before the future is dropped");
    drop(panics);
    for (outcome, count) in
        [(Outcome::Ok, 1.0), (Outcome::Timeout, 1.0), (Outcome::Cancelled, 2.0), (Outcome::Error, 1.0)]
    {
        assert_eq!(service.count(outcome), count, "{outcome:?}");
    }
    assert_eq!(service.finished(), 5.0);
}

#[test]
fn the_current_call_is_the_innermost_of_the_thread() {
    let service = Service::new();
    let other = service.calls.operation("other").start();
    let call = service.start();
    assert!(current_call().is_none());
    {
        let _outer = enter(call.handle());
        assert_eq!(current_call().expect("current").request_id(), call.request_id());
        {
            let _inner = enter(other.handle());
            assert_eq!(current_call().expect("current").operation(), "other");
        }
        assert_eq!(current_call().expect("current").operation(), "op");
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(current_call().is_none(), "of another thread"));
        });
    }
    assert!(current_call().is_none());
}
