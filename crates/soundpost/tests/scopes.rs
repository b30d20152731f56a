//! Calls around closures, futures and HTTP requests: log events and instrumented functions belong to them.
#![allow(clippy::expect_used)]

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use soundpost::tower::{CallBody, CallLayer};
use soundpost::{Accept, InstrumentFuture, Operation, Seconds, Telemetry, current_call};
use tower_layer::Layer;
use tower_service::Service;

/// Telemetry in a directory of its own.
struct Home {
    telemetry: Telemetry,
    _directory: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let telemetry = Telemetry::builder("scopes")
            .directory(directory.path())
            .sample_interval(None)
            .start()
            .expect("telemetry");
        Self { telemetry, _directory: directory }
    }

    fn operation(&self) -> Operation {
        self.telemetry.operation("op")
    }

    /// The outcomes of all finished calls, with their counts.
    fn outcomes(&self) -> Vec<(String, String)> {
        let text = self.telemetry.render();
        let lines = text.lines().filter_map(|line| line.strip_prefix("scopes_request_total{"));
        let of = |line: &str| {
            let (labels, count) = line.split_once("} ").expect("a sample");
            let (_, outcome) = labels.split_once("outcome=\"").expect("an outcome");
            (outcome.split('"').next().unwrap_or_default().to_owned(), count.to_owned())
        };
        lines.map(of).collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.telemetry.shutdown(std::time::Duration::from_secs(5));
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn ready<F: Future>(future: F) -> F::Output {
    match poll(std::pin::pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

fn current_id() -> Option<String> {
    current_call().map(|call| call.request_id().to_owned())
}

/// Waits once, so that a future is polled twice.
async fn pause() {
    let mut waited = false;
    poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn outcomes(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(outcome, count)| ((*outcome).to_owned(), (*count).to_owned())).collect()
}

#[test]
fn closure_runs_in_the_scope_of_its_call() {
    let home = Home::new();
    let (outer, inner) = (home.operation().start(), home.operation().start());
    let ids = outer.in_scope(|| (current_id(), inner.in_scope(current_id), current_id()));
    let id = |call: &soundpost::Call| Some(call.request_id().to_owned());
    assert_eq!(ids, (id(&outer), id(&inner), id(&outer)));
    assert_eq!(current_id(), None);
    outer.finish();
    inner.finish();
}

#[test]
fn future_is_a_call_that_ends_with_it() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let home = Home::new();
    let call = home.operation().begin().request_id("one").start();
    let mut future = Box::pin(is_send(
        async {
            let before = current_id();
            pause().await;
            (before, current_id())
        }
        .instrumented(call),
    ));
    assert!(poll(future.as_mut()).is_pending());
    assert_eq!(current_id(), None, "the call is current only during a poll");
    // The second poll is on another thread.
    let ids = std::thread::spawn(move || poll(future.as_mut())).join().expect("a thread");
    let one = || Some("one".to_owned());
    assert_eq!(ids, Poll::Ready((one(), one())));
    assert_eq!(home.outcomes(), outcomes(&[("ok", "1")]));

    drop(std::future::pending::<()>().instrumented(home.operation().start()));
    assert_eq!(home.outcomes(), outcomes(&[("cancelled", "1"), ("ok", "1")]));
}

#[test]
fn error_of_a_future_is_the_outcome() {
    let home = Home::new();
    let read = |result: io::Result<u8>| ready(async { result }.try_instrumented(home.operation().start()));
    assert!(read(Ok(1)).is_ok());
    assert!(read(Err(io::ErrorKind::TimedOut.into())).is_err());
    assert_eq!(home.outcomes(), outcomes(&[("ok", "1"), ("timeout", "1")]));
}

#[test]
fn future_in_a_call_leaves_its_end_to_the_caller() {
    let home = Home::new();
    let call = home.operation().start();
    let id = ready(async { current_id() }.in_call(call.handle()));
    assert_eq!(id.as_deref(), Some(call.request_id()));
    assert!(call.is_active());
    call.chunk(Seconds(0.5));
    call.finish();
    assert_eq!(home.outcomes(), outcomes(&[("ok", "1")]));
}

/// Stores the current call's id when it is dropped.
struct Witness(Seen);

type Seen = Arc<Mutex<Vec<Option<String>>>>;

impl Drop for Witness {
    fn drop(&mut self) {
        let id = current_call().filter(|call| call.is_active()).map(|call| call.request_id().to_owned());
        self.0.lock().expect("a lock").push(id);
    }
}

#[test]
fn dropped_parts_of_a_future_belong_to_its_call() {
    let home = Home::new();
    let seen = Seen::default();
    let waiting = || {
        let witness = Witness(seen.clone());
        Box::pin(async move {
            let _witness = witness;
            std::future::pending::<()>().await;
        })
    };
    let call = || home.operation().begin().request_id("one").start();
    let mut future = Box::pin(waiting().instrumented(call()));
    assert!(poll(future.as_mut()).is_pending());
    drop(future);
    let outer = call();
    let mut future = Box::pin(waiting().in_call(outer.handle()));
    assert!(poll(future.as_mut()).is_pending());
    drop(future);
    outer.finish();

    // The client leaves before the response, and while the body is sent.
    for responds in [false, true] {
        let mut service = CallLayer::new(home.operation()).layer(Watched { seen: seen.clone(), responds });
        let mut future = Box::pin(service.call(request(Method::GET, "one")));
        assert_eq!(poll(future.as_mut()).is_ready(), responds);
        drop(future);
    }
    assert_eq!(*seen.lock().expect("a lock"), vec![Some("one".to_owned()); 4]);
}

/// Drops a witness with its future or with its body.
#[derive(Clone)]
struct Watched {
    seen: Seen,
    responds: bool,
}

impl Service<Request<()>> for Watched {
    type Response = Response<Pieces>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Pieces>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let (witness, responds) = (Witness(self.seen.clone()), self.responds);
        Box::pin(async move {
            if !responds {
                std::future::pending::<()>().await;
            }
            Ok(Response::new(Pieces { _witness: Some(witness), ..pieces(&[b"one"], false) }))
        })
    }
}

/// A body of pieces; a piece may be an error.
struct Pieces {
    pieces: Vec<Result<&'static [u8], io::Error>>,
    is_known: bool,
    _witness: Option<Witness>,
}

impl Body for Pieces {
    type Data = &'static [u8];
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<&'static [u8]>, io::Error>>> {
        assert!(current_call().is_some_and(|call| call.is_active()), "the body is polled in its call");
        if self.pieces.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(self.pieces.remove(0).map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_known && self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[derive(Clone)]
struct Handler(fn() -> Result<Response<Pieces>, Infallible>);

impl Service<Request<()>> for Handler {
    type Response = Response<Pieces>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Pieces>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let respond = self.0;
        let expected =
            request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        Box::pin(async move {
            pause().await;
            assert!(expected.is_none() || current_id() == expected, "the handler has the id of the request");
            respond()
        })
    }
}

fn request(method: Method, id: &str) -> Request<()> {
    let request = Request::builder().method(method).header("x-request-id", id);
    request.body(()).expect("a request")
}

fn pieces(pieces: &[&'static [u8]], is_known: bool) -> Pieces {
    Pieces { pieces: pieces.iter().map(|piece| Ok(*piece)).collect(), is_known, _witness: None }
}

/// Sends a request and takes `take` pieces of the body, which is then dropped.
fn exchange(home: &Home, method: Method, respond: fn() -> Result<Response<Pieces>, Infallible>, take: usize) {
    let mut service = CallLayer::new(home.operation()).layer(Handler(respond));
    let mut future = Box::pin(service.call(request(method, "the-id")));
    assert!(poll(future.as_mut()).is_pending());
    let Poll::Ready(Ok(response)) = poll(future.as_mut()) else { panic!("no response") };
    let mut body: Pin<Box<CallBody<Pieces>>> = Box::pin(response.into_body());
    for _ in 0..take {
        let _ = ready(poll_fn(|context| body.as_mut().poll_frame(context)));
    }
}

#[test]
fn request_is_a_call_until_its_body_is_taken() {
    for (is_known, take) in [(true, 2), (false, 3)] {
        let home = Home::new();
        let respond = if is_known {
            || Ok(Response::new(pieces(&[b"one", b"two"], true)))
        } else {
            || Ok(Response::new(pieces(&[b"one", b"two"], false)))
        };
        exchange(&home, Method::GET, respond, take);
        assert_eq!(home.outcomes(), outcomes(&[("ok", "1")]));
        exchange(&home, Method::GET, respond, 1);
        assert_eq!(home.outcomes(), outcomes(&[("abandoned", "1"), ("ok", "1")]));
        exchange(&home, Method::HEAD, respond, 0);
        assert_eq!(home.outcomes(), outcomes(&[("abandoned", "1"), ("ok", "2")]));
    }
}

#[test]
fn status_and_error_of_a_response_are_the_outcome() {
    fn respond(status: StatusCode) -> Result<Response<Pieces>, Infallible> {
        let mut response = Response::new(pieces(&[b"no"], true));
        *response.status_mut() = status;
        Ok(response)
    }
    let home = Home::new();
    exchange(&home, Method::POST, || respond(StatusCode::NOT_FOUND), 0);
    exchange(&home, Method::POST, || respond(StatusCode::BAD_GATEWAY), 0);
    let broken = || {
        let pieces = Pieces { pieces: vec![Ok(b"a"), Err(io::Error::other("cut"))], ..pieces(&[], false) };
        Ok(Response::new(pieces))
    };
    exchange(&home, Method::POST, broken, 2);
    assert_eq!(home.outcomes(), outcomes(&[("error", "2"), ("invalid", "1")]));
    let service = CallLayer::new(home.operation()).layer(Handler(|| respond(StatusCode::OK)));
    drop(service.clone().call(request(Method::POST, "left")));
    assert_eq!(home.outcomes(), outcomes(&[("cancelled", "1"), ("error", "2"), ("invalid", "1")]));
}

#[test]
fn labels_of_a_request_are_those_of_its_call() {
    let home = Home::new();
    let operation = home.operation().labels(["path"]).expect("labels");
    let layer = CallLayer::new(operation).labels(|parts| vec![parts.uri.path().to_owned()]);
    let mut service = layer.layer(Handler(|| Ok(Response::new(pieces(&[], true)))));
    let mut future = Box::pin(service.call(Request::builder().uri("/v1/tts").body(()).expect("a request")));
    assert!(poll(future.as_mut()).is_pending());
    assert!(poll(future.as_mut()).is_ready());
    drop(future);
    assert!(
        home.telemetry.render().contains(r#"operation="op",outcome="ok",path="/v1/tts",status="success"} 1"#)
    );
}

#[test]
fn layer_is_a_middleware_of_axum() {
    let home = Home::new();
    let handler = || async { current_id().unwrap_or_default() };
    let mut router = axum::Router::<()>::new()
        .route("/id", axum::routing::get(handler))
        .layer(CallLayer::new(home.operation()));
    let mut get = |path: &str| {
        let request = Request::builder().uri(path).header("x-request-id", "axum");
        let request = request.body(axum::body::Body::empty()).expect("a request");
        let response =
            ready(Service::<Request<axum::body::Body>>::call(&mut router, request)).expect("infallible");
        let mut body = Box::pin(response.into_body());
        let frame = ready(poll_fn(|context| body.as_mut().poll_frame(context)));
        frame.and_then(|frame| frame.expect("a body").into_data().ok()).unwrap_or_default()
    };
    assert_eq!(get("/id"), "axum");
    assert_eq!(get("/none"), "");
    assert_eq!(home.outcomes(), outcomes(&[("invalid", "1"), ("ok", "1")]));
}

#[test]
fn response_to_a_scrape_is_negotiated() {
    let home = Home::new();
    home.operation().start().finish();
    let text = home.telemetry.metrics_response("*/*");
    assert_eq!(
        (text.content_type, text.content_encoding),
        ("text/plain; version=0.0.4; charset=utf-8", None)
    );
    assert!(String::from_utf8_lossy(&text.body).contains("scopes_request_total{"));
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let open = home.telemetry.metrics_response(Accept::from(accept).encoding("gzip"));
    assert_eq!(open.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!(open.content_encoding, Some("gzip"));
    let mut plain = String::new();
    io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*open.body), &mut plain).expect("gzip");
    assert!(plain.ends_with("# EOF\n"), "{plain}");
}
