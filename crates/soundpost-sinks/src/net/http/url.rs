//! The path and query of a request.

use hyper::Uri;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::options::address::Address;

/// Characters to encode in a query's value.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Characters to encode in a configured path.
const PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`');

/// Appends a path to that of the address, with a query. Pairs without a value are omitted.
pub(crate) fn uri(address: &Address, path: &str, query: &[(&str, &str)]) -> Result<Uri, String> {
    let mut text = utf8_percent_encode(&address.path, PATH).to_string();
    text.push_str(path);
    let mut before = '?';
    for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
        text.push(std::mem::replace(&mut before, '&'));
        text.push_str(name);
        text.push('=');
        text.extend(utf8_percent_encode(value, VALUE));
    }
    if text.is_empty() {
        text.push('/');
    }
    text.parse().map_err(|_| "the URL's path cannot be used".to_owned())
}
