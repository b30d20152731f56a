//! Texts that nobody may see.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

/// Longest secret that is taken, bytes.
const LONGEST: u64 = 64 * 1024;

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; for who sends it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Here.
    Text(Secret),
    /// In a file, which may change: it is read again when the server refuses what was in it.
    File(PathBuf),
    /// In a variable of the environment.
    Variable(String),
}

impl Source {
    /// A secret that is here.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(Secret::new(text))
    }

    /// The secret, or why there is none: the text begins with the option that says where it is, and names file or
    /// variable. No name in it is followed by a colon that the redaction of logs would take for a secret's.
    pub(crate) fn read(&self, what: &str) -> Result<Secret, String> {
        match self {
            Self::Text(secret) => checked(secret.0.clone(), "it").map_err(|why| format!("{what}: {why}")),
            Self::File(path) => {
                let mut text = String::new();
                let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
                read.map_err(|error| format!("{what}_file: {error}, {}", path.display()))?;
                checked(text, &path.display().to_string()).map_err(|why| format!("{what}_file: {why}"))
            }
            Self::Variable(name) => std::env::var(name)
                .map_err(|_| format!("the variable {name} is not set"))
                .and_then(|text| checked(text, &format!("the variable {name}")))
                .map_err(|why| format!("{what}_env: {why}")),
        }
    }

    /// Has a file be found wherever the service goes.
    pub(crate) fn stay(&mut self) {
        if let Self::File(path) = self {
            stay(path);
        }
    }
}

/// Makes a path one from the root, as of the directory that the service is in now.
pub(crate) fn stay(path: &mut PathBuf) {
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
