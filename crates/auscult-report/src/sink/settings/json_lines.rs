//! Settings of a sink that writes JSON lines to a file, or to standard output.

use std::path::PathBuf;
use std::time::Duration;

use auscult_core::Error;

use super::address::pairs;
use super::common::{Common, number, seconds};
use super::{Options, wrong};

const KIND: &str = "jsonl";

/// Bytes after which a file is rotated, where nothing else is asked for.
const ROTATE_BYTES: u64 = 64 * 1024 * 1024;
/// Rotated files that are kept, where nothing else is asked for.
const KEEP: usize = 5;

/// Writes log events, and each finished call as one, as lines of JSON.
#[derive(Clone, Debug)]
#[must_use = "a sink ships nothing before a builder has it"]
pub struct JsonLines {
    pub(crate) common: Common,
    /// None: standard output.
    pub(crate) path: Option<PathBuf>,
    pub(crate) rotate_bytes: u64,
    pub(crate) rotate_age: Option<Duration>,
    pub(crate) keep: usize,
}

impl JsonLines {
    /// A sink for the file at a path; `-` is standard output.
    ///
    /// # Errors
    /// When the path is empty.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        if path.as_os_str().is_empty() || path.as_os_str().to_string_lossy().contains('\0') {
            return Err(wrong(KIND, "the path of a file is missing"));
        }
        let path = (path.as_os_str() != "-").then_some(path);
        Ok(Self { common: Common::new(KIND), path, rotate_bytes: ROTATE_BYTES, rotate_age: None, keep: KEEP })
    }

    /// From what follows `jsonl:`: a path, and options behind a `?`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut sink = Self::new(path)?;
        let query = pairs(query).map_err(|error| wrong(KIND, &error))?;
        sink.take_query(KIND, &query)?;
        Ok(sink)
    }

    /// Begins a new file when this one is so long, bytes; default: 64 MiB.
    pub fn rotate_bytes(mut self, bytes: u64) -> Self {
        self.rotate_bytes = bytes;
        self
    }

    /// Begins a new file when this one is so old; default: never.
    pub fn rotate_age(mut self, age: Duration) -> Self {
        self.rotate_age = Some(age);
        self
    }

    /// How many rotated files are kept beside the one that is written; default: 5.
    pub fn keep(mut self, files: usize) -> Self {
        self.keep = files;
        self
    }

    /// What the sink is called in metrics and messages; default: `jsonl`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.common.name = name.into();
        self
    }

    /// The longest wait between two tries while the file cannot be written; default: 30 s.
    pub fn longest_wait(mut self, wait: Duration) -> Self {
        self.common.longest_wait = wait;
        self
    }

    /// Most records at once; default: 1,000.
    pub fn batch(mut self, records: usize) -> Self {
        self.common.batch = Some(records);
        self
    }

    pub(crate) fn prepare(&mut self) -> Result<(), Error> {
        let rotates =
            if self.rotate_bytes == 0 { Err("rotate_bytes: use at least 1".to_owned()) } else { Ok(()) };
        self.common.check().and(rotates).map_err(|error| wrong(&self.common.name, &error))
    }
}

impl Options for JsonLines {
    fn option(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match name {
            "rotate_bytes" => self.rotate_bytes = number(name, value)?,
            "rotate_age" => self.rotate_age = Some(seconds(name, value)?),
            "keep" => self.keep = number(name, value)?,
            _ => return self.common.option(name, value),
        }
        Ok(true)
    }
}
