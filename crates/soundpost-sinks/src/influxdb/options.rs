//! Settings of a sink for InfluxDB, and for what takes its protocol.

use soundpost_core::Error;

use crate::options::common::{Common, Server};
use crate::options::methods::{common_methods, server_methods, token_methods};
use crate::options::named::{Options, begin};

const KIND: &str = "influxdb";
/// Most records in a request, and how many there are where nothing else is asked for: more lines are slower to take.
const RECORDS: usize = 5000;

/// Which of InfluxDB's ways to write is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InfluxApi {
    /// `/write`, as InfluxDB 1 has it; wants a database.
    V1,
    /// `/api/v2/write`, as InfluxDB 2, its cloud and VictoriaMetrics have it; wants a bucket.
    V2,
    /// `/api/v3/write_lp`, as InfluxDB 3 has it; wants a database.
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
    /// All of them, the longer paths first.
    const ALL: [Self; 3] = [Self::V2, Self::V3, Self::V1];

    /// Where a server takes what is written this way.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::V1 => "/write",
            Self::V2 => "/api/v2/write",
            Self::V3 => "/api/v3/write_lp",
        }
    }
}

impl InfluxDb {
    /// A sink for the server at a URL (`http` or `https`), such as `http://influx:8086`, which may end in the path that is
    /// written to, such as `/api/v2/write`: then that way is meant. What follows a `?` in it are options: `org`, `bucket`,
    /// `database` and the others, by the names of the methods here.
    ///
    /// # Errors
    /// When the URL cannot be understood, or holds a secret in its query.
    pub fn new(url: &str) -> Result<Self, Error> {
        let mut parts = begin(KIND, url, &[("http", 80), ("https", 443)])?;
        let api = InfluxApi::ALL.into_iter().find(|api| parts.address.take_off(api.path()));
        let query = parts.query.clone();
        let mut sink = Self {
            common: Common::new(KIND),
            server: Server::new(parts),
            api,
            org: String::new(),
            bucket: String::new(),
            database: String::new(),
            retention_policy: String::new(),
        };
        sink.take_query(KIND, &query)?;
        Ok(sink)
    }

    /// Which way to write; default: v2 where there is a bucket, else v1.
    pub fn api(mut self, api: InfluxApi) -> Self {
        self.api = Some(api);
        self
    }

    /// The organisation that has the bucket.
    pub fn org(mut self, org: impl Into<String>) -> Self {
        self.org = org.into();
        self
    }

    /// The bucket, of v2.
    pub fn bucket(mut self, bucket: impl Into<String>) -> Self {
        self.bucket = bucket.into();
        self
    }

    /// The database, of v1 and v3.
    pub fn database(mut self, database: impl Into<String>) -> Self {
        self.database = database.into();
        self
    }

    /// The database's retention policy, of v1; default: the database's own.
    pub fn retention_policy(mut self, policy: impl Into<String>) -> Self {
        self.retention_policy = policy.into();
        self
    }

    /// The way to write that is meant.
    pub(crate) fn way(&self) -> InfluxApi {
        let guess = if self.bucket.is_empty() { InfluxApi::V1 } else { InfluxApi::V2 };
        self.api.unwrap_or(guess)
    }

    pub(crate) fn prepare(&mut self) -> Result<(), String> {
        self.common.check(RECORDS)?;
        self.check()?;
        self.server.prepare()
    }

    fn check(&self) -> Result<(), String> {
        match (self.way(), self.bucket.is_empty(), self.database.is_empty()) {
            (InfluxApi::V2, true, _) => Err("bucket: v2 wants one".into()),
            (InfluxApi::V1, _, true) if self.api.is_none() => {
                Err("say a bucket (v2) or a database (v1)".into())
            }
            (InfluxApi::V1 | InfluxApi::V3, _, true) => Err("database: v1 and v3 want one".into()),
            (InfluxApi::V2, _, false) => {
                Err("database: v2 writes to the bucket alone; leave one of them out".into())
            }
            (InfluxApi::V1 | InfluxApi::V3, false, _) => {
                Err("bucket: v1 and v3 write to the database alone; leave it out".into())
            }
            _ => Ok(()),
        }
    }
}

common_methods!(InfluxDb, name: "influxdb", batch: "5,000, which is the most");
server_methods!(InfluxDb, login: "as v1 knows them");
token_methods!(InfluxDb);

impl Options for InfluxDb {
    fn option(&mut self, name: &str, value: &str) -> Result<bool, String> {
        let text = value.to_owned();
        match name {
            "org" => self.org = text,
            "bucket" => self.bucket = text,
            "database" => self.database = text,
            "retention_policy" => self.retention_policy = text,
            "api" => {
                self.api = Some(match value {
                    "v1" | "1" => InfluxApi::V1,
                    "v2" | "2" => InfluxApi::V2,
                    "v3" | "3" => InfluxApi::V3,
                    _ => return Err(format!("api: {value:?} is none of v1, v2, v3")),
                });
            }
            _ => return Ok(self.common.option(name, value)? || self.server.option(name, value)?),
        }
        Ok(true)
    }
}
