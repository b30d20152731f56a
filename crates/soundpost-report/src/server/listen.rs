//! The listening socket, and the loop that takes connections from it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{Backlog, listen};
use soundpost_core::{CloseInChild, close_in_child};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{sleep, sleep_until};
use tokio_rustls::TlsAcceptor;

use super::auth::Gate;
use super::config::{Limits, ServerConfig};
use super::progress::Progress;
use super::respond::Responder;
use super::slots::Slots;
use super::socket::Socket;
use super::sources::Sources;
use super::{connection, tls};

/// Wait after a failed accept: out of descriptors or memory, which does not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl ServerConfig {
    /// Checks all but the address, without listening: what [`Server::bind`] would refuse.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`]: a TLS file, which is named, or a token or user that no
    /// client could present.
    pub fn check(&self) -> io::Result<()> {
        self.auth.as_ref().map(Gate::new).transpose()?;
        self.tls.as_ref().map(tls::load).transpose()?;
        Ok(())
    }
}

/// A server that listens and does not answer yet: clients that connect meanwhile wait in the
/// kernel's queue.
pub struct Server {
    /// Before the listener, so that it is dropped first.
    close_in_child: CloseInChild,
    listener: TcpListener,
    address: SocketAddr,
    gate: Option<Gate>,
    tls: Option<TlsAcceptor>,
    limits: Limits,
}

impl Server {
    /// Reads the TLS files and listens.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] where the configuration is at fault (a TLS file, which is
    /// named; a token or user that no client could present); any other kind where the address cannot
    /// be had, such as [`io::ErrorKind::AddrInUse`].
    pub fn bind(config: &ServerConfig) -> io::Result<Self> {
        let gate = config.auth.as_ref().map(Gate::new).transpose()?;
        let tls = config.tls.as_ref().map(tls::load).transpose()?.map(TlsAcceptor::from);
        let limits = Limits { connections: config.limits.connections.max(1), ..config.limits.clone() };
        // The standard library sets SO_REUSEADDR, so that a port is free again as soon as its
        // process is gone.
        let listener = TcpListener::bind(config.listen)?;
        // And a queue of 128, which a burst of clients fills: who is then turned away tries again
        // after a second.
        listen(&listener, Backlog::MAXALLOWABLE)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        // A child that kept it would keep the port taken when this process is gone.
        let close_in_child = close_in_child(listener.as_raw_fd());
        Ok(Self { close_in_child, listener, address, gate, tls, limits })
    }

    /// The address in use, with the real port where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` becomes true or its sender is gone; then all connections end. To be
    /// run on a Tokio runtime with I/O and time enabled.
    ///
    /// # Errors
    /// Where the runtime cannot take the listening socket.
    pub async fn serve(self, sources: Sources, mut shutdown: watch::Receiver<bool>) -> io::Result<()> {
        tokio::select! {
            // An error says that the sender is gone.
            _ = shutdown.wait_for(|stop| *stop) => Ok(()),
            result = self.accept_all(sources) => result,
        }
    }

    async fn accept_all(self, sources: Sources) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        // After the listener, so that it is dropped first.
        let _close_in_child = self.close_in_child;
        let fault = Arc::clone(&sources.fault);
        let responder = Arc::new(Responder::new(sources, self.gate));
        let mut slots = Slots::new(self.limits.connections);
        loop {
            if let Some(moment) = slots.not_before() {
                sleep_until(moment).await;
                continue;
            }
            match listener.accept().await {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    let socket = Socket::new(stream);
                    let progress = Arc::new(Progress::new());
                    slots.start(
                        Arc::clone(&progress),
                        connection::run(
                            socket,
                            self.tls.clone(),
                            Arc::clone(&responder),
                            progress,
                            self.limits.clone(),
                        ),
                    );
                }
                Err(error) if is_clients(&error) => {}
                Err(_) => {
                    fault("accept");
                    slots.evict();
                    sleep(ACCEPT_PAUSE).await;
                }
            }
            // Lets the connections read what has come before the next one may take their place.
            yield_now().await;
        }
    }
}

/// Whether a failed accept is the end of that connection alone.
fn is_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
