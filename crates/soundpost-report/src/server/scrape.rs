//! The response to a scrape: format and coding by the client's headers.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue};
use soundpost_core::snapshot::Snapshot;

use super::negotiate::{self, Format};
use crate::exposition;

/// The response to a scrape, for a server of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsResponse {
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The value of `Content-Encoding`: `gzip`, or none.
    pub content_encoding: Option<&'static str>,
    /// The metrics.
    pub body: Bytes,
}

impl MetricsResponse {
    /// The value of `Vary`: the headers that select format and coding.
    pub const VARY: &str = "accept, accept-encoding";

    /// Renders a snapshot as the values of `Accept` and `Accept-Encoding` ask for. With an appendix, which is text 0.0.4,
    /// the format is that.
    pub fn new(snapshot: &Snapshot, appendix: Appendix<'_>, accept: &str, accept_encoding: &str) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in [(ACCEPT, accept), (ACCEPT_ENCODING, accept_encoding)] {
            // A value that no header can have asks for nothing.
            headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        }
        Self::from_headers(snapshot, appendix, &headers)
    }

    pub(super) fn from_headers(snapshot: &Snapshot, appendix: Appendix<'_>, headers: &HeaderMap) -> Self {
        let format = if appendix.is_some() { Format::Text } else { negotiate::format(headers) };
        let text = exposition::render(snapshot, appendix, format == Format::OpenMetrics);
        let compressed = negotiate::gzip(headers).then(|| compress(text.as_bytes())).flatten();
        Self {
            content_type: format.content_type(),
            content_encoding: compressed.as_ref().map(|_| "gzip"),
            body: compressed.unwrap_or_else(|| text.into()),
        }
    }
}

type Appendix<'a> = Option<&'a (dyn Fn() -> String + Send + Sync)>;

/// Compresses fast rather than small: the server's thread has other clients.
fn compress(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8 + 64), Compression::fast());
    // Writing to memory does not fail; the uncompressed body would be valid as well.
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}
