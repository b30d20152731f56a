//! Scrape server: `/metrics`, `/healthz` and a small page that links them, over HTTP/1.1, with or
//! without TLS.
//!
//! It runs as one future on the reporter's current-thread runtime: no thread per client, no lock
//! shared with the host, and at most [`Limits::connections`] sockets, so that no client can take the
//! host's memory or lock another client out.

mod appendix;
mod auth;
mod body;
mod config;
mod connection;
mod listen;
mod negotiate;
mod progress;
mod respond;
mod slots;
mod socket;
mod sources;
mod tls;

pub(crate) use appendix::append;
pub use config::{Auth, Limits, ServerConfig, TlsFiles};
pub use listen::Server;
pub use sources::{Health, Sources};
