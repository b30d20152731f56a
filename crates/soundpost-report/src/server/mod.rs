//! Scrape server: `/metrics`, `/healthz`, `/readyz` and a small page with links to them, over HTTP/1.1, with or without TLS.
//!
//! It is one future on the reporter's current-thread runtime: no thread for each client, and no lock shared with the
//! host. It has at most [`Limits::connections`] sockets, so no client can exhaust memory or lock out others.

mod auth;
mod body;
mod config;
mod connection;
mod host;
mod listen;
mod negotiate;
mod progress;
mod respond;
mod scrape;
mod slots;
mod socket;
#[cfg_attr(not(feature = "tls"), path = "absent/tls.rs")]
mod tls;

pub use config::{Auth, Limits, ServerConfig, TlsFiles};
pub use listen::Server;
pub use scrape::MetricsResponse;
