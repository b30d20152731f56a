//! Errors of the store, and which of them a retry may solve.

use std::io;
use std::path::Path;

use rusqlite::{ErrorCode, ffi};

/// An error of the store. Its predicates distinguish the causes.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    message: String,
    kind: StoreErrorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StoreErrorKind {
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
        self.kind == StoreErrorKind::Full
    }

    /// Returns whether the file or its file system is read-only.
    pub fn is_read_only(&self) -> bool {
        self.kind == StoreErrorKind::ReadOnly
    }

    /// Returns whether another program holds a lock on the file.
    pub fn is_busy(&self) -> bool {
        self.kind == StoreErrorKind::Busy
    }

    /// Returns whether the operating system failed: a disk error, no descriptors, no memory.
    pub fn is_io(&self) -> bool {
        self.kind == StoreErrorKind::Io
    }

    /// Returns whether the file is damaged or not a store. The writer sets such a file aside.
    pub fn is_damaged(&self) -> bool {
        self.kind == StoreErrorKind::Damaged
    }

    /// Returns whether a newer version wrote the file, which is not modified.
    pub fn is_newer(&self) -> bool {
        self.kind == StoreErrorKind::Newer
    }

    /// Returns whether the file is a link or belongs to another user.
    pub fn is_refused(&self) -> bool {
        self.kind == StoreErrorKind::Refused
    }

    /// Returns whether a retry may succeed while Soundpost and the file stay as they are.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            StoreErrorKind::Full | StoreErrorKind::ReadOnly | StoreErrorKind::Busy | StoreErrorKind::Io
        )
    }

    pub(crate) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        Self { message: format!("{}: {error}", path.display()), kind: kind(error) }
    }

    pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                StoreErrorKind::Full
            }
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => StoreErrorKind::ReadOnly,
            _ => StoreErrorKind::Io,
        };
        Self { message: format!("{doing} {}: {error}", path.display()), kind }
    }

    pub(crate) fn forked(path: &Path) -> Self {
        let message = format!(
            "{}: this process was forked while its parent was writing the store, and cannot use it",
            path.display()
        );
        Self { message, kind: StoreErrorKind::Io }
    }

    pub(crate) fn newer(path: &Path, found: i64, known: i64) -> Self {
        let message = format!(
            "{} has version {found} of the store, this Soundpost supports {known}: update it, or move the file away",
            path.display()
        );
        Self { message, kind: StoreErrorKind::Newer }
    }

    pub(crate) fn refused(path: &Path, why: &str) -> Self {
        Self { message: format!("{} {why}", path.display()), kind: StoreErrorKind::Refused }
    }

    pub(crate) fn damaged(path: &Path, what: &str) -> Self {
        Self { message: format!("{}: {what}", path.display()), kind: StoreErrorKind::Damaged }
    }

    /// Takes an unknown table or column for damage, in statements that every sound file supports.
    pub(crate) fn of_preparing(self) -> Self {
        if self.kind == StoreErrorKind::Misused {
            Self { kind: StoreErrorKind::Damaged, ..self }
        } else {
            self
        }
    }

    /// Returns whether the call contradicts the state of the store.
    pub fn is_misused(&self) -> bool {
        self.kind == StoreErrorKind::Misused
    }

    pub(crate) fn misused(message: String) -> Self {
        Self { message, kind: StoreErrorKind::Misused }
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

fn kind(error: &rusqlite::Error) -> StoreErrorKind {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        // A value of an unexpected type, or a missing row.
        return StoreErrorKind::Damaged;
    };
    match failure.code {
        ErrorCode::DiskFull => StoreErrorKind::Full,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreErrorKind::ReadOnly,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            StoreErrorKind::Busy
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreErrorKind::Damaged,
        // Statements break no constraint in a sound file: table and index disagree.
        ErrorCode::ConstraintViolation => StoreErrorKind::Damaged,
        ErrorCode::CannotOpen if failure.extended_code == ffi::SQLITE_CANTOPEN_SYMLINK => {
            StoreErrorKind::Refused
        }
        ErrorCode::SystemIoFailure if DAMAGING.contains(&failure.extended_code) => StoreErrorKind::Damaged,
        // `SQLITE_ERROR`: an unknown table or column.
        ErrorCode::Unknown => StoreErrorKind::Misused,
        _ => StoreErrorKind::Io,
    }
}
