//! Reporter of Soundpost: one per service and host reads all segments and does everything slow.
//!
//! Election by a file lock, exposition formats, the scrape server. Services depend on the crate `soundpost`, not on
//! this one.

#![forbid(unsafe_code)]

mod absent;
mod config;
mod context;
mod election;
pub mod exposition;
mod reporter;
#[cfg(feature = "server")]
mod server;
mod sources;

pub use config::{ADDRESS, Appendix, Config, Supervised};
#[cfg(feature = "sinks")]
pub use election::agents_sinks;
pub use election::{agent, reporter};
pub use reporter::Reporter;
pub use reporter::attribution::Attribution;
#[cfg(feature = "store")]
pub use reporter::recovery::recover;
#[cfg(feature = "server")]
pub use server::{Auth, Limits, MetricsResponse, Server, ServerConfig, TlsFiles};
#[cfg(feature = "host")]
pub use soundpost_vitals::oom_kills;
pub use sources::{Health, Sources};
