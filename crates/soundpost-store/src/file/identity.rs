//! Identity of the files that have the names of a store.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{LOG, beside};

/// Device and inode of the file and of its log, where they exist.
pub(crate) type Identity = [Option<(u64, u64)>; 2];

/// Returns the identity of the files at a path.
pub(crate) fn identity(path: &Path) -> Identity {
    ["", LOG]
        .map(|suffix| fs::symlink_metadata(beside(path, suffix)).ok().map(|found| (found.dev(), found.ino())))
}
