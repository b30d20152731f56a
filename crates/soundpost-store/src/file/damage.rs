//! Damaged files, which are set aside.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{LOG, beside};
use crate::error::StoreError;

/// Suffixes of the files of a store, in the order in which they are set aside: SQLite would apply a remaining log to the
/// next file.
const PARTS: [&str; 3] = [LOG, "-shm", ""];
/// Suffix of a damaged file, before the second.
const SUFFIX: &str = ".damaged-";
/// Maximum number of damaged files, which may be as large as the store.
const MAX_DAMAGED: usize = 2;

/// Renames a damaged file and its log. Returns the new path.
pub(crate) fn set_aside(path: &Path, unix_seconds: u64) -> Result<PathBuf, StoreError> {
    let is_free = |number: &u64| fs::symlink_metadata(beside(path, &format!("{SUFFIX}{number}"))).is_err();
    let number = (unix_seconds..).find(is_free).unwrap_or(unix_seconds);
    for suffix in PARTS {
        match fs::rename(beside(path, suffix), beside(path, &format!("{SUFFIX}{number}{suffix}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("cannot set aside", path, &error));
            }
            _ => {}
        }
    }
    Ok(beside(path, &format!("{SUFFIX}{number}")))
}

/// Removes files that were set aside before this second, and all but the newest.
pub(crate) fn remove_damaged(path: &Path, before: u64) {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
    else {
        return;
    };
    let entries = directory.read_dir().into_iter().flatten().flatten();
    let mut seconds: Vec<u64> = entries
        .filter_map(|entry| {
            let name = entry.file_name().to_str()?.strip_prefix(name)?.strip_prefix(SUFFIX)?.to_owned();
            name.split('-').next()?.parse().ok()
        })
        .collect();
    seconds.sort_unstable();
    seconds.dedup();
    let excess = seconds.len().saturating_sub(MAX_DAMAGED);
    let removed = seconds.iter().enumerate().filter(|(place, second)| *place < excess || **second < before);
    for second in removed.map(|(_, second)| second) {
        for part in PARTS {
            let _ = fs::remove_file(beside(path, &format!("{SUFFIX}{second}{part}")));
        }
    }
}
