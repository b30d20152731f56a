//! Settings of a sink for Graylog, and for what else reads GELF.

use soundpost_core::Error;

use crate::options::common::{Common, RECORDS, Server, truth};
use crate::options::methods::{common_methods, server_methods};
use crate::options::named::{Options, begin};

const KIND: &str = "graylog";

/// The port that Graylog's inputs for GELF have by default.
const PORT: u16 = 12201;

/// How GELF travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GelfOver {
    /// One frame after the other, without or with TLS; the server never says that it has them.
    Tcp,
    /// Datagrams, of which nobody says what became of them.
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
    /// A sink for the input at a URL: `tcp`, `tls`, `udp`, `http` or `https`, such as `tcp://graylog:12201`. What
    /// follows a `?` in it are options, by the names of the methods here.
    ///
    /// Only `http` and `https` are answered by the server: see the guide for what that means for an outage.
    ///
    /// # Errors
    /// When the URL cannot be understood, or holds a secret in its query.
    pub fn new(url: &str) -> Result<Self, Error> {
        let schemes = [("tcp", PORT), ("tls", PORT), ("udp", PORT), ("http", 80), ("https", 443)];
        let parts = begin(KIND, url, &schemes)?;
        let query = parts.query.clone();
        let mut sink = Self { common: Common::new(KIND), server: Server::new(parts), bulk: false };
        sink.take_query(KIND, &query)?;
        Ok(sink)
    }

    /// Sends many records in a request, one on each line, which is much faster. The input's "Enable Bulk Receiving"
    /// must be set: without it Graylog takes the first and loses the others. Of `http` and `https` alone.
    pub fn bulk(mut self) -> Self {
        self.bulk = true;
        self
    }

    pub(crate) fn over(&self) -> GelfOver {
        match &*self.server.address.scheme {
            "tcp" | "tls" => GelfOver::Tcp,
            "udp" => GelfOver::Udp,
            _ => GelfOver::Http,
        }
    }

    pub(crate) fn prepare(&mut self) -> Result<(), String> {
        self.common.check(RECORDS)?;
        self.check()?;
        self.server.prepare()
    }

    fn check(&self) -> Result<(), String> {
        let address = &self.server.address;
        let http = self.over() == GelfOver::Http;
        match () {
            () if http => Ok(()),
            () if !self.server.login.is_empty() => {
                Err(format!("user, password, token: {} has no place for them", address.scheme))
            }
            () if self.bulk => Err(format!("bulk: only http and https have it, and not {}", address.scheme)),
            () if !address.path.is_empty() => {
                Err(format!("the URL has a path, and {} has none", address.scheme))
            }
            () => Ok(()),
        }
    }
}

common_methods!(Graylog, name: "graylog", batch: "by the protocol");
server_methods!(Graylog, login: "for a proxy before the input. Of `http` and `https` alone");

impl Options for Graylog {
    fn option(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match name {
            "bulk" => self.bulk = truth(name, value)?,
            _ => return Ok(self.common.option(name, value)? || self.server.option(name, value)?),
        }
        Ok(true)
    }
}
