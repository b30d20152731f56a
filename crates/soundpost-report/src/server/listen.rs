//! The listening socket, and the loop that accepts connections.

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

use super::auth::Gate;
use super::config::{Limits, ServerConfig};
use super::host::HostNames;
use super::progress::Progress;
use super::respond::Responder;
use super::slots::Slots;
use super::socket::Socket;
use super::{connection, tls};
use crate::sources::Sources;

/// Pause after a failed accept, for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl ServerConfig {
    /// Checks everything except the address, without listening.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a TLS file, which is named, or for a token or user that no client could
    /// send.
    pub fn check(&self) -> io::Result<()> {
        self.auth.as_ref().map(Gate::new).transpose()?;
        self.tls.as_ref().map(tls::load).transpose()?;
        Ok(())
    }
}

/// A server that listens and does not respond yet. Clients wait in the kernel's queue.
pub struct Server {
    /// Declared before the listener, so that it is dropped first.
    close_in_child: CloseInChild,
    listener: TcpListener,
    address: SocketAddr,
    gate: Option<Gate>,
    /// The names that a request must have where there is no gate.
    hosts: HostNames,
    tls: Option<tls::Acceptor>,
    limits: Limits,
}

impl Server {
    /// Reads the TLS files and listens.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for an invalid configuration: a TLS file, which is named, or a token or user
    /// that no client could send. Any other kind, such as [`io::ErrorKind::AddrInUse`], for an address that cannot be
    /// bound.
    pub fn bind(config: &ServerConfig) -> io::Result<Self> {
        let gate = config.auth.as_ref().map(Gate::new).transpose()?;
        let tls = config.tls.as_ref().map(tls::load).transpose()?;
        let limits = Limits { connections: config.limits.connections.max(1), ..config.limits.clone() };
        // The standard library sets SO_REUSEADDR, so a port is free again at the end of its process.
        let listener = TcpListener::bind(config.listen)?;
        // Its queue of 128 is too short for a burst of clients; a rejected client retries after a second.
        listen(&listener, Backlog::MAXALLOWABLE)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        // A forked child that inherited it would occupy the port after the end of this process.
        let close_in_child = close_in_child(listener.as_raw_fd());
        let hosts = HostNames::new(&config.allowed_hosts);
        Ok(Self { close_in_child, listener, address, gate, hosts, tls, limits })
    }

    /// Returns the bound address, with the actual port for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` becomes true or its sender is dropped, and then ends all connections. It needs a Tokio
    /// runtime with I/O and time.
    ///
    /// # Errors
    /// When the runtime cannot register the listening socket.
    pub async fn serve(self, sources: Sources, mut shutdown: watch::Receiver<bool>) -> io::Result<()> {
        tokio::select! {
            // An error means that the sender was dropped.
            _ = shutdown.wait_for(|stop| *stop) => Ok(()),
            result = self.accept_all(sources) => result,
        }
    }

    async fn accept_all(self, sources: Sources) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        // Declared after the listener, so that it is dropped first.
        let _close_in_child = self.close_in_child;
        let fault = Arc::clone(&sources.fault);
        let responder = Arc::new(Responder::new(sources, self.gate, self.hosts));
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
            // Connections read the bytes that arrived before the next client may replace them.
            yield_now().await;
        }
    }
}

/// Returns whether a failed accept concerns one connection only.
fn is_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
