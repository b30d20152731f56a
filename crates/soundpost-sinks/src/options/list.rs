//! A sink of whatever kind, and lists of them.

use std::fmt;

use soundpost_core::Error;
use soundpost_store::RecordKinds;

use super::address::Address;
use super::common::Common;
use super::named::{Options, wrong};
use crate::capture::Capture;
use crate::graylog::options::Graylog;
use crate::influxdb::options::InfluxDb;
use crate::json_lines::options::JsonLines;
use crate::loki::options::Loki;

/// Where the store's records are shipped: what [`InfluxDb`], [`Graylog`], [`Loki`], [`JsonLines`] and [`Capture`] become.
#[derive(Clone)]
#[must_use = "a sink ships nothing before a builder has it"]
pub struct Sink(pub(crate) Kind);

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    InfluxDb(InfluxDb),
    Graylog(Graylog),
    Loki(Loki),
    JsonLines(JsonLines),
    Capture(Capture),
}

impl Sink {
    /// Sinks of a list of URLs, as `SOUNDPOST_SINKS` has it, with commas or white space between them. No URL may hold a
    /// secret: that is what `token_file`, `token_env`, `password_file` and `password_env` are for.
    ///
    /// # Errors
    /// When one of them cannot be understood; the text names its kind, and nothing of what it holds.
    pub fn list(text: &str) -> Result<Vec<Self>, Error> {
        let urls = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|url| !url.is_empty());
        urls.enumerate().map(|(index, url)| Self::parse(index + 1, url)).collect()
    }

    /// `number` is its place in the list: what begins with nothing that is known may be a secret, and is not shown.
    fn parse(number: usize, url: &str) -> Result<Self, Error> {
        let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
        let scheme = scheme.to_ascii_lowercase();
        let kind = scheme.split('+').next().unwrap_or_default();
        if kind == "jsonl" {
            return Ok(JsonLines::parse(rest)?.into());
        }
        let sink: Self = match kind {
            "influxdb" if scheme.contains('+') => InfluxDb::new(url)?.into(),
            "graylog" if scheme.contains('+') => Graylog::new(url)?.into(),
            "loki" if scheme.contains('+') => Loki::new(url)?.into(),
            _ => {
                return Err(Error::config(format!(
                    "sinks: URL {number} of the list begins with none of influxdb+http://, influxdb+https://, \
                     graylog+tcp://, graylog+tls://, graylog+udp://, graylog+http://, graylog+https://, \
                     loki+http://, loki+https://, jsonl:; in a URL a comma is %2C, and a space %20",
                )));
            }
        };
        // Checked here and not in the types: in code a password may come from wherever the service has it.
        if rest.split(['/', '?']).nth(2).is_some_and(|authority| authority.contains('@')) {
            return Err(wrong(
                kind,
                "the URL has a user or password; use user=, and password_file= or password_env=",
            ));
        }
        Ok(sink)
    }

    /// A sink by its kind (`influxdb`, `graylog`, `loki`, `jsonl`), its URL or path, and options by the names of the
    /// type's methods; for bindings.
    ///
    /// # Errors
    /// When the kind, the URL or an option cannot be understood.
    pub fn with_options(kind: &str, place: &str, options: &[(String, String)]) -> Result<Self, Error> {
        let mut sink: Self = match kind {
            "influxdb" => InfluxDb::new(place)?.into(),
            "graylog" => Graylog::new(place)?.into(),
            "loki" => Loki::new(place)?.into(),
            "jsonl" => JsonLines::new(place)?.into(),
            _ => return Err(Error::config(format!("sinks: there is no sink of kind {kind:?}"))),
        };
        for (name, value) in options {
            match &mut sink.0 {
                Kind::InfluxDb(sink) => sink.take(kind, name, value)?,
                Kind::Graylog(sink) => sink.take(kind, name, value)?,
                Kind::Loki(sink) => sink.take(kind, name, value)?,
                Kind::JsonLines(sink) => sink.take(kind, name, value)?,
                // None of the kinds above.
                Kind::Capture(_) => {}
            }
        }
        Ok(sink)
    }

    /// What the sink is called.
    pub fn name(&self) -> &str {
        &self.common().name
    }

    /// What of the store it ships.
    pub fn kinds(&self) -> RecordKinds {
        match &self.0 {
            Kind::InfluxDb(_) => RecordKinds::POINTS,
            Kind::Graylog(_) | Kind::Loki(_) | Kind::JsonLines(_) | Kind::Capture(_) => RecordKinds::LOGS,
        }
    }

    pub(crate) fn common(&self) -> &Common {
        match &self.0 {
            Kind::InfluxDb(sink) => &sink.common,
            Kind::Graylog(sink) => &sink.common,
            Kind::Loki(sink) => &sink.common,
            Kind::JsonLines(sink) => &sink.common,
            Kind::Capture(sink) => &sink.common,
        }
    }

    fn address(&self) -> Option<&Address> {
        match &self.0 {
            Kind::InfluxDb(sink) => Some(&sink.server.address),
            Kind::Graylog(sink) => Some(&sink.server.address),
            Kind::Loki(sink) => Some(&sink.server.address),
            Kind::JsonLines(_) | Kind::Capture(_) => None,
        }
    }

    fn prepare(&mut self) -> Result<(), Error> {
        let prepared = match &mut self.0 {
            Kind::InfluxDb(sink) => sink.prepare(),
            Kind::Graylog(sink) => sink.prepare(),
            Kind::Loki(sink) => sink.prepare(),
            Kind::JsonLines(sink) => sink.prepare(),
            Kind::Capture(sink) => sink.prepare(),
        };
        prepared.map_err(|error| wrong(self.name(), &error))
    }
}

/// Checks sinks before they are started: their options fit, their files exist, and no two have the same name.
///
/// # Errors
/// When a sink cannot be used.
pub fn prepared(mut sinks: Vec<Sink>) -> Result<Vec<Sink>, Error> {
    for index in 0..sinks.len() {
        sinks[index].prepare()?;
        let name = sinks[index].name();
        if sinks[..index].iter().any(|other| other.name() == name) {
            return Err(wrong(name, "there are two of this name; say name= for one of them"));
        }
    }
    Ok(sinks)
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match (&self.0, self.address()) {
            (_, Some(address)) => write!(f, " ({address})"),
            (Kind::JsonLines(JsonLines { path: Some(path), .. }), _) => write!(f, " ({})", path.display()),
            (Kind::Capture(_), _) => f.write_str(" (memory)"),
            _ => f.write_str(" (standard output)"),
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<InfluxDb> for Sink {
    fn from(sink: InfluxDb) -> Self {
        Self(Kind::InfluxDb(sink))
    }
}

impl From<Graylog> for Sink {
    fn from(sink: Graylog) -> Self {
        Self(Kind::Graylog(sink))
    }
}

impl From<Loki> for Sink {
    fn from(sink: Loki) -> Self {
        Self(Kind::Loki(sink))
    }
}

impl From<JsonLines> for Sink {
    fn from(sink: JsonLines) -> Self {
        Self(Kind::JsonLines(sink))
    }
}

impl From<Capture> for Sink {
    fn from(sink: Capture) -> Self {
        Self(Kind::Capture(sink))
    }
}
