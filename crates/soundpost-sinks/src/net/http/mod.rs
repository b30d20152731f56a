//! A minimal HTTP client: requests with a body to one server, over one connection.

mod client;
mod status;
mod url;

pub(crate) use client::Client;
pub(crate) use status::Reply;
pub(crate) use url::uri;
