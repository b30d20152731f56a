//! Settings of a sink for Graylog, and for what else reads GELF.

use std::path::PathBuf;
use std::time::Duration;

use auscult_core::Error;

use super::common::{Common, RECORDS, Server, truth};
use super::secret::{Secret, Source};
use super::{Options, begin, wrong};

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

    /// User and password, for a proxy before the input. Of `http` and `https` alone.
    pub fn login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.server.login.user = Some(user.into());
        self.server.login.password = Some(Source::Text(Secret::new(password)));
        self
    }

    /// The user, and the file that has the password.
    pub fn login_file(mut self, user: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.server.login.user = Some(user.into());
        self.server.login.password = Some(Source::File(path.into()));
        self
    }

    /// Certificates in PEM form that the server's may go back to, beside those of the system.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.server.ca_file = Some(path.into());
        self
    }

    /// What the sink is called in metrics and messages; default: `graylog`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.common.name = name.into();
        self
    }

    /// How long the server may take for an answer, and to take what is sent; default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.common.timeout = timeout;
        self
    }

    /// The longest wait between two tries while the server is away; default: 30 s.
    pub fn longest_wait(mut self, wait: Duration) -> Self {
        self.common.longest_wait = wait;
        self
    }

    /// Most records at once; default: by the protocol.
    pub fn batch(mut self, records: usize) -> Self {
        self.common.batch = Some(records);
        self
    }

    pub(crate) fn over(&self) -> GelfOver {
        match &*self.server.address.scheme {
            "tcp" | "tls" => GelfOver::Tcp,
            "udp" => GelfOver::Udp,
            _ => GelfOver::Http,
        }
    }

    pub(crate) fn prepare(&mut self) -> Result<(), Error> {
        let checked =
            self.common.check(RECORDS).and_then(|()| self.check()).and_then(|()| self.server.prepare());
        checked.map_err(|error| wrong(&self.common.name, &error))
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

impl Options for Graylog {
    fn option(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match name {
            "bulk" => self.bulk = truth(name, value)?,
            _ => return Ok(self.common.option(name, value)? || self.server.option(name, value)?),
        }
        Ok(true)
    }
}
