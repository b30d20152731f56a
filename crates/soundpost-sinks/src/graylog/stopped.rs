//! Why a batch of messages was not sent.

use std::io;

/// Why there is no use in going on with a batch.
pub(crate) enum Stopped {
    /// What carries it failed.
    Failed(io::Error),
    /// A record, maybe not the first, makes the encoder panic.
    Unwritable(String),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}
