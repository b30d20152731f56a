//! Files of a segment: who may touch them, and which are alive.
//!
//! Every process that writes a segment holds a shared `flock` on it; forked children inherit it. A segment
//! that can be locked exclusively has no writer left. A file gets its final name only after it was filled
//! and locked, so a reader never takes a newborn for a dead one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::posix_fallocate;

/// A segment's file name ends in this.
pub(crate) const EXTENSION: &str = "segment";
/// The name of an agent's segment ends in this before the extension: the name is there as soon as the file is.
pub(crate) const AGENT: &str = ".agent";
/// The history of the service's vitals.
pub(crate) const HISTORY: &str = "history";

/// Whether the name is that of an agent's segment.
pub(crate) fn is_agents(segment: &Path) -> bool {
    segment.file_stem().is_some_and(|stem| stem.as_encoded_bytes().ends_with(AGENT.as_bytes()))
}

/// A segment's file before it has its name.
pub(crate) struct NewFile {
    pub(crate) file: File,
    hidden: PathBuf,
}

impl NewFile {
    pub(crate) fn create(directory: &Path, bytes: usize) -> io::Result<Self> {
        private_directory(directory)?;
        let hidden = directory.join(format!(".{:016x}.new", random()));
        let file = private_file().create_new(true).open(&hidden)?;
        let new = Self { file, hidden };
        allocate(&new.file, bytes)?;
        lock_shared(&new.file)?;
        Ok(new)
    }

    /// Gives the file its name; from now on readers see it.
    pub(crate) fn publish(self, name: &str) -> io::Result<(File, PathBuf)> {
        let path = self.hidden.with_file_name(format!("{name}.{EXTENSION}"));
        std::fs::rename(&self.hidden, &path)?;
        Ok((self.file.try_clone()?, path))
    }

    /// Makes the file the service's history, in the place of the one that is there.
    pub(crate) fn become_history(self) -> io::Result<(File, PathBuf)> {
        let path = self.hidden.with_file_name(HISTORY);
        std::fs::rename(&self.hidden, &path)?;
        Ok((self.file.try_clone()?, path))
    }

    /// Puts the file in the place of `path`, at once.
    pub(crate) fn replace(self, path: &Path) -> io::Result<()> {
        std::fs::rename(&self.hidden, path)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After `publish` or `replace` there is nothing of that name.
        let _ = std::fs::remove_file(&self.hidden);
    }
}

/// Opens a file of somebody else, for reading; never through a symbolic link, never another user's.
pub(crate) fn open_foreign(path: &Path) -> io::Result<File> {
    open_existing(path, false)
}

/// As [`open_foreign`], to go on writing what another process of the service began, or to free what was taken
/// from its event ring.
pub(crate) fn open_own(path: &Path) -> io::Result<File> {
    open_existing(path, true)
}

fn open_existing(path: &Path, writable: bool) -> io::Result<File> {
    // A FIFO must not keep the reader waiting for its other end.
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
    let file = private_file().write(writable).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.uid() != user_id() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "not a file of this user"));
    }
    Ok(file)
}

/// Options of every file: private, not inherited by programs, never through a symbolic link.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    options
}

/// Makes a directory with mode 0700, or checks that it is a real one of this user and closes it to others.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let metadata = std::fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            "a symbolic link or a file is in its place",
        ));
    }
    if metadata.uid() != user_id() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    if metadata.mode() & 0o777 != 0o700 {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    }
    Ok(())
}

/// Whether the operating system refused to make a directory because of where it is, not what is there.
pub(crate) fn is_unwritable(error: &io::Error) -> bool {
    let refused = [Errno::EROFS, Errno::EACCES, Errno::EPERM, Errno::ENOSPC, Errno::EDQUOT, Errno::ENOENT];
    error.raw_os_error().is_some_and(|code| refused.contains(&Errno::from_raw(code)))
}

/// Locks against being taken for dead; forked children inherit it.
fn lock_shared(file: &File) -> io::Result<()> {
    file.try_lock_shared().map_err(|error| match error {
        std::fs::TryLockError::Error(error) => error,
        std::fs::TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
    })
}

/// As [`lock_shared`] for a file that others see: whoever asks at this moment whether it is held holds it for
/// an instant.
pub(crate) fn lock_held(file: &File) -> io::Result<()> {
    file.lock_shared()
}

/// Whether no process holds the segment. The lock is given back at once: holding it would make the
/// segment look alive to the next who asks.
pub(crate) fn is_dead(file: &File) -> bool {
    file.try_lock().is_ok() && file.unlock().is_ok()
}

/// Gives a file its size with pages behind it, so that a full disk is an error now and no signal later.
fn allocate(file: &File, bytes: usize) -> io::Result<()> {
    match posix_fallocate(file.as_fd(), 0, bytes as libc::off_t) {
        Ok(()) => Ok(()),
        // A file system without the call: write zeros, as the C library does elsewhere.
        Err(Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENOSYS) => {
            let zeros = [0; 64 * 1024];
            let mut writer = file;
            let mut left = bytes;
            while left > 0 {
                left -= io::Write::write(&mut writer, &zeros[..left.min(zeros.len())])?;
            }
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// The effective user of this process.
pub fn user_id() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// A random number, from the kernel; falls back on the clock and the pid.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| crate::clock::unix_nanos() ^ u64::from(std::process::id()) << 40)
}
