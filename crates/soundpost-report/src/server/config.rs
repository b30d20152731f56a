//! What the server is told before it starts.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where and how to serve.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may scrape; `None`: everybody who can connect. `/healthz` is always open.
    pub auth: Option<Auth>,
    /// Certificate and key; `None`: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// What a client may take.
    pub limits: Limits,
}

impl ServerConfig {
    /// Plain HTTP on an address, open to everybody who can connect, with the default limits.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, auth: None, tls: None, limits: Limits::default() }
    }
}

/// What a scraper has to present. The secrets are not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer TOKEN` (RFC 6750).
    Bearer {
        /// Visible ASCII characters, at least one.
        token: String,
    },
    /// `Authorization: Basic ...` (RFC 7617).
    Basic {
        /// Without a colon.
        user: String,
        /// Any text.
        password: String,
    },
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer { .. } => f.debug_struct("Bearer").finish_non_exhaustive(),
            Self::Basic { user, .. } => f.debug_struct("Basic").field("user", user).finish_non_exhaustive(),
        }
    }
}

/// PEM files of a TLS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and the intermediate ones, the server's first.
    pub certificate: PathBuf,
    /// The private key of the first certificate (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
}

/// What a client may take. A header has at most 8 KiB, which is not configurable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time. One more takes the place of the one that has kept the server waiting
    /// longest.
    pub connections: usize,
    /// From connecting (the TLS handshake included), or from the first byte of a later request, to
    /// the end of the header.
    pub header: Duration,
    /// From the end of the header to the last byte of the response being taken.
    pub response: Duration,
    /// From one response to the first byte of the next request.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 32,
            header: Duration::from_secs(5),
            response: Duration::from_secs(10),
            // Longer than Prometheus' default scrape interval of a minute, so that its connection is
            // used again.
            idle: Duration::from_secs(75),
        }
    }
}
