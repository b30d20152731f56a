//! InfluxDB, and servers that accept its line protocol.

pub mod line_protocol;
pub(crate) mod options;
pub(crate) mod transport;
