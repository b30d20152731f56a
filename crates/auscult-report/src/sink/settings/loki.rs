//! Settings of a sink for Grafana Loki, and for what takes its push API.

use std::path::PathBuf;
use std::time::Duration;

use auscult_core::Error;

use super::common::{Common, Server};
use super::secret::{Secret, Source};
use super::{Options, begin, wrong};
use crate::encode::loki::Extras;

const KIND: &str = "loki";
/// Most records in a request.
const RECORDS: usize = 10_000;

/// Sends log events, and each finished call as one, to Loki.
#[derive(Clone, Debug)]
#[must_use = "a sink ships nothing before a builder has it"]
pub struct Loki {
    pub(crate) common: Common,
    pub(crate) server: Server,
    pub(crate) tenant: String,
    pub(crate) extras: Extras,
    pub(crate) json: bool,
}

impl Loki {
    /// A sink for the server at a URL (`http` or `https`), such as `http://loki:3100`. What follows a `?` in it are
    /// options: `tenant`, `extras` and the others, by the names of the methods here.
    ///
    /// # Errors
    /// When the URL cannot be understood, or holds a secret in its query.
    pub fn new(url: &str) -> Result<Self, Error> {
        let parts = begin(KIND, url, &[("http", 80), ("https", 443)])?;
        let query = parts.query.clone();
        let mut sink = Self {
            common: Common::new(KIND),
            server: Server::new(parts),
            tenant: String::new(),
            extras: Extras::Metadata,
            json: false,
        };
        sink.take_query(KIND, &query)?;
        Ok(sink)
    }

    /// The tenant (`X-Scope-OrgID`); default: none.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = tenant.into();
        self
    }

    /// Writes fields as logfmt at the end of the line, for servers without structured metadata. Where the server says
    /// that it has none, that is done without being asked for.
    pub fn logfmt(mut self) -> Self {
        self.extras = Extras::Line;
        self
    }

    /// Sends JSON instead of protobuf, for servers that take nothing else.
    pub fn json(mut self) -> Self {
        self.json = true;
        self
    }

    /// A bearer token.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.server.login.token = Some(Source::Text(Secret::new(token)));
        self
    }

    /// The file that has the token. It is read again when the server refuses what was in it.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.server.login.token = Some(Source::File(path.into()));
        self
    }

    /// The variable of the environment that has the token; it is read once, at the start.
    pub fn token_env(mut self, variable: impl Into<String>) -> Self {
        self.server.login.token = Some(Source::Variable(variable.into()));
        self
    }

    /// User and password, as Grafana's cloud and a proxy want them.
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

    /// What the sink is called in metrics and messages; default: `loki`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.common.name = name.into();
        self
    }

    /// How long the server may take for an answer; default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.common.timeout = timeout;
        self
    }

    /// The longest wait between two tries while the server is away; default: 30 s.
    pub fn longest_wait(mut self, wait: Duration) -> Self {
        self.common.longest_wait = wait;
        self
    }

    /// Most records in a request; default: 1,000.
    pub fn batch(mut self, records: usize) -> Self {
        self.common.batch = Some(records);
        self
    }

    pub(crate) fn prepare(&mut self) -> Result<(), Error> {
        let checked =
            self.common.check(RECORDS).and_then(|()| self.check()).and_then(|()| self.server.prepare());
        checked.map_err(|error| wrong(&self.common.name, &error))
    }

    fn check(&self) -> Result<(), String> {
        let fits = |byte: u8| byte.is_ascii_graphic();
        if self.tenant.bytes().all(fits) { Ok(()) } else { Err("tenant: use visible ASCII".into()) }
    }
}

impl Options for Loki {
    fn option(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match (name, value) {
            ("tenant", _) => self.tenant = value.to_owned(),
            ("extras", "metadata") => self.extras = Extras::Metadata,
            ("extras", "logfmt") => self.extras = Extras::Line,
            ("extras", _) => return Err(format!("extras: {value:?} is neither metadata nor logfmt")),
            ("encoding", "protobuf") => self.json = false,
            ("encoding", "json") => self.json = true,
            ("encoding", _) => return Err(format!("encoding: {value:?} is neither protobuf nor json")),
            _ => return Ok(self.common.option(name, value)? || self.server.option(name, value)?),
        }
        Ok(true)
    }
}
