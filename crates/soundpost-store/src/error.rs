//! What can be wrong with the store, and what to do about it.

use std::io;
use std::path::Path;

use rusqlite::{ErrorCode, ffi};

/// Why the store could not do something. The predicates say what helps.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    message: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
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
    /// Whether space is missing. Trying again helps once there is some.
    pub fn is_full(&self) -> bool {
        self.kind == Kind::Full
    }

    /// Whether the file or its file system may not be written. Trying again helps once it may.
    pub fn is_read_only(&self) -> bool {
        self.kind == Kind::ReadOnly
    }

    /// Whether another program holds the file. Trying again helps.
    pub fn is_busy(&self) -> bool {
        self.kind == Kind::Busy
    }

    /// Whether the operating system failed: an error of the disk, no descriptors, no memory. Trying again
    /// may help.
    pub fn is_io(&self) -> bool {
        self.kind == Kind::Io
    }

    /// Whether the file is no store, or no longer one. The writer sets it aside by itself.
    pub fn is_damaged(&self) -> bool {
        self.kind == Kind::Damaged
    }

    /// Whether a newer Soundpost wrote the file, which was left alone.
    pub fn is_newer(&self) -> bool {
        self.kind == Kind::Newer
    }

    /// Whether the file is a link, or belongs to somebody else.
    pub fn is_refused(&self) -> bool {
        self.kind == Kind::Refused
    }

    /// Whether the same may succeed later without anybody changing Soundpost or the file.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, Kind::Full | Kind::ReadOnly | Kind::Busy | Kind::Io)
    }

    /// What SQLite said while doing something with a file.
    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        Self { message: format!("{}: {error}", path.display()), kind: kind(error) }
    }

    pub(super) fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Kind::Full
            }
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Kind::ReadOnly,
            _ => Kind::Io,
        };
        Self { message: format!("{doing} {}: {error}", path.display()), kind }
    }

    pub(super) fn forked(path: &Path) -> Self {
        let message = format!(
            "{}: this process was forked while its parent was writing the store, and cannot use it",
            path.display()
        );
        Self { message, kind: Kind::Io }
    }

    pub(super) fn newer(path: &Path, found: i64, known: i64) -> Self {
        let message = format!(
            "{} has version {found} of the store, this Soundpost knows {known}: update it, or move the file away",
            path.display()
        );
        Self { message, kind: Kind::Newer }
    }

    pub(super) fn refused(path: &Path, why: &str) -> Self {
        Self { message: format!("{} {why}", path.display()), kind: Kind::Refused }
    }

    pub(super) fn damaged(path: &Path, what: &str) -> Self {
        Self { message: format!("{}: {what}", path.display()), kind: Kind::Damaged }
    }

    /// The same, of statements that any file of our version must be able to do.
    pub(super) fn of_preparing(self) -> Self {
        if self.kind == Kind::Misused { Self { kind: Kind::Damaged, ..self } } else { self }
    }

    /// Whether what was asked for contradicts what the store has.
    pub fn is_misused(&self) -> bool {
        self.kind == Kind::Misused
    }

    pub(super) fn misused(message: String) -> Self {
        Self { message, kind: Kind::Misused }
    }
}

/// A result of SQLite, with the file it is about.
pub(super) trait About<T> {
    fn about(self, path: &Path) -> Result<T, StoreError>;
}

impl<T> About<T> for rusqlite::Result<T> {
    fn about(self, path: &Path) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::sqlite(path, &error))
    }
}

/// `SQLITE_IOERR_*` that mean that what is in the file cannot be right.
const DAMAGING: [i32; 3] =
    [ffi::SQLITE_IOERR_SHORT_READ, ffi::SQLITE_IOERR_CORRUPTFS, ffi::SQLITE_IOERR_DATA];

fn kind(error: &rusqlite::Error) -> Kind {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        // A value of another type than the schema has, or a row that must be there and is not.
        return Kind::Damaged;
    };
    match failure.code {
        ErrorCode::DiskFull => Kind::Full,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Kind::ReadOnly,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            Kind::Busy
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Kind::Damaged,
        // We break no constraint: a number that is new to the one table or index is not to the other.
        ErrorCode::ConstraintViolation => Kind::Damaged,
        ErrorCode::CannotOpen if failure.extended_code == ffi::SQLITE_CANTOPEN_SYMLINK => Kind::Refused,
        ErrorCode::SystemIoFailure if DAMAGING.contains(&failure.extended_code) => Kind::Damaged,
        // `SQLITE_ERROR`: something in a statement that the file does not have.
        ErrorCode::Unknown => Kind::Misused,
        _ => Kind::Io,
    }
}
