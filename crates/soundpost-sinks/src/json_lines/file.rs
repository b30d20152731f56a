//! A file of lines, appended to and rotated.
//!
//! It is the only writer of its file. What a killed one left half written is mended when the file is opened, and
//! what a full disk cut off is taken back: lines are there whole or not at all.

mod mend;
mod rotation;

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use soundpost_core::{CloseInChild, close_in_child};

pub(crate) use rotation::Rotation;

/// Lines that are appended to a file.
pub(crate) struct LineFile {
    path: PathBuf,
    /// Permissions of a file that it creates.
    mode: u32,
    rotation: Rotation,
    open: Option<Open>,
}

/// The file as it was when it was last written.
struct Open {
    // Before the file, whose number may be another's as soon as it is closed.
    _closed_in_child: CloseInChild,
    file: File,
    /// Its device and inode.
    identity: (u64, u64),
    length: u64,
    /// The period in which it was last written.
    period: u64,
    synced: bool,
}

impl LineFile {
    /// A file that is not open yet; its directory has to be there.
    pub(crate) fn new(path: PathBuf, mode: u32, rotation: Rotation) -> Self {
        Self { path, mode, rotation, open: None }
    }

    /// Appends whole lines by one write, after a rotation if one is due at this time of the wall clock.
    ///
    /// # Errors
    /// When nothing was appended: the file cannot be opened, is held by another process or is none, cannot be
    /// renamed where it had to be, or there is no space.
    pub(crate) fn append(&mut self, lines: &[u8], unix_nanos: u64) -> io::Result<()> {
        self.try_append(lines, unix_nanos).map_err(|error| self.named(error))
    }

    /// Makes durable what was appended.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let synced = self.open.as_mut().map_or(Ok(()), Open::sync);
        synced.map_err(|error| self.named(error))
    }

    fn try_append(&mut self, lines: &[u8], unix_nanos: u64) -> io::Result<()> {
        let period = self.rotation.period_of(unix_nanos);
        let mut open = self.current()?;
        if open.length > 0 && self.rotation.is_due(open.length + lines.len() as u64, open.period, period) {
            open.sync()?;
            drop(open);
            self.rotation.rotate(&self.path)?;
            open = self.open()?;
        }
        // Dropped where it fails: what was cut off or cannot be told is mended when it is opened again.
        open.append(lines)?;
        // A clock that was put back a little begins no period anew; one that had been far ahead does not hold up those
        // to come.
        open.period = if period + 1 < open.period { period } else { open.period.max(period) };
        self.open = Some(open);
        Ok(())
    }

    /// The file that has the name now: somebody else may have moved, removed or shortened it.
    fn current(&mut self) -> io::Result<Open> {
        if let Some(mut open) = self.open.take() {
            let named = self.path.symlink_metadata();
            if named.is_ok_and(|named| (named.dev(), named.ino()) == open.identity) {
                let length = open.file.metadata()?.len();
                if length != open.length {
                    open.length = mend::mend(&open.file, length)?;
                }
                return Ok(open);
            }
        }
        self.open()
    }

    /// Opens the file, or creates it.
    fn open(&self) -> io::Result<Open> {
        let file = match options().open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.create()?,
            opened => opened?,
        };
        let closed_in_child = close_in_child(file.as_raw_fd());
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "this is no regular file"));
        }
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
        let file = options().create_new(true).mode(self.mode).open(&self.path)?;
        // The mode is what was asked for, whatever the host's umask is.
        file.set_permissions(Permissions::from_mode(self.mode))?;
        Ok(file)
    }

    /// An error that says which file it is about.
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
            // A second try to take it back is made when the file is opened again.
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

/// What is no file is told after it was opened, which must not wait for somebody who reads from a pipe.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    options
}

/// Locks the file until it is closed; not where the file system has no locks.
///
/// The lock is the open file's: it stays when the service opens the same file to read it, and closes that. A forked
/// child closes its copy, so that it does not hold the lock when the process is gone.
fn lock(file: &File) -> io::Result<()> {
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&whole)) {
        Err(Errno::EAGAIN | Errno::EACCES) => {
            Err(io::Error::new(ErrorKind::ResourceBusy, "another writes to it"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
