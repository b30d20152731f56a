//! The reason why a batch of messages was not sent.

use std::io;

/// The reason why sending a batch stopped.
pub(crate) enum Stopped {
    /// The connection failed.
    Failed(io::Error),
    /// The encoder panicked at a record, not necessarily the first.
    Unwritable(String),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}
