//! Encoders: pure functions from a [`Snapshot`](auscult_core::snapshot::Snapshot) to what a server
//! reads.
//!
//! They know no clock, no lock and no socket. One format is one file.

mod escape;
mod histogram;
mod number;
mod openmetrics;
mod size;
mod text;

pub use openmetrics::openmetrics;
pub use text::{name_in_text, text};

#[cfg(test)]
mod tests;
