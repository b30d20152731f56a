//! The status file in the service's directory, which lists failing sinks for the command line.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use soundpost_core::{ServiceDir, clock, regular_file};

const FILE: &str = "sinks.json";
/// Maximum size of the file, bytes.
const FILE_BYTES: u64 = 1 << 20;
/// Maximum length of a reason, bytes.
const WHY: usize = 1024;

/// The reason why a sink does not deliver. It contains no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkProblem {
    /// The sink's name.
    pub sink: String,
    /// Whether the receiver accepts nothing until an operator changes something.
    pub misconfigured: bool,
    /// Start of the outage, seconds since 1970.
    pub since_unix: u64,
    /// Message of the last attempt.
    pub why: String,
}

impl SinkProblem {
    /// Returns the problems that a service's reporter wrote last; none without a file.
    pub fn all(directory: &Path) -> Vec<Self> {
        let text = regular_file::read_text(&directory.join(FILE), FILE_BYTES).unwrap_or_default();
        let all: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
        all.iter().filter_map(Self::read).collect()
    }

    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            sink: value["sink"].as_str()?.to_owned(),
            misconfigured: value["misconfigured"].as_bool()?,
            since_unix: value["since_unix"].as_u64()?,
            why: value["why"].as_str()?.to_owned(),
        })
    }

    /// Creates a problem that began `lasts` ago.
    pub(crate) fn new(sink: &str, misconfigured: bool, lasts: Duration, why: &str) -> Self {
        let since_unix = (clock::unix_nanos() / 1_000_000_000).saturating_sub(lasts.as_secs());
        let why = why[..why.floor_char_boundary(WHY)].to_owned();
        Self { sink: sink.to_owned(), misconfigured, since_unix, why }
    }

    /// Returns this problem with the start of an earlier one of the same sink.
    pub(crate) fn following(self, earlier: Option<Self>) -> Self {
        Self { since_unix: earlier.map_or(self.since_unix, |earlier| earlier.since_unix), ..self }
    }

    /// Writes the file. An error is ignored, because the log has the problems as well.
    pub(crate) fn write<'p>(place: &ServiceDir, problems: impl Iterator<Item = &'p Self>) {
        let as_json = |Self { sink, misconfigured, since_unix, why }: &Self| json!({ "sink": sink, "misconfigured": misconfigured, "since_unix": since_unix, "why": why });
        let _ = place.write(FILE, &problems.map(as_json).collect::<Value>().to_string());
    }
}
