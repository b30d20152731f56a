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
use tokio_rustls::TlsAcceptor;

use super::config::Limits;
use super::progress::{Progress, Watched};
use super::respond::Responder;
use super::socket::Socket;

/// Longest header of a request, in bytes; hyper answers a longer one with 431.
const HEADER_BYTES: usize = 8 * 1024;

/// Serves one client until it leaves, breaks the protocol, or keeps the server waiting for too long.
pub(super) async fn run(
    socket: Socket,
    tls: Option<TlsAcceptor>,
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
    // An error is a client that broke off or broke the protocol. It was told what there is to tell,
    // and is not ours.
    let _ = http1::Builder::new()
        .max_buf_size(HEADER_BYTES)
        // Deadlines are kept by `until_late`, for all phases alike.
        .header_read_timeout(None)
        .serve_connection(stream, service)
        .await;
}

/// Runs a connection until it ends or its client misses a deadline. What the client has sent is
/// looked at before the clock is: a server that was held up itself does not blame its clients.
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
