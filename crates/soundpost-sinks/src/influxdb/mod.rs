//! InfluxDB, and servers that accept its line protocol.

pub mod line_protocol;
mod transport;

use soundpost_core::Error;
use soundpost_store::RecordKinds;

use crate::influxdb::transport::InfluxTransport;
use crate::kind::{SinkKind, TargetForm, set_query, url_parts};
use crate::options::common::{Common, Server};
use crate::options::declare::{OptionSpec, options};
use crate::options::groups::{common_options, server_options, token_options};
use crate::options::value::OptionValue;
use crate::transport::Transport;

/// Maximum number of records in a request, and the default: servers take more lines more slowly.
const MAX_RECORDS: usize = 5000;

/// Version of InfluxDB's API for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InfluxApi {
    /// `/write` of InfluxDB 1; needs a database.
    V1,
    /// `/api/v2/write` of InfluxDB 2, its cloud and VictoriaMetrics; needs a bucket.
    V2,
    /// `/api/v3/write_lp` of InfluxDB 3; needs a database.
    V3,
}

/// Writes calls (`generate_calls`) and vitals (`system_metrics`) to InfluxDB, in line protocol.
#[derive(Clone, Debug)]
#[must_use = "a sink ships nothing before a builder has it"]
pub struct InfluxDb {
    pub(crate) common: Common,
    pub(crate) server: Server,
    pub(crate) api: Option<InfluxApi>,
    pub(crate) org: String,
    pub(crate) bucket: String,
    pub(crate) database: String,
    pub(crate) retention_policy: String,
}

impl InfluxApi {
    /// Every version, the longer paths first.
    const ALL: [Self; 3] = [Self::V2, Self::V3, Self::V1];

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::V1 => "/write",
            Self::V2 => "/api/v2/write",
            Self::V3 => "/api/v3/write_lp",
        }
    }
}

impl InfluxDb {
    /// Returns a sink for the server at a URL (`http` or `https`), such as `http://influx:8086`. A URL that ends in a path
    /// to write to, such as `/api/v2/write`, selects that version. The URL's query sets options by the names of the
    /// methods here.
    ///
    /// # Errors
    /// When the URL cannot be understood, or holds a secret in its query.
    pub fn new(url: &str) -> Result<Self, Error> {
        let mut parts = url_parts::<Self>(url)?;
        let api = InfluxApi::ALL.into_iter().find(|api| parts.address.take_off(api.path()));
        let query = parts.query.clone();
        let mut common = Common::of_server(Self::NAME, &parts);
        api.iter().for_each(|api| common.declare("api", api.write()));
        let sink = Self {
            common,
            server: Server::new(parts),
            api,
            org: String::new(),
            bucket: String::new(),
            database: String::new(),
            retention_policy: String::new(),
        };
        set_query(sink, &query)
    }

    /// Returns the version that is written with.
    pub(crate) fn effective_api(&self) -> InfluxApi {
        let guess = if self.bucket.is_empty() { InfluxApi::V1 } else { InfluxApi::V2 };
        self.api.unwrap_or(guess)
    }
}

impl SinkKind for InfluxDb {
    const NAME: &'static str = "influxdb";
    const CLASS: &'static str = "InfluxDB";
    const ABOUT: &'static str =
        "Writes calls and vitals to InfluxDB, or to a server that accepts its line protocol.";
    const TARGET: TargetForm = TargetForm::Url(&[("http", 80), ("https", 443)]);
    const RECORDS: RecordKinds = RecordKinds::POINTS;
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
        match (self.effective_api(), self.bucket.is_empty(), self.database.is_empty()) {
            (InfluxApi::V2, true, _) => Err("bucket: v2 needs one".into()),
            (InfluxApi::V1, _, true) if self.api.is_none() => {
                Err("set a bucket (v2) or a database (v1)".into())
            }
            (InfluxApi::V1 | InfluxApi::V3, _, true) => Err("database: v1 and v3 need one".into()),
            (InfluxApi::V2, _, false) => {
                Err("database: v2 writes to the bucket alone; leave one of them out".into())
            }
            (InfluxApi::V1 | InfluxApi::V3, false, _) => {
                Err("bucket: v1 and v3 write to the database alone; leave it out".into())
            }
            _ => self.server.prepare(),
        }
    }

    fn open(&self) -> Result<Box<dyn Transport>, String> {
        Ok(Box::new(InfluxTransport::new(self)?))
    }
}

options! {
    InfluxDb as OWN {
        /// Organisation that has the bucket, of v2.
        org(impl Into<String>): String, "none" => |sink, org| sink.org = org;
        /// Bucket, of v2.
        bucket(impl Into<String>): String, "none" => |sink, bucket| sink.bucket = bucket;
        /// Database, of v1 and v3.
        database(impl Into<String>): String, "none" => |sink, database| sink.database = database;
        /// Retention policy of the database, of v1.
        retention_policy(impl Into<String>): String, "the database's own" => |sink, policy| sink.retention_policy = policy;
        /// Version of the API: `v1` (`/write`), `v2` (`/api/v2/write`) or `v3` (`/api/v3/write_lp`).
        api(InfluxApi): InfluxApi, "`v2` with a bucket, else `v1`" => |sink, api| sink.api = Some(api);
    }
}
common_options!(InfluxDb, name: "influxdb", batch: "5,000, which is the maximum");
server_options!(InfluxDb, user: "of v1");
token_options!(InfluxDb);

impl OptionValue for InfluxApi {
    const PYTHON: &'static str = r#"Literal["v1", "v2", "v3"]"#;

    fn read(text: &str) -> Result<Self, &'static str> {
        match text {
            "v1" | "1" => Ok(Self::V1),
            "v2" | "2" => Ok(Self::V2),
            "v3" | "3" => Ok(Self::V3),
            _ => Err("use v1, v2 or v3"),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::V3 => "v3",
        }
        .to_owned()
    }
}
