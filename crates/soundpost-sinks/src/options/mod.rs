//! Options that sinks of several kinds share: typed, from a URL, or by name and text from a binding.

pub(crate) mod address;
pub(crate) mod common;
pub(crate) mod list;
pub(crate) mod methods;
pub(crate) mod named;
pub(crate) mod secret;
