//! Acknowledgements of the configured sinks.

pub(crate) use soundpost_sinks::AckQueue;

use crate::config::Config;

pub(super) fn ack_queue(config: &Config) -> AckQueue {
    AckQueue::new(config.sinks.iter().map(|sink| (sink.name().to_owned(), sink.kinds())).collect())
}
