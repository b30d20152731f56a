//! When a file is rotated, and what becomes of it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

/// Digits of a rotated file's number; more where it needs more.
const DIGITS: usize = 6;

/// How long a file may get, and how many are kept.
///
/// A full file gets its name with the next number, `calls.jsonl.000001`: nothing that has a number is renamed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// Longest file, bytes; longer only where one batch is.
    pub(crate) bytes: u64,
    /// A file has lines of one such period of the wall clock, counted from 1970 in UTC; `None`: of any time.
    pub(crate) age: Option<Duration>,
    /// Full files that are kept beside the one that is written.
    pub(crate) keep: usize,
}

impl Rotation {
    /// The number of the period that a time of the wall clock lies in.
    pub(crate) fn period_of(&self, unix_nanos: u64) -> u64 {
        let period = self.age.map_or(u128::MAX, |period| period.as_nanos().max(1));
        (u128::from(unix_nanos) / period) as u64
    }

    /// Whether a file of one period may not become so long in another.
    ///
    /// A clock that is put back rotates nothing, or it would at each step forth and back.
    pub(crate) fn is_due(&self, length: u64, of: u64, now: u64) -> bool {
        length > self.bytes || now > of
    }

    /// Renames the file, and removes the oldest beyond those to keep.
    pub(crate) fn rotate(&self, path: &Path) -> io::Result<()> {
        let mut numbered = numbered(path)?;
        let number = numbered.last().map_or(1, |(number, _)| number.saturating_add(1));
        let full = with_number(path, number);
        fs::rename(path, &full)?;
        numbered.push((number, full));
        // One that could not be removed is tried again at the next rotation.
        let old = numbered.len().saturating_sub(self.keep);
        numbered[..old].iter().for_each(|(_, path)| drop(fs::remove_file(path)));
        Ok(())
    }
}

/// Full files and their numbers, the oldest first; what somebody else named otherwise is not ours.
fn numbered(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default();
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        found.extend(number_of(name, &entry.file_name()).map(|number| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}

/// The number in the name of a full file.
fn number_of(name: &OsStr, full: &OsStr) -> Option<u64> {
    let digits = full.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b".")?;
    let number = str::from_utf8(digits).ok()?.parse().ok()?;
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
