//! Secrets: where they are read from, and never shown.

use std::fmt;
use std::path::PathBuf;

use soundpost_core::regular_file::{self, SECRET_BYTES};

/// A text that no message shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text, for the request that carries it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Source of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Text(Secret),
    /// A file. It is read again when the server refuses the secret.
    File(PathBuf),
    Variable(String),
}

impl Source {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(Secret::new(text))
    }

    /// Returns the secret. The error names the option, and the file or variable; no name in it is followed by a colon,
    /// which the redaction of logs would take for the beginning of a secret.
    pub(crate) fn read(&self, what: &str) -> Result<Secret, String> {
        match self {
            Self::Text(secret) => checked(secret.0.clone(), "it").map_err(|why| format!("{what}: {why}")),
            Self::File(path) => {
                let text = regular_file::read_text(path, SECRET_BYTES)
                    .map_err(|error| format!("{what}_file: {error}, {}", path.display()))?;
                checked(text, &path.display().to_string()).map_err(|why| format!("{what}_file: {why}"))
            }
            Self::Variable(name) => std::env::var(name)
                .map_err(|_| format!("the variable {name} is not set"))
                .and_then(|text| checked(text, &format!("the variable {name}")))
                .map_err(|why| format!("{what}_env: {why}")),
        }
    }

    /// Makes the path of a file absolute, so that the service can change its directory.
    pub(crate) fn make_absolute(&mut self) {
        if let Self::File(path) = self {
            make_absolute(path);
        }
    }
}

/// Makes a path absolute, by the current directory.
pub(crate) fn make_absolute(path: &mut PathBuf) {
    if let Ok(absolute) = std::path::absolute(&*path) {
        *path = absolute;
    }
}

fn checked(text: String, of: &str) -> Result<Secret, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("{of} is empty"));
    }
    if text.contains(|c: char| c.is_control()) {
        return Err(format!("{of} has more than one line, or characters that no header can have"));
    }
    Ok(Secret::new(text))
}
