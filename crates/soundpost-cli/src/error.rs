//! Errors of commands.

use std::io;

use soundpost::read::store::StoreError;

/// Reason why a command ended early.
#[derive(Debug)]
pub(crate) enum CommandError {
    Usage(String),
    Failed(String),
    Store(StoreError),
    /// The reader of the standard output closed it, which is not a fault.
    BrokenPipe,
}

impl CommandError {
    pub(crate) fn failed(doing: &str, error: &impl std::fmt::Display) -> Self {
        Self::Failed(format!("{doing}: {error}"))
    }

    /// Prints the error to the standard error, and returns the exit status.
    pub(crate) fn report(&self) -> i32 {
        let (message, status): (&dyn std::fmt::Display, _) = match self {
            Self::Usage(message) => (message, 2),
            Self::Failed(message) => (message, 1),
            Self::Store(error) => (error, 1),
            Self::BrokenPipe => return 0,
        };
        eprintln!("soundpost: {message}");
        status
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::failed("cannot write the output", &error),
        }
    }
}

impl From<soundpost::Error> for CommandError {
    fn from(error: soundpost::Error) -> Self {
        if error.is_config() { Self::Usage(error.to_string()) } else { Self::Failed(error.to_string()) }
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
