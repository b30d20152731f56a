//! Acknowledgements of the configured sinks.

pub(crate) use soundpost_sinks::AckQueue;

use crate::config::Config;

/// Returns a queue of acknowledgements for the configured sinks.
pub(super) fn ack_queue(config: &Config) -> AckQueue {
    AckQueue::new(config.sinks.iter().map(|sink| (sink.name().to_owned(), sink.kinds())).collect())
}
