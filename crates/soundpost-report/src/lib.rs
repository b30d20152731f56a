//! Reporter of Soundpost: one per service and host reads all segments and does everything slow.
//!
//! Election by a file lock, exposition formats, the scrape server. Services depend on the crate `soundpost`, not on
//! this one.

#![forbid(unsafe_code)]

pub mod attribution;
mod election;
pub mod exposition;
mod keeper;
mod moments;
mod reporter;
mod running;
mod samples;
mod server;
mod vitals;

pub use election::{agent, reporter};
pub use reporter::{Appendix, Config, Reporter};
pub use running::ADDRESS;
pub use server::{Auth, Health, Limits, Server, ServerConfig, Sources, TlsFiles};
