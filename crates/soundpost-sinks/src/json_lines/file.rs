//! A file of lines that is appended to and rotated.
//!
//! A file has one writer. A partial line of a killed writer is repaired when the file is opened, and a partial write
//! to a full disk is undone, so the file contains whole lines only.

mod erase;
mod mend;
mod rotation;

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use soundpost_core::{CloseInChild, close_in_child, regular_file, user_id};

pub use erase::erase_lines;
pub(crate) use rotation::Rotation;

pub(crate) struct LineFile {
    path: PathBuf,
    mode: u32,
    rotation: Rotation,
    open: Option<Open>,
}

/// The open file and its state after the last write.
struct Open {
    // Dropped before the file, because its descriptor can be reused as soon as it is closed.
    _closed_in_child: CloseInChild,
    file: File,
    identity: (u64, u64),
    length: u64,
    /// Rotation period of the last write.
    period: u64,
    synced: bool,
}

impl LineFile {
    /// Creates a writer that opens the file later, and creates a missing folder.
    pub(crate) fn new(path: PathBuf, mode: u32, rotation: Rotation) -> Self {
        Self { path, mode, rotation, open: None }
    }

    /// Appends whole lines by one write, after a rotation if one is due at this wall-clock time.
    ///
    /// # Errors
    /// When nothing was appended: the file cannot be opened or renamed, is no regular file of this user with one name, is
    /// locked by another process, or the disk is full.
    pub(crate) fn append(&mut self, lines: &[u8], unix_nanos: u64) -> io::Result<()> {
        self.try_append(lines, unix_nanos).map_err(|error| self.named(error))
    }

    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let synced = self.open.as_mut().map_or(Ok(()), Open::sync);
        synced.map_err(|error| self.named(error))
    }

    fn try_append(&mut self, lines: &[u8], unix_nanos: u64) -> io::Result<()> {
        let period = self.rotation.period_of(unix_nanos);
        let mut open = self.current()?;
        if open.length > 0 && self.rotation.is_due(open.length + lines.len() as u64, open.period, period) {
            open.sync()?;
            self.rotation.rotate(&self.path)?;
            drop(open);
            open = self.current()?;
        }
        // On an error, the file is dropped, and repaired when it is opened again.
        open.append(lines)?;
        // A clock that steps back by one period starts no new one. A clock that was far ahead does not delay the
        // following periods.
        open.period = if period + 1 < open.period { period } else { open.period.max(period) };
        hold(&open.file, libc::F_UNLCK)?;
        self.open = Some(open);
        Ok(())
    }

    /// Returns the file at the path, held, which another process may have moved, removed, truncated or replaced.
    fn current(&mut self) -> io::Result<Open> {
        loop {
            let mut open = self.open.take().map_or_else(|| self.open(), Ok)?;
            hold(&open.file, libc::F_WRLCK)?;
            if is_at(&self.path, open.identity) {
                let length = open.file.metadata()?.len();
                if length != open.length {
                    open.length = mend::mend(&open.file, length)?;
                }
                return Ok(open);
            }
        }
    }

    fn open(&self) -> io::Result<Open> {
        let file = match options().open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.create()?,
            opened => opened?,
        };
        let closed_in_child = close_in_child(file.as_raw_fd());
        let metadata = file.metadata()?;
        check(&metadata)?;
        lock(&file)?;
        let length = mend::mend(&file, metadata.len())?;
        let written = u64::try_from(metadata.mtime()).unwrap_or(0).saturating_mul(1_000_000_000);
        Ok(Open {
            _closed_in_child: closed_in_child,
            file,
            identity: (metadata.dev(), metadata.ino()),
            length,
            period: self.rotation.period_of(written),
            synced: length == 0,
        })
    }

    fn create(&self) -> io::Result<File> {
        if let Some(folder) = self.path.parent().filter(|folder| !folder.exists()) {
            // Readers of the file can enter its folder.
            let mode = (self.mode & 0o444) | (self.mode & 0o444) >> 2 | 0o200;
            DirBuilder::new().recursive(true).mode(mode).create(folder)?;
        }
        let file = options().create_new(true).mode(self.mode).open(&self.path)?;
        // The umask does not apply.
        file.set_permissions(Permissions::from_mode(self.mode))?;
        Ok(file)
    }

    /// Adds the file's path to an error.
    fn named(&self, error: io::Error) -> io::Error {
        let (kind, path) = (error.kind(), self.path.display());
        match error.raw_os_error() {
            Some(libc::ELOOP) => {
                io::Error::new(ErrorKind::InvalidInput, format!("{path}: this is a symbolic link"))
            }
            _ => io::Error::new(kind, format!("{path}: {error}")),
        }
    }
}

impl Open {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(lines);
        if written.is_err() {
            // If this fails, the file is repaired when it is opened again.
            let _ = self.file.set_len(self.length);
            return written;
        }
        self.length += lines.len() as u64;
        self.synced = false;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if !self.synced {
            self.file.sync_data()?;
            self.synced = true;
        }
        Ok(())
    }
}

/// Returns the options to open a file. `O_NONBLOCK` prevents a FIFO from blocking; the file type is checked afterwards.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    options
}

/// Checks that no other user or name leads to the file.
fn check(metadata: &Metadata) -> io::Result<()> {
    let refused = |why: &str| Err(io::Error::new(ErrorKind::InvalidInput, why));
    regular_file::check(metadata)?;
    match (metadata.uid() == user_id(), metadata.nlink()) {
        (false, _) => refused("it belongs to another user"),
        (true, 2..) => refused("it has a second name (a hard link)"),
        _ => Ok(()),
    }
}

/// Locks the file until it is closed, if the file system supports locks.
///
/// The lock belongs to the open file description, so it stays when the service opens and closes the same file. A
/// forked child closes its copy, so that it does not hold the lock after its parent ends.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::Error::new(ErrorKind::ResourceBusy, "another writes to it")),
        _ => Ok(()),
    }
}

/// Holds the file against a program that erases lines of it, or lets it go. The lock belongs to the open file
/// description, and is another one than that of [`lock`].
fn hold(file: &File, kind: libc::c_int) -> io::Result<()> {
    let (kind, whence) = (kind as libc::c_short, libc::SEEK_SET as libc::c_short);
    let whole = libc::flock { l_type: kind, l_whence: whence, l_start: 0, l_len: 0, l_pid: 0 };
    match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&whole)) {
        Err(Errno::EAGAIN | Errno::EACCES) => {
            Err(io::Error::new(ErrorKind::ResourceBusy, "a program holds it to erase lines"))
        }
        _ => Ok(()),
    }
}

/// Returns whether a path leads to the file of this device and inode.
fn is_at(path: &Path, identity: (u64, u64)) -> bool {
    path.symlink_metadata().is_ok_and(|named| (named.dev(), named.ino()) == identity)
}

#[cfg(test)]
mod tests;
