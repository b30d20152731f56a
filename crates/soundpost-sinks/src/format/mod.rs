//! Records as plain data, and the parts that several encoders share. Encoders are pure functions: they have no clock, no
//! lock and no socket.

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
