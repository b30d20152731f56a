//! A minimal HTTP client: requests with a body to one server, over one connection.

mod body;
mod client;
mod reply_text;
mod status;
mod url;

pub(crate) use body::{gzip, headers};
pub(crate) use client::{Client, Request, Scheme};
pub(crate) use status::Reply;
pub(crate) use url::path;
