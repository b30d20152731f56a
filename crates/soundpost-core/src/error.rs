//! The error of this crate: a configuration that cannot be used, and how to correct it.

use std::path::Path;

/// A configuration error. Recording never returns one.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    message: String,
    kind: ErrorKind,
    #[source]
    source: Option<std::io::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorKind {
    Config,
    Conflict,
    Io,
}

impl Error {
    /// Makes an error for an invalid argument; the message names it and states the correction.
    pub fn config(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: ErrorKind::Config, source: None }
    }

    /// Makes an error for two contradicting registrations.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: ErrorKind::Conflict, source: None }
    }

    /// Makes an error for a file or directory that cannot be used.
    pub fn io(doing: &str, path: &Path, source: std::io::Error) -> Self {
        Self {
            message: format!("{doing} {}: {source}", path.display()),
            kind: ErrorKind::Io,
            source: Some(source),
        }
    }

    /// Reports whether an argument is invalid.
    pub fn is_config(&self) -> bool {
        self.kind == ErrorKind::Config
    }

    /// Reports whether the registration contradicts an earlier one of the same name.
    pub fn is_conflict(&self) -> bool {
        self.kind == ErrorKind::Conflict
    }

    /// Reports whether the operating system refused.
    pub fn is_io(&self) -> bool {
        self.kind == ErrorKind::Io
    }
}
