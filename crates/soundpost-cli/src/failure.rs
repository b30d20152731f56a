//! Why a command ended without having done what it was asked.

use std::io;

/// What went wrong, for a person, or that nobody reads on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments cannot be used.
    Usage(String),
    /// It was tried and failed.
    Failed(String),
    /// The reader of the standard output is gone: no fault.
    Unread,
}

impl Failure {
    /// Tells the standard error, and gives the exit status.
    pub(crate) fn report(&self) -> i32 {
        match self {
            Self::Usage(message) => {
                eprintln!("soundpost: {message}");
                2
            }
            Self::Failed(message) => {
                eprintln!("soundpost: {message}");
                1
            }
            Self::Unread => 0,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::Failed(format!("cannot write the output: {error}")),
        }
    }
}

impl From<soundpost::Error> for Failure {
    fn from(error: soundpost::Error) -> Self {
        if error.is_config() { Self::Usage(error.to_string()) } else { Self::Failed(error.to_string()) }
    }
}
