//! Connections to one receiver, and HTTP over them.

pub(crate) mod connect;
mod counted;
pub(crate) mod gzip;
pub(crate) mod http;
