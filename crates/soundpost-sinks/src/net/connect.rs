//! TCP and TLS connections with a timeout, which forked children close.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use soundpost_core::{CloseInChild, close_in_child};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::counted::Counted;
use crate::options::address::Address;
use crate::options::certificates::certificates;
use crate::options::common::Server;
use crate::transport::answer::Verdict;

/// Timeout for connecting to one address of a host.
const CONNECT: Duration = Duration::from_secs(5);

pub(crate) struct Connector {
    pub(crate) address: Address,
    timeout: Duration,
    tls: Option<Tls>,
}

struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

/// A connection, with or without TLS.
pub(crate) struct Connection {
    // Dropped before the socket, because its descriptor can be reused as soon as it is closed.
    _closed_in_child: CloseInChild,
    io: Io,
}

enum Io {
    Plain(Counted),
    Tls(Box<TlsStream<Counted>>),
}

impl Connector {
    /// Creates a connector with a connection timeout. It reads the system's certificates, which takes milliseconds.
    ///
    /// # Errors
    /// When the `ca_file` cannot be used, or the host's name cannot appear in a certificate.
    pub(crate) fn new(server: &Server, timeout: Duration, protocol: Option<&[u8]>) -> Result<Self, String> {
        let address = server.address.clone();
        let tls = match address.is_encrypted() {
            true => Some(Tls {
                connector: connector(server.ca_file.as_deref(), protocol)?,
                name: ServerName::try_from(address.host.clone())
                    .map_err(|_| format!("{} is no name that a certificate could have", address.host))?,
            }),
            false => None,
        };
        Ok(Self { address, timeout, tls })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// [`Verdict::Misconfigured`] if the server's certificate is not trusted or it does not speak TLS, else
    /// [`Verdict::Later`].
    pub(crate) async fn connect(&self) -> Result<Connection, Verdict> {
        match timeout(self.timeout, self.attempt()).await {
            Ok(connected) => connected,
            Err(_) => Err(self.address.later(&"no connection within the time it may take")),
        }
    }

    async fn attempt(&self) -> Result<Connection, Verdict> {
        let stream = self.tcp().await.map_err(|error| self.address.later(&error))?;
        let closed_in_child = close_in_child(stream.as_raw_fd());
        let _ = stream.set_nodelay(true);
        let stream = Counted::new(stream);
        let io = match &self.tls {
            None => Io::Plain(stream),
            Some(tls) => match tls.connector.connect(tls.name.clone(), stream).await {
                Ok(stream) => Io::Tls(Box::new(stream)),
                Err(error) => return Err(self.broken(&error)),
            },
        };
        Ok(Connection { _closed_in_child: closed_in_child, io })
    }

    /// Tries the host's addresses, one after the other.
    async fn tcp(&self) -> io::Result<TcpStream> {
        let mut last = None;
        let found = tokio::net::lookup_host((self.address.host.as_str(), self.address.port)).await;
        for address in found.map_err(|error| io::Error::other(format!("no address: {error}")))? {
            match connect_to(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::other("the host has no address")))
    }

    /// Returns the verdict on a connection error. TLS errors are permanent.
    pub(crate) fn broken(&self, error: &io::Error) -> Verdict {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(tls) => Verdict::Misconfigured(format!("{}: TLS: {tls}", self.address)),
            None => self.address.later(error),
        }
    }
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    timeout(CONNECT, TcpStream::connect(address))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Returns a connector that trusts the system's certificates and those of a file.
pub(crate) fn connector(ca_file: Option<&Path>, protocol: Option<&[u8]>) -> Result<TlsConnector, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    // The explicit provider prevents other crates of the service from changing it.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocol.iter().map(|name| name.to_vec()).collect();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Connection {
    /// Returns the number of bytes written to the socket, including those of TLS.
    pub(crate) fn written(&self) -> u64 {
        self.counted().written()
    }

    fn counted(&self) -> &Counted {
        match &self.io {
            Io::Plain(stream) => stream,
            Io::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.counted().as_fd()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_flush(context),
            Io::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
