//! The layer, its service and the future of a response.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use soundpost_core::{Call, Operation, Outcome, Unwound, enter};
use tower_layer::Layer;
use tower_service::Service;

use super::body::CallBody;

type Labels = Arc<dyn Fn(&Parts) -> Vec<String> + Send + Sync>;

/// Records each request of a service as a call.
///
/// | response | outcome |
/// |---|---|
/// | the body was taken completely | `ok` |
/// | status 4xx | `invalid` |
/// | status 5xx, or an error of the service or the body | `error` |
/// | the client left before the response began | `cancelled` |
/// | the client left while the body was sent | `abandoned` |
#[derive(Clone)]
pub struct CallLayer {
    operation: Operation,
    labels: Option<Labels>,
}

impl CallLayer {
    /// Creates a layer whose calls are of this operation.
    pub fn new(operation: Operation) -> Self {
        Self { operation, labels: None }
    }

    /// Sets the function that returns a request's label values, in the order of the operation's label names.
    #[must_use]
    pub fn labels(mut self, labels: impl Fn(&Parts) -> Vec<String> + Send + Sync + 'static) -> Self {
        self.labels = Some(Arc::new(labels));
        self
    }

    fn begin(&self, request: &Parts) -> Call {
        let mut call = match &self.labels {
            Some(labels) => self.operation.begin_with(labels(request)),
            None => self.operation.begin(),
        };
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(id) = header("x-request-id") {
            call = call.request_id(id);
        }
        if let Some(parent) = header("traceparent") {
            call = call.traceparent(parent);
        }
        call.start()
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> CallService<S> {
        CallService { inner, layer: self.clone() }
    }
}

/// A service whose requests are calls, see [`CallLayer`].
#[derive(Clone)]
pub struct CallService<S> {
    inner: S,
    layer: CallLayer,
}

impl<S, B, R> Service<Request<B>> for CallService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Display,
    R: Body,
    R::Error: Display,
{
    type Response = Response<CallBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let call = self.layer.begin(&parts);
        let has_body = parts.method != Method::HEAD;
        let entered = enter(call.handle());
        let future = self.inner.call(Request::from_parts(parts, body));
        drop(entered);
        ResponseFuture { call: Some(call), has_body, future: Some(future) }
    }
}

pin_project! {
    /// The future of a response; its call is `cancelled` if it is dropped before the response.
    pub struct ResponseFuture<F> {
        call: Option<Call>,
        has_body: bool,
        // `None` when dropped.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(call) = this.call.take() {
                // What the handler drops belongs to the call.
                call.in_scope(|| this.future.set(None));
                call.end(Outcome::Cancelled);
            }
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
    R::Error: Display,
    E: Display,
{
    type Output = Result<Response<CallBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(future) = this.future.as_pin_mut() else { return Poll::Pending };
        let polled = match this.call {
            Some(call) => {
                let _entered = enter(call.handle());
                Unwound::guard(call.handle(), || future.poll(context))
            }
            None => future.poll(context),
        };
        let result = ready!(polled);
        let call = this.call.take();
        Poll::Ready(match result {
            Ok(response) => {
                let status = response.status();
                Ok(response.map(|body| {
                    CallBody::new(body, call.and_then(|call| running(call, status)), *this.has_body)
                }))
            }
            Err(error) => {
                if let Some(call) = call {
                    call.end_with(Outcome::Error, "", &error.to_string());
                }
                Err(error)
            }
        })
    }
}

/// Ends a call whose status is an error, and returns any other.
fn running(call: Call, status: StatusCode) -> Option<Call> {
    if status.is_client_error() {
        call.end_with(Outcome::Invalid, "", status.as_str());
    } else if status.is_server_error() {
        call.end_with(Outcome::Error, "", status.as_str());
    } else {
        return Some(call);
    }
    None
}
