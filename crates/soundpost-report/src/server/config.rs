//! Configuration of the server.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Configuration of the server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Address to listen on; port 0 selects a free one.
    pub listen: SocketAddr,
    /// Credentials of scrapers; `None` allows every client. `/healthz` and `/readyz` are always open.
    pub auth: Option<Auth>,
    /// Names of hosts that a request without credentials may be addressed to, beside this host's: a name, `*.` and a
    /// domain, or `*`.
    pub allowed_hosts: Vec<String>,
    /// Certificate and key; `None` for plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Limits for clients.
    pub limits: Limits,
}

impl ServerConfig {
    /// Returns plain HTTP on an address, open to every client, with the default limits.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, auth: None, allowed_hosts: Vec::new(), tls: None, limits: Limits::default() }
    }
}

/// Credentials that a scraper must send. `Debug` hides the secrets.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer TOKEN` (RFC 6750).
    Bearer {
        /// Visible ASCII characters, at least one.
        token: String,
    },
    /// `Authorization: Basic ...` (RFC 7617).
    Basic {
        /// Any text without a colon.
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
    /// The server's certificate first, then intermediate ones.
    pub certificate: PathBuf,
    /// The private key of the first certificate (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
}

/// Limits for clients. A header has at most 8 KiB, which is not configurable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of connections. A further one replaces the one that has kept the server waiting longest.
    pub connections: usize,
    /// Maximum time from connecting (including the TLS handshake), or from the first byte of a later request, to the
    /// end of the header.
    pub header: Duration,
    /// Maximum time from the end of the header until the response is sent.
    pub response: Duration,
    /// Maximum time from a response to the first byte of the next request.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 32,
            header: Duration::from_secs(5),
            response: Duration::from_secs(10),
            // Longer than the default scrape interval of Prometheus, a minute, so that its connection is reused.
            idle: Duration::from_secs(75),
        }
    }
}
