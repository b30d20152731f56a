//! Grafana Loki, and servers that accept its push API.

pub(crate) mod options;
pub mod push;
pub(crate) mod transport;
