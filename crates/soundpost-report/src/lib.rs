//! Reporter of Soundpost: one per service and host reads all segments and does everything slow.
//!
//! Election by a file lock, exposition formats, the scrape server. Services depend on the crate `soundpost`, not on
//! this one.

#![forbid(unsafe_code)]

mod config;
mod context;
mod election;
pub mod exposition;
mod reporter;
mod server;

pub use config::{Appendix, Config};
pub use election::{agent, reporter};
pub use reporter::attribution::Attribution;
pub use reporter::{ADDRESS, Reporter};
pub use server::{Auth, Health, Limits, Server, ServerConfig, Sources, TlsFiles};
