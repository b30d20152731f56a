//! Settings of a sink for InfluxDB, and for what takes its protocol.

use std::path::PathBuf;
use std::time::Duration;

use auscult_core::Error;

use super::common::{Common, Server};
use super::secret::{Secret, Source};
use super::{Options, begin, wrong};

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

impl InfluxDb {
    /// A sink for the server at a URL (`http` or `https`), such as `http://influx:8086`. What follows a `?` in it
    /// are options: `org`, `bucket`, `database` and the others, by the names of the methods here.
    ///
    /// # Errors
    /// When the URL cannot be understood, or holds a secret in its query.
    pub fn new(url: &str) -> Result<Self, Error> {
        let parts = begin(KIND, url, &[("http", 80), ("https", 443)])?;
        let query = parts.query.clone();
        let mut sink = Self {
            common: Common::new(KIND),
            server: Server::new(parts),
            api: None,
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

    /// The token.
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

    /// User and password, as v1 knows them.
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

    /// What the sink is called in metrics and messages; default: `influxdb`.
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

    /// Most records in a request; default, and most: 5,000.
    pub fn batch(mut self, records: usize) -> Self {
        self.common.batch = Some(records);
        self
    }

    /// The way to write that is meant.
    pub(crate) fn way(&self) -> InfluxApi {
        let guess = if self.bucket.is_empty() { InfluxApi::V1 } else { InfluxApi::V2 };
        self.api.unwrap_or(guess)
    }

    pub(crate) fn prepare(&mut self) -> Result<(), Error> {
        let checked =
            self.common.check(RECORDS).and_then(|()| self.check()).and_then(|()| self.server.prepare());
        checked.map_err(|error| wrong(&self.common.name, &error))
    }

    fn check(&self) -> Result<(), String> {
        match (self.way(), self.bucket.is_empty(), self.database.is_empty()) {
            (InfluxApi::V2, true, _) => Err("bucket: v2 wants one".into()),
            (InfluxApi::V1, _, true) if self.api.is_none() => {
                Err("say a bucket (v2) or a database (v1)".into())
            }
            (InfluxApi::V1 | InfluxApi::V3, _, true) => Err("database: v1 and v3 want one".into()),
            _ => Ok(()),
        }
    }
}

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
