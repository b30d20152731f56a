//! Grafana Loki, and servers that accept its push API.

pub mod push;
mod transport;

use soundpost_core::Error;
use soundpost_store::RecordKinds;

use crate::kind::{SinkKind, TargetForm, set_query, url_parts};
use crate::loki::push::Extras;
use crate::loki::transport::LokiTransport;
use crate::options::common::{Common, Server};
use crate::options::declare::{OptionSpec, options};
use crate::options::groups::{common_options, server_options, token_options};
use crate::options::value::OptionValue;
use crate::transport::Transport;

/// Path of the push API.
pub(crate) const PUSH: &str = "/loki/api/v1/push";
/// Maximum number of records in a request.
pub(crate) const MAX_RECORDS: usize = 10_000;

/// Encoding of requests to Loki.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LokiEncoding {
    /// Protocol buffers, compressed with snappy.
    #[default]
    Protobuf,
    /// JSON, compressed with gzip, for servers that accept nothing else.
    Json,
}

/// Pushes log events, and each finished call as one, to Loki.
#[derive(Clone, Debug)]
#[must_use = "a sink ships nothing before a builder has it"]
pub struct Loki {
    pub(crate) common: Common,
    pub(crate) server: Server,
    pub(crate) tenant: String,
    pub(crate) extras: Extras,
    pub(crate) encoding: LokiEncoding,
}

impl Loki {
    /// Returns a sink for the server at a URL (`http` or `https`), such as `http://loki:3100`, which may end in
    /// `/loki/api/v1/push`. The URL's query sets options by the names of the methods here.
    ///
    /// # Errors
    /// When the URL cannot be understood, or holds a secret in its query.
    pub fn new(url: &str) -> Result<Self, Error> {
        let mut parts = url_parts::<Self>(url)?;
        parts.address.take_off(PUSH);
        let query = parts.query.clone();
        let sink = Self {
            common: Common::of_server(Self::NAME, &parts),
            server: Server::new(parts),
            tenant: String::new(),
            extras: Extras::Metadata,
            encoding: LokiEncoding::Protobuf,
        };
        set_query(sink, &query)
    }
}

impl SinkKind for Loki {
    const NAME: &'static str = "loki";
    const CLASS: &'static str = "Loki";
    const ABOUT: &'static str = "Pushes log events, and each finished call as one, to Grafana Loki.";
    const TARGET: TargetForm = TargetForm::Url(&[("http", 80), ("https", 443)]);
    const RECORDS: RecordKinds = RecordKinds::LOGS;
    const OPTIONS: &'static [&'static [OptionSpec<Self>]] =
        &[Self::OWN, Self::TOKEN, Self::SERVER, Self::COMMON];

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
        if !self.tenant.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("tenant: use visible ASCII".into());
        }
        self.server.prepare()
    }

    fn open(&self) -> Result<Box<dyn Transport>, String> {
        Ok(Box::new(LokiTransport::new(self)?))
    }
}

options! {
    Loki as OWN {
        /// Tenant, sent as `X-Scope-OrgID`.
        tenant(impl Into<String>): String, "none" => |sink, tenant| sink.tenant = tenant;
        /// Place of fields: `metadata` (structured metadata), or `logfmt` (at the end of the line, for servers without
        /// structured metadata). A server that refuses metadata gets logfmt by itself.
        extras(Extras): Extras, "`metadata`" => |sink, extras| sink.extras = extras;
        /// Encoding of requests: `protobuf`, or `json` for servers that accept nothing else.
        encoding(LokiEncoding): LokiEncoding, "`protobuf`" => |sink, encoding| sink.encoding = encoding;
    }
}
common_options!(Loki, name: "loki", batch: "1,000, at most 10,000");
server_options!(Loki, user: "as Grafana's cloud and a proxy want one");
token_options!(Loki);

impl OptionValue for Extras {
    const PYTHON: &'static str = r#"Literal["metadata", "logfmt"]"#;

    fn read(text: &str) -> Result<Self, &'static str> {
        match text {
            "metadata" => Ok(Self::Metadata),
            "logfmt" => Ok(Self::Logfmt),
            _ => Err("use metadata or logfmt"),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Metadata => "metadata",
            Self::Logfmt => "logfmt",
        }
        .to_owned()
    }
}

impl OptionValue for LokiEncoding {
    const PYTHON: &'static str = r#"Literal["protobuf", "json"]"#;

    fn read(text: &str) -> Result<Self, &'static str> {
        match text {
            "protobuf" => Ok(Self::Protobuf),
            "json" => Ok(Self::Json),
            _ => Err("use protobuf or json"),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Protobuf => "protobuf",
            Self::Json => "json",
        }
        .to_owned()
    }
}
