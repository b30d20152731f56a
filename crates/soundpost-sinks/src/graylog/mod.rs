//! Graylog, and servers that accept GELF over HTTP, TCP or UDP.

pub mod gelf;
pub(crate) mod http;
pub(crate) mod options;
mod stopped;
pub(crate) mod tcp;
pub(crate) mod udp;
