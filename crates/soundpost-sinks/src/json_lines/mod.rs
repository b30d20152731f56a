//! Lines of JSON, to a file or to standard output.

mod file;
pub mod lines;
pub(crate) mod options;
mod shared;
pub(crate) mod transport;
