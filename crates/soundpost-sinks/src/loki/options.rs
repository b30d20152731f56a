//! Settings of a sink for Grafana Loki, and for what takes its push API.

use soundpost_core::Error;

use crate::loki::push::Extras;
use crate::options::common::{Common, Server};
use crate::options::methods::{common_methods, server_methods, token_methods};
use crate::options::named::{Options, begin};

const KIND: &str = "loki";
/// Where Loki takes what is pushed to it.
pub(crate) const PUSH: &str = "/loki/api/v1/push";
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
    /// A sink for the server at a URL (`http` or `https`), such as `http://loki:3100`, which may end in
    /// `/loki/api/v1/push`. What follows a `?` in it are options: `tenant`, `extras` and the others, by the names of the
    /// methods here.
    ///
    /// # Errors
    /// When the URL cannot be understood, or holds a secret in its query.
    pub fn new(url: &str) -> Result<Self, Error> {
        let mut parts = begin(KIND, url, &[("http", 80), ("https", 443)])?;
        parts.address.take_off(PUSH);
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

    pub(crate) fn prepare(&mut self) -> Result<(), String> {
        self.common.check(RECORDS)?;
        self.check()?;
        self.server.prepare()
    }

    fn check(&self) -> Result<(), String> {
        let fits = |byte: u8| byte.is_ascii_graphic();
        if self.tenant.bytes().all(fits) { Ok(()) } else { Err("tenant: use visible ASCII".into()) }
    }
}

common_methods!(Loki, name: "loki", batch: "1,000");
server_methods!(Loki, login: "as Grafana's cloud and a proxy want them");
token_methods!(Loki);

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
