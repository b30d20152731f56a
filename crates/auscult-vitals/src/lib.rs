//! Samplers of Auscult: host, processes of the service, GPUs.
//!
//! A [`Source`] reads one thing and knows neither clock nor metric; the sampler asks it and writes what it
//! says. What cannot be read is absent, never 0.

#![forbid(unsafe_code)]

mod reading;
mod source;

pub use reading::{Quantity, Reading, Readings};
pub use source::{Problem, Source};
