//! Graylog, and servers that accept GELF over HTTP, TCP or UDP.

pub mod gelf;
mod http;
mod tcp;
mod udp;

use soundpost_core::Error;
use soundpost_store::RecordKinds;

use crate::graylog::http::GelfHttp;
use crate::graylog::tcp::GelfTcp;
use crate::graylog::udp::GelfUdp;
use crate::kind::{SinkKind, TargetForm, set_query, url_parts};
use crate::options::address::Address;
use crate::options::common::{Common, MAX_RECORDS, Server};
use crate::options::declare::{OptionSpec, options};
use crate::options::groups::{common_options, server_options};
use crate::transport::Transport;

/// Default port of Graylog's GELF inputs.
pub(crate) const PORT: u16 = 12201;

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
        let common = Common::of_server(Self::NAME, &parts);
        let sink = Self { common, server: Server::new(parts), bulk: false };
        set_query(sink, &query)
    }
}

impl SinkKind for Graylog {
    const NAME: &'static str = "graylog";
    const CLASS: &'static str = "Graylog";
    const ABOUT: &'static str = "Sends log events, and each finished call as one, to Graylog, in GELF.";
    const TARGET: TargetForm =
        TargetForm::Url(&[("tcp", PORT), ("tls", PORT), ("udp", PORT), ("http", 80), ("https", 443)]);
    const RECORDS: RecordKinds = RecordKinds::LOGS;
    const OPTIONS: &'static [&'static [OptionSpec<Self>]] = &[Self::OWN, Self::SERVER, Self::COMMON];

    fn at(place: &str) -> Result<Self, Error> {
        Self::new(place)
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn target(&self) -> String {
        self.server.address.to_string()
    }

    fn prepare(&mut self) -> Result<(), String> {
        self.common.check(MAX_RECORDS)?;
        let Address { scheme, path, .. } = &self.server.address;
        match () {
            () if scheme.starts_with("http") => self.server.prepare(),
            () if !self.server.login.is_empty() => {
                Err(format!("user, password: {scheme} has no place for them"))
            }
            () if self.bulk => Err(format!("bulk: only http and https have it, and not {scheme}")),
            () if !path.is_empty() => Err(format!("the URL has a path, and {scheme} has none")),
            () => self.server.prepare(),
        }
    }

    fn open(&self) -> Result<Box<dyn Transport>, String> {
        Ok(match &*self.server.address.scheme {
            "tcp" | "tls" => Box::new(GelfTcp::new(self)?),
            "udp" => Box::new(GelfUdp::new(self)),
            _ => Box::new(GelfHttp::new(self)?),
        })
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
