//! Options of a sink for Graylog, and for servers that accept GELF.

use soundpost_core::Error;

use crate::kind::{SinkKind, set_query, url_parts};
use crate::options::common::{Common, MAX_RECORDS, Server};
use crate::options::declare::options;
use crate::options::groups::{common_options, server_options};

/// Default port of Graylog's GELF inputs.
pub(crate) const PORT: u16 = 12201;

/// Protocol that carries GELF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GelfOver {
    /// Frames, with or without TLS, which the server never acknowledges.
    Tcp,
    /// Datagrams, which may be lost.
    Udp,
    /// Requests, which the server answers.
    Http,
}

/// Sends log events, and each finished call as one, to Graylog, in GELF 1.1.
#[derive(Clone, Debug)]
#[must_use = "a sink ships nothing before a builder has it"]
pub struct Graylog {
    pub(crate) common: Common,
    pub(crate) server: Server,
    pub(crate) bulk: bool,
}

impl Graylog {
    /// Returns a sink for the input at a URL (`tcp`, `tls`, `udp`, `http` or `https`), such as `tcp://graylog:12201`. The
    /// URL's query sets options by the names of the methods here.
    ///
    /// Only `http` and `https` are answered by the server: the guide describes the effect on an outage.
    ///
    /// # Errors
    /// When the URL cannot be understood, or holds a secret in its query.
    pub fn new(url: &str) -> Result<Self, Error> {
        let parts = url_parts::<Self>(url)?;
        let query = parts.query.clone();
        let sink = Self { common: Common::new(Self::NAME), server: Server::new(parts), bulk: false };
        set_query(sink, &query)
    }

    pub(crate) fn over(&self) -> GelfOver {
        match &*self.server.address.scheme {
            "tcp" | "tls" => GelfOver::Tcp,
            "udp" => GelfOver::Udp,
            _ => GelfOver::Http,
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        self.common.check(MAX_RECORDS)?;
        let address = &self.server.address;
        match () {
            () if self.over() == GelfOver::Http => Ok(()),
            () if !self.server.login.is_empty() => {
                Err(format!("user, password: {} has no place for them", address.scheme))
            }
            () if self.bulk => Err(format!("bulk: only http and https have it, and not {}", address.scheme)),
            () if !address.path.is_empty() => {
                Err(format!("the URL has a path, and {} has none", address.scheme))
            }
            () => Ok(()),
        }
    }
}

options! {
    Graylog as OWN {
        /// Sends many records in a request, one on each line, over `http` and `https`. The input's "Enable Bulk Receiving"
        /// must be set: without it Graylog takes the first record and loses the others.
        bulk(bool): bool, "false" => |sink, bulk| sink.bulk = bulk;
    }
}
common_options!(Graylog, name: "graylog", batch: "by the protocol, at most 100,000");
server_options!(Graylog, user: "for a proxy before the input, over `http` and `https`");
