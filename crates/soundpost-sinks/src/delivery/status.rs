//! Why sinks do not ship: a file in the service's directory, for who looks from outside.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use soundpost_core::{ServiceDir, clock};

/// Name of the file.
const FILE: &str = "sinks.json";
/// Bytes of a reason that are kept.
const WHY: usize = 1024;

/// Why a sink's receiver does not get what waits for it. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The sink's name.
    pub sink: String,
    /// Whether the receiver takes nothing before a person changes something.
    pub misconfigured: bool,
    /// Since when nothing worked, seconds since 1970.
    pub since_unix: u64,
    /// What the last try came to, for a person.
    pub why: String,
}

impl Trouble {
    /// The troubles of a service's sinks as its reporter wrote them last; none where it wrote nothing.
    pub fn all(directory: &Path) -> Vec<Self> {
        let text = std::fs::read_to_string(directory.join(FILE)).unwrap_or_default();
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

    /// One that began so long ago.
    pub(crate) fn new(sink: &str, misconfigured: bool, lasts: Duration, why: &str) -> Self {
        let since_unix = (clock::unix_nanos() / 1_000_000_000).saturating_sub(lasts.as_secs());
        let why = why[..why.floor_char_boundary(WHY)].to_owned();
        Self { sink: sink.to_owned(), misconfigured, since_unix, why }
    }

    /// It as the same sink's trouble from then on, which began with an earlier one.
    pub(crate) fn following(self, earlier: &Self) -> Self {
        Self { since_unix: earlier.since_unix, ..self }
    }

    /// Writes the file; where that cannot be, nobody learns why, and the log has it.
    pub(crate) fn write(place: &ServiceDir, troubles: &[Self]) {
        let all: Value = troubles.iter().map(Self::as_json).collect();
        let _ = place.write(FILE, &all.to_string());
    }

    fn as_json(&self) -> Value {
        let Self { sink, misconfigured, since_unix, why } = self;
        json!({ "sink": sink, "misconfigured": misconfigured, "since_unix": since_unix, "why": why })
    }
}
