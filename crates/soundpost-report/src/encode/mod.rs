//! Encoders: pure functions to what a server reads, from a [`Snapshot`](soundpost_core::snapshot::Snapshot) for
//! those that scrape, and from a [record] for those that are sent to.
//!
//! They know no clock, no lock and no socket. One format is one file.

mod decimal;
mod escape;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod gelf;
mod histogram;
pub mod influx;
mod json;
pub mod jsonl;
pub mod loki;
mod losses;
mod moment;
mod names;
mod number;
mod openmetrics;
pub mod record;
mod replace;
mod size;
mod text;

pub use losses::Losses;
pub use openmetrics::openmetrics;
pub use text::{name_in_text, text};

#[cfg(test)]
mod tests;
