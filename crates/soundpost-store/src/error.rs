//! Errors of the store, and which of them a retry may solve.

use std::io;
use std::path::Path;

use rusqlite::{ErrorCode, ffi};

/// An error of the store. Its predicates distinguish the causes.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    message: String,
    cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Full,
    ReadOnly,
    Busy,
    Io,
    Damaged,
    Newer,
    Refused,
    Misused,
}

impl StoreError {
    /// Returns whether the disk is full. A retry succeeds once there is space.
    pub fn is_full(&self) -> bool {
        self.cause == Cause::Full
    }

    /// Returns whether the file or its file system is read-only.
    pub fn is_read_only(&self) -> bool {
        self.cause == Cause::ReadOnly
    }

    /// Returns whether another program holds a lock on the file.
    pub fn is_busy(&self) -> bool {
        self.cause == Cause::Busy
    }

    /// Returns whether the operating system failed: a disk error, no descriptors, no memory.
    pub fn is_io(&self) -> bool {
        self.cause == Cause::Io
    }

    /// Returns whether the file is damaged or not a store. The writer sets such a file aside.
    pub fn is_damaged(&self) -> bool {
        self.cause == Cause::Damaged
    }

    /// Returns whether a newer version wrote the file, which is not modified.
    pub fn is_newer(&self) -> bool {
        self.cause == Cause::Newer
    }

    /// Returns whether the file is a link or belongs to another user.
    pub fn is_refused(&self) -> bool {
        self.cause == Cause::Refused
    }

    /// Returns whether a retry may succeed while Soundpost and the file stay as they are.
    pub fn is_retryable(&self) -> bool {
        matches!(self.cause, Cause::Full | Cause::ReadOnly | Cause::Busy | Cause::Io)
    }

    pub(crate) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        Self::of_file(cause(error), path, &format!(": {error}"))
    }

    pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        let cause = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Cause::Full
            }
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Cause::ReadOnly,
            _ => Cause::Io,
        };
        Self { message: format!("{doing} {}: {error}", path.display()), cause }
    }

    pub(crate) fn forked(path: &Path) -> Self {
        let why = ": this process was forked while its parent was writing the store, and cannot use it";
        Self::of_file(Cause::Io, path, why)
    }

    pub(crate) fn newer(path: &Path, found: i64, known: i64) -> Self {
        let versions = format!("has version {found} of the store, this Soundpost supports {known}");
        Self::of_file(Cause::Newer, path, &format!(" {versions}: update it, or move the file away"))
    }

    pub(crate) fn refused(path: &Path, why: &str) -> Self {
        Self::of_file(Cause::Refused, path, &format!(" {why}"))
    }

    pub(crate) fn damaged(path: &Path, what: &str) -> Self {
        Self::of_file(Cause::Damaged, path, &format!(": {what}"))
    }

    pub(crate) fn busy(path: &Path, why: &str) -> Self {
        Self::of_file(Cause::Busy, path, &format!(": {why}"))
    }

    fn of_file(cause: Cause, path: &Path, why: &str) -> Self {
        Self { message: format!("{}{why}", path.display()), cause }
    }

    /// Takes an unknown table or column for damage, in statements that every sound file supports.
    pub(crate) fn of_preparing(self) -> Self {
        if self.is_misused() { Self { cause: Cause::Damaged, ..self } } else { self }
    }

    /// Returns whether the call contradicts the state of the store.
    pub fn is_misused(&self) -> bool {
        self.cause == Cause::Misused
    }

    pub(crate) fn misused(message: String) -> Self {
        Self { message, cause: Cause::Misused }
    }
}

pub(crate) trait About<T> {
    fn about(self, path: &Path) -> Result<T, StoreError>;
}

impl<T> About<T> for rusqlite::Result<T> {
    fn about(self, path: &Path) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::sqlite(path, &error))
    }
}

/// `SQLITE_IOERR_*` that mean damage.
const DAMAGING: [i32; 3] =
    [ffi::SQLITE_IOERR_SHORT_READ, ffi::SQLITE_IOERR_CORRUPTFS, ffi::SQLITE_IOERR_DATA];

/// Returns whether an error means that a part of the file is damaged.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    cause(error) == Cause::Damaged
}

fn cause(error: &rusqlite::Error) -> Cause {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        // A value of an unexpected type, or a missing row.
        return Cause::Damaged;
    };
    match failure.code {
        ErrorCode::DiskFull => Cause::Full,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Cause::ReadOnly,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            Cause::Busy
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Cause::Damaged,
        // Statements break no constraint in a sound file: table and index disagree.
        ErrorCode::ConstraintViolation => Cause::Damaged,
        ErrorCode::CannotOpen if failure.extended_code == ffi::SQLITE_CANTOPEN_SYMLINK => Cause::Refused,
        ErrorCode::SystemIoFailure if DAMAGING.contains(&failure.extended_code) => Cause::Damaged,
        // `SQLITE_ERROR`: an unknown table or column.
        ErrorCode::Unknown => Cause::Misused,
        _ => Cause::Io,
    }
}
