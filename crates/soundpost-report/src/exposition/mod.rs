//! Exposition formats: pure functions from a [`Snapshot`](soundpost_core::snapshot::Snapshot) to the text that a scrape
//! returns. They have no clock, no lock and no socket. One format is one file.

mod appendix;
mod escape;
mod histogram;
mod number;
mod openmetrics;
mod size;
mod text;

pub(crate) use appendix::append;
pub use openmetrics::openmetrics;
pub use text::{name_in_text, text};

#[cfg(test)]
mod tests;
