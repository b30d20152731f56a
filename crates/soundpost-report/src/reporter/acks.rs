//! Acknowledgements of the configured sinks.

pub(crate) use soundpost_sinks::AckQueue;
use soundpost_sinks::Sink;
use soundpost_store::RecordKinds;

use crate::config::Config;

pub(super) fn ack_queue(config: &Config) -> AckQueue {
    AckQueue::new(registered(&config.sinks))
}

/// Returns names and records of sinks, as the store registers them.
pub(super) fn registered(sinks: &[Sink]) -> Vec<(String, RecordKinds)> {
    sinks.iter().map(|sink| (sink.name().to_owned(), sink.kinds())).collect()
}
