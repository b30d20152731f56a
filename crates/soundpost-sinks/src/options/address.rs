//! Where a server is: a URL without what nobody may see.

use std::borrow::Cow;
use std::fmt;

use hyper::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::secret::Secret;
use crate::transport::answer::Verdict;

/// Characters that are percent-encoded.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'/').remove(b':');

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Without what names the kind of sink: `http`, `https`, `tcp`, `tls`, `udp`.
    pub(crate) scheme: String,
    /// A name or an address; without the brackets of IPv6.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Begins with a slash and does not end with one; empty for the root.
    pub(crate) path: String,
}

pub(crate) struct Parts {
    pub(crate) address: Address,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) query: Vec<(String, String)>,
}

impl Address {
    /// Reads a URL with one of these schemes, each with its port where the URL has none. An error says what is wrong,
    /// and nothing of what the URL holds.
    pub(crate) fn parse(url: &str, kind: &str, schemes: &[(&str, u16)]) -> Result<Parts, String> {
        let expected = || schemes.iter().map(|(name, _)| format!("{name}://")).collect::<Vec<_>>().join(", ");
        // A fragment means nothing to a server, and `Uri` drops it.
        if url.contains('#') {
            return Err("the URL has a '#'; write %23".into());
        }
        let uri: Uri = url
            .parse()
            .map_err(|_| format!("the URL cannot be understood; it begins with one of {}", expected()))?;
        let scheme = uri.scheme_str().unwrap_or_default().to_ascii_lowercase();
        let scheme = scheme.strip_prefix(kind).and_then(|rest| rest.strip_prefix('+')).unwrap_or(&scheme);
        let Some((_, port)) = schemes.iter().find(|(name, _)| *name == scheme) else {
            return Err(format!("the URL has an unknown scheme; it begins with one of {}", expected()));
        };
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("the URL has no host".into());
        }
        let authority = uri.authority().map_or("", hyper::http::uri::Authority::as_str);
        let (login, place) = authority.rsplit_once('@').map_or((None, authority), |(a, b)| (Some(a), b));
        // A text after the host that is no port is an error.
        let has_port = place.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let port = match uri.port_u16() {
            Some(0) => return Err("the URL has port 0".into()),
            Some(port) => port,
            None if has_port => return Err("the URL has a port that is no number up to 65535".into()),
            None => *port,
        };
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, password)) => (decoded(user)?, decoded(password)?),
            None => (String::new(), String::new()),
        };
        Ok(Parts {
            address: Self {
                scheme: scheme.to_owned(),
                host: host.to_owned(),
                port,
                path: uri.path().trim_end_matches('/').to_owned(),
            },
            user: Some(user).filter(|user| !user.is_empty()),
            password: Some(password).filter(|password| !password.is_empty()).map(Secret::new),
            query: pairs(uri.query().unwrap_or_default())?,
        })
    }

    /// Takes a path off that is the protocol's own: people have it at hand with the URL. Tells whether it was there.
    pub(crate) fn take_off(&mut self, path: &str) -> bool {
        let before = self.path.strip_suffix(path).map(|before| before.trim_end_matches('/').len());
        before.is_some_and(|length| {
            self.path.truncate(length);
            true
        })
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(&*self.scheme, "https" | "tls")
    }

    /// `host:port`, as a header has it; without the port where it is the scheme's.
    pub(crate) fn authority(&self) -> String {
        match (&*self.scheme, self.port) {
            ("http", 80) | ("https", 443) => self.bracketed().into_owned(),
            _ => format!("{}:{}", self.bracketed(), self.port),
        }
    }

    /// Returns a verdict to retry later, with the address.
    pub(crate) fn later(&self, why: &dyn fmt::Display) -> Verdict {
        Verdict::later(format!("{self}: {why}"))
    }

    fn bracketed(&self) -> Cow<'_, str> {
        if self.host.contains(':') { format!("[{}]", self.host).into() } else { self.host.as_str().into() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}{}", self.scheme, self.bracketed(), self.port, self.path)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names and values of a query.
pub(crate) fn pairs(query: &str) -> Result<Vec<(String, String)>, String> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(&value.replace('+', " "))?))
        })
        .collect()
}

/// A text without percent signs that stand for something else.
pub(crate) fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| "the URL has percent signs that are no UTF-8".to_owned())
}

/// A text as the path or query of a URL has it.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &RESERVED).to_string()
}
