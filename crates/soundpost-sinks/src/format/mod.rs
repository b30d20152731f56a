//! Records as plain data, and the shared parts of encoders. Encoders are pure functions, without clock, lock or socket.

pub(crate) mod decimal;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod json;
pub(crate) mod losses;
pub(crate) mod moment;
pub(crate) mod names;
pub mod record;
pub(crate) mod replace;

pub use losses::Losses;
