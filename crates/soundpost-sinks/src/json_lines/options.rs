//! Settings of a sink that writes JSON lines to a file, or to standard output.

use std::path::PathBuf;
use std::time::Duration;

use soundpost_core::Error;

use crate::options::address::{decoded, pairs};
use crate::options::common::{Common, RECORDS, number, seconds};
use crate::options::methods::common_methods;
use crate::options::named::{Options, wrong};
use crate::options::secret::stay;

const KIND: &str = "jsonl";

/// Bytes after which a file is rotated, where nothing else is asked for.
const ROTATE_BYTES: u64 = 64 * 1024 * 1024;
/// Rotated files that are kept, where nothing else is asked for.
const KEEP: usize = 5;

/// Permissions of the file, where nothing else is asked for: its owner's.
const MODE: u32 = 0o600;

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
    pub(crate) mode: u32,
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
        Ok(Self {
            common: Common::new(KIND),
            path,
            rotate_bytes: ROTATE_BYTES,
            rotate_age: None,
            keep: KEEP,
            mode: MODE,
        })
    }

    /// From what follows `jsonl:`: a path, in which percent signs stand for what a list of URLs cannot have, and options
    /// behind a `?`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut sink = Self::new(decoded(path).map_err(|error| wrong(KIND, &error))?)?;
        let query = pairs(query).map_err(|error| wrong(KIND, &error))?;
        sink.take_query(KIND, &query)?;
        Ok(sink)
    }

    /// Begins a new file when this one is so long, bytes; default: 64 MiB.
    pub fn rotate_bytes(mut self, bytes: u64) -> Self {
        self.rotate_bytes = bytes;
        self
    }

    /// Begins a new file when so much time of the clock, counted from 1970 in UTC, begins anew: with 24 hours a file has
    /// what was written on one day; default: never.
    pub fn rotate_age(mut self, age: Duration) -> Self {
        self.rotate_age = Some(age);
        self
    }

    /// How many rotated files are kept beside the one that is written; default: 5.
    pub fn keep(mut self, files: usize) -> Self {
        self.keep = files;
        self
    }

    /// Permissions of files that it creates, such as 0o640 for a shipper of another user in the same group; default:
    /// 0o600.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub(crate) fn prepare(&mut self) -> Result<(), String> {
        self.path.iter_mut().for_each(stay);
        self.common.check(RECORDS)?;
        match () {
            () if self.rotate_bytes == 0 => Err("rotate_bytes: use at least 1".to_owned()),
            () if self.rotate_age.is_some_and(|age| age.is_zero()) => {
                Err("rotate_age: use more than 0 seconds".to_owned())
            }
            () if ![0o600, 0o640, 0o644, 0o660, 0o664, 0o666].contains(&self.mode) => Err(format!(
                "mode: {:o} is none of 600, 640, 644, 660, 664 and 666, which are octal: in code 0o640",
                self.mode
            )),
            () => Ok(()),
        }
    }
}

common_methods!(JsonLines, name: "jsonl", batch: "4,096");

impl Options for JsonLines {
    fn option(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match name {
            "rotate_bytes" => self.rotate_bytes = number(name, value)?,
            "rotate_age" => self.rotate_age = Some(seconds(name, value)?),
            "keep" => self.keep = number(name, value)?,
            "mode" => {
                self.mode = u32::from_str_radix(value, 8)
                    .map_err(|_| format!("mode: {value:?} is no octal number"))?;
            }
            _ => return self.common.option(name, value),
        }
        Ok(true)
    }
}
