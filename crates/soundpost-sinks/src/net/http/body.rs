//! Bodies of requests.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};

/// Headers of a body of this type, compressed or not.
pub(crate) fn headers(content_type: &'static str, gzip: bool) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static(content_type))];
    headers.extend(gzip.then(|| (CONTENT_ENCODING, HeaderValue::from_static("gzip"))));
    headers
}

/// A body, compressed as quickly as it can be.
pub(crate) fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // A vector takes everything.
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.unwrap_or_default().into()
}
