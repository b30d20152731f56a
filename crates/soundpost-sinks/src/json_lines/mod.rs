//! Lines of JSON, to a file or to standard output.

mod file;
pub mod lines;
mod shared;
mod transport;

pub use file::erase_lines;

use std::path::{Path, PathBuf};
use std::time::Duration;

use soundpost_core::Error;
use soundpost_store::RecordKinds;

use crate::json_lines::transport::Lines;
use crate::kind::{SinkKind, TargetForm, wrong};
use crate::options::common::{Common, MAX_RECORDS};
use crate::options::declare::{OptionSpec, options};
use crate::options::groups::common_options;
use crate::options::secret::make_absolute;
use crate::options::value::Mode;
use crate::transport::Transport;

/// Default size at which a file is rotated, bytes.
const ROTATE_BYTES: u64 = 64 * 1024 * 1024;
/// Default number of rotated files that are kept.
const KEEP_FILES: usize = 5;
/// Maximum delay before a retry, which is twice as long where the path cannot be written: a file is cheap to open.
const LONGEST_WAIT: Duration = Duration::from_millis(2500);
/// Default permissions of the file: its owner's.
const MODE: u32 = 0o600;
/// Permissions that a file can have.
const MODES: [u32; 6] = [0o600, 0o640, 0o644, 0o660, 0o664, 0o666];

/// Writes log events, and each finished call as one, as lines of JSON.
#[derive(Clone, Debug)]
#[must_use = "a sink ships nothing before a builder has it"]
pub struct JsonLines {
    pub(crate) common: Common,
    /// Path of the file; `None` for standard output.
    pub(crate) path: Option<PathBuf>,
    pub(crate) rotate_bytes: u64,
    pub(crate) rotate_age: Option<Duration>,
    pub(crate) keep: usize,
    pub(crate) mode: u32,
}

impl JsonLines {
    /// Returns a sink for the file at a path; `-` is standard output.
    ///
    /// # Errors
    /// When the path is empty.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        if path.as_os_str().is_empty() || path.as_os_str().to_string_lossy().contains('\0') {
            return Err(wrong(Self::NAME, "the path of a file is missing"));
        }
        Ok(Self {
            common: Common { longest_wait: LONGEST_WAIT, ..Common::new(Self::NAME) },
            path: (path.as_os_str() != "-").then_some(path),
            rotate_bytes: ROTATE_BYTES,
            rotate_age: None,
            keep: KEEP_FILES,
            mode: MODE,
        })
    }
}

impl SinkKind for JsonLines {
    const NAME: &'static str = "jsonl";
    const CLASS: &'static str = "JsonLines";
    const ABOUT: &'static str = "Writes log events, and each finished call as one, as lines of JSON.";
    const TARGET: TargetForm = TargetForm::Path;
    const RECORDS: RecordKinds = RecordKinds::LOGS;
    const OPTIONS: &'static [&'static [OptionSpec<Self>]] = &[Self::OWN, Self::COMMON];

    fn at(place: &str) -> Result<Self, Error> {
        Self::new(place)
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn target(&self) -> String {
        self.path.as_ref().map_or_else(|| "standard output".into(), |path| path.display().to_string())
    }

    fn file(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    fn place(&self) -> Option<String> {
        self.path.as_ref().map_or(Some("-".to_owned()), |path| Some(path.to_str()?.to_owned()))
    }

    fn prepare(&mut self) -> Result<(), String> {
        self.path.iter_mut().for_each(make_absolute);
        self.common.check(MAX_RECORDS)?;
        match () {
            () if self.rotate_bytes == 0 => Err("rotate_bytes: use at least 1".to_owned()),
            () if self.rotate_age.is_some_and(|age| age.is_zero()) => {
                Err("rotate_age: use more than 0 seconds".to_owned())
            }
            () if !MODES.contains(&self.mode) => Err(format!(
                "mode: {:o} is none of 600, 640, 644, 660, 664 and 666, which are octal: in code 0o640",
                self.mode
            )),
            () => Ok(()),
        }
    }

    fn open(&self) -> Result<Box<dyn Transport>, String> {
        Ok(Box::new(Lines::new(self)))
    }
}

options! {
    JsonLines as OWN {
        /// Size at which a new file is begun, in bytes.
        rotate_bytes(u64): u64, "64 MiB" => |sink, bytes| sink.rotate_bytes = bytes;
        /// Span of the clock, counted from 1970 in UTC, after which a new file is begun, in seconds: 86400 gives each day
        /// its own.
        rotate_age(Duration): Duration, "never" => |sink, age| sink.rotate_age = Some(age);
        /// Number of rotated files that are kept beside the one that is written.
        keep(usize): usize, "5" => |sink, files| sink.keep = files;
        /// Permissions of created files, octal, such as 640 (`0o640` in code) for a shipper of the same group.
        mode(u32): Mode, "600" => |sink, mode| sink.mode = mode.0;
    }
}
common_options!(JsonLines, name: "jsonl", batch: "4,096, at most 100,000");
