//! The one error of this crate: what is wrong with a configuration, and what to change.

use std::path::Path;

/// Why something could not be configured. Recording never returns one.
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
    /// An argument that cannot be used; the message names it and says what to change.
    pub fn config(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: ErrorKind::Config, source: None }
    }

    /// Two registrations that cannot both stand.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: ErrorKind::Conflict, source: None }
    }

    /// A file or directory that could not be used.
    pub fn io(doing: &str, path: &Path, source: std::io::Error) -> Self {
        Self {
            message: format!("{doing} {}: {source}", path.display()),
            kind: ErrorKind::Io,
            source: Some(source),
        }
    }

    /// Whether an argument has to be changed.
    pub fn is_config(&self) -> bool {
        self.kind == ErrorKind::Config
    }

    /// Whether the registration contradicts an earlier one of the same name.
    pub fn is_conflict(&self) -> bool {
        self.kind == ErrorKind::Conflict
    }

    /// Whether the operating system refused.
    pub fn is_io(&self) -> bool {
        self.kind == ErrorKind::Io
    }
}
