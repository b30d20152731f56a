//! The rotation of files.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

/// Minimum number of digits in a rotated file's name.
const DIGITS: usize = 6;
/// Limit of the numbers; a name with a higher one is of another program.
const NUMBERS: u64 = 1 << 53;

/// The limits of files.
///
/// A full file is renamed once, to its name with the next number, such as `calls.jsonl.000001`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// Maximum length of a file, bytes. A single batch can exceed it.
    pub(crate) bytes: u64,
    /// Period of the lines in a file, counted from 1970 in UTC; `None` for no limit.
    pub(crate) age: Option<Duration>,
    /// Number of full files to keep.
    pub(crate) keep: usize,
}

impl Rotation {
    /// Returns the number of the period of a wall-clock time.
    pub(crate) fn period_of(&self, unix_nanos: u64) -> u64 {
        let period = self.age.map_or(u128::MAX, |period| period.as_nanos().max(1));
        (u128::from(unix_nanos) / period) as u64
    }

    /// Returns whether a file of the period `of` must be rotated before it reaches `length` in the period `now`.
    ///
    /// A clock that steps back causes no rotation.
    pub(crate) fn is_due(&self, length: u64, of: u64, now: u64) -> bool {
        length > self.bytes || now > of
    }

    /// Renames the file and removes the oldest ones beyond the limit.
    pub(crate) fn rotate(&self, path: &Path) -> io::Result<()> {
        let mut numbered = numbered(path)?;
        let mut number = numbered.last().map_or(1, |(number, _)| number + 1);
        // Something that is no full file may have the name.
        while with_number(path, number).symlink_metadata().is_ok() {
            number += 1;
        }
        let full = with_number(path, number);
        fs::rename(path, &full)?;
        numbered.push((number, full));
        // The next rotation retries a file that cannot be removed.
        let old = numbered.len().saturating_sub(self.keep);
        numbered[..old].iter().for_each(|(_, path)| drop(fs::remove_file(path)));
        Ok(())
    }
}

/// Returns the full files and their numbers, the oldest first, without links and directories.
pub(super) fn numbered(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default();
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let is_file = entry.file_type()?.is_file();
        let number = number_of(name, &entry.file_name()).filter(|_| is_file);
        found.extend(number.map(|number| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}

/// Returns the number in the name of a full file.
fn number_of(name: &OsStr, full: &OsStr) -> Option<u64> {
    let digits = full.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b".")?;
    let number = str::from_utf8(digits).ok()?.parse().ok().filter(|number| *number < NUMBERS)?;
    (with_digits(number).as_bytes() == digits).then_some(number)
}

fn with_number(path: &Path, number: u64) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(with_digits(number));
    name.into()
}

fn with_digits(number: u64) -> String {
    format!("{number:0DIGITS$}")
}
