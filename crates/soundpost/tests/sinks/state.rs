//! The counts of sinks in scrapes and in the store.

use std::path::Path;

use soundpost::{Builder, Telemetry};
use soundpost_store::{Reader, SinkState};

use crate::common::Directory;

/// Returns the builder of a service without sampling and endpoint.
pub(crate) fn service(directory: &Directory, name: &str) -> Builder {
    Telemetry::builder(name)
        .directory(directory.path())
        .listen(None)
        .sample_interval(None)
        .facade(false)
        .start_event(false)
}

/// Records calls with the ids `prefix0`, `prefix1`, ...
pub(crate) fn record(telemetry: &Telemetry, prefix: &str, count: usize) {
    let operation = telemetry.operation("synthesize");
    for index in 0..count {
        operation.begin().request_id(&format!("{prefix}{index}")).start().finish();
    }
}

/// Makes the text of a stored call unreadable.
pub(crate) fn damage_call(telemetry: &Telemetry, sequence: i64) {
    let store = rusqlite::Connection::open(telemetry.directory().join("store.sqlite")).unwrap();
    let damage = "UPDATE stored_calls SET fields = CAST(x'ff' AS TEXT) WHERE sequence = ?1";
    assert_eq!(store.execute(damage, [sequence]), Ok(1));
}

/// The counts of a sink in one scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Scraped {
    pub(crate) accepted: f64,
    pub(crate) delivered: f64,
    pub(crate) rejected: f64,
    pub(crate) dropped: f64,
    pub(crate) pending: f64,
    pub(crate) up: f64,
}

impl Scraped {
    /// Parses a scrape, and checks that the counts add up.
    pub(crate) fn of(text: &str, sink: &str) -> Self {
        let label = format!("sink=\"{sink}\"");
        let sum = |name: &str| -> f64 {
            let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(&label));
            lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
        };
        let scraped = Self {
            accepted: sum("soundpost_sink_accepted_total"),
            delivered: sum("soundpost_sink_delivered_total"),
            rejected: sum("soundpost_sink_rejected_total"),
            dropped: sum("soundpost_sink_dropped_total"),
            pending: sum("soundpost_sink_pending"),
            up: sum("soundpost_sink_up"),
        };
        let told = scraped.delivered + scraped.rejected + scraped.dropped + scraped.pending;
        assert_eq!(scraped.accepted, told, "{scraped:?}");
        scraped
    }
}

/// Returns a sink's counts in the store of a directory, and checks that they add up.
pub(crate) fn stored(directory: &Path, sink: &str) -> Option<SinkState> {
    let reader = Reader::open(directory).unwrap()?;
    let state = reader.sinks().unwrap().into_iter().find(|state| state.sink == sink)?;
    let told = state.delivered + state.rejected.total() + state.dropped.total() + state.pending;
    assert_eq!(state.accepted, told, "{state:?}");
    Some(state)
}

/// Returns the request id of a JSON line.
pub(crate) fn id(line: &str) -> String {
    let (_, rest) = line.split_once("\"request_id\":\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}
