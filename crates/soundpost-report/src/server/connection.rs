//! One connection, from the handshake to its end.

use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep_until;

use super::config::Limits;
use super::progress::{Progress, Watched};
use super::respond::Responder;
use super::socket::Socket;
use super::tls::Acceptor;

/// Maximum length of a request's header, bytes; hyper responds with 431 to a longer one.
const HEADER_BYTES: usize = 8 * 1024;

/// Serves one client until it leaves, violates the protocol, or misses a deadline.
pub(super) async fn run(
    socket: Socket,
    tls: Option<Acceptor>,
    responder: Arc<Responder>,
    progress: Arc<Progress>,
    limits: Limits,
) {
    let serving = async {
        match tls {
            None => serve(socket, &responder, &progress).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(socket).await {
                    serve(stream, &responder, &progress).await;
                }
            }
        }
    };
    until_late(serving, &progress, &limits).await;
}

async fn serve<S>(stream: S, responder: &Arc<Responder>, progress: &Arc<Progress>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let service = service_fn(|request| {
        progress.requested();
        ready(Ok::<_, Infallible>(responder.respond(&request, progress)))
    });
    let stream = TokioIo::new(Watched::new(stream, Arc::clone(progress)));
    // An error means that the client left or violated the protocol, and was already sent to it.
    let _ = http1::Builder::new()
        .max_buf_size(HEADER_BYTES)
        // `until_late` enforces the deadlines of all phases.
        .header_read_timeout(None)
        .serve_connection(stream, service)
        .await;
}

/// Runs a connection until it ends or its client misses a deadline. Pending bytes are read before the clock, so a
/// client does not miss a deadline while the server itself was delayed.
async fn until_late(serving: impl Future<Output = ()>, progress: &Progress, limits: &Limits) {
    let mut serving = pin!(serving);
    let mut late = pin!(sleep_until(progress.deadline(limits)));
    poll_fn(|cx| {
        if serving.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let deadline = progress.deadline(limits);
        if deadline != late.deadline() {
            Pin::as_mut(&mut late).reset(deadline);
        }
        late.as_mut().poll(cx)
    })
    .await;
}
