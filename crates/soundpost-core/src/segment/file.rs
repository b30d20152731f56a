//! Files of segments: permissions, locks and liveness.
//!
//! Every process that writes a segment holds a shared `flock` on it, which forked children inherit. A segment
//! that can be locked exclusively has no writer. A file gets its final name after it was filled and locked,
//! so readers never mistake a new file for a dead one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::posix_fallocate;

use crate::regular_file;

pub(crate) const EXTENSION: &str = "segment";
/// Suffix of an agent's segment before the extension; part of the name from the start.
pub(crate) const AGENT: &str = ".agent";
/// Extension of a file before it gets its name.
pub(crate) const NEW: &str = "new";
pub(crate) const HISTORY: &str = "history";

/// Reports whether the name is that of an agent's segment.
pub(crate) fn is_agents(segment: &Path) -> bool {
    segment.file_stem().is_some_and(|stem| stem.as_encoded_bytes().ends_with(AGENT.as_bytes()))
}

/// A new file before it gets its name.
pub(crate) struct NewFile {
    pub(crate) file: File,
    hidden: PathBuf,
}

impl NewFile {
    pub(crate) fn create(directory: &Path, bytes: usize) -> io::Result<Self> {
        private_directory(directory)?;
        let hidden = directory.join(format!(".{:016x}.{NEW}", random()));
        let file = private_file().create_new(true).open(&hidden)?;
        let new = Self { file, hidden };
        allocate(&new.file, bytes)?;
        lock_shared(&new.file)?;
        Ok(new)
    }

    /// Renames the file, which makes it visible to readers.
    pub(crate) fn publish(self, name: &str) -> io::Result<(File, PathBuf)> {
        let path = self.hidden.with_file_name(format!("{name}.{EXTENSION}"));
        std::fs::rename(&self.hidden, &path)?;
        Ok((self.file.try_clone()?, path))
    }

    /// Renames the file to the service's history, replacing the existing one.
    pub(crate) fn become_history(self) -> io::Result<(File, PathBuf)> {
        let path = self.hidden.with_file_name(HISTORY);
        std::fs::rename(&self.hidden, &path)?;
        Ok((self.file.try_clone()?, path))
    }

    /// Replaces `path` by the file atomically.
    pub(crate) fn replace(self, path: &Path) -> io::Result<()> {
        std::fs::rename(&self.hidden, path)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After a rename the hidden name does not exist.
        let _ = std::fs::remove_file(&self.hidden);
    }
}

/// Opens another process's file for reading; rejects symbolic links and files of other users.
pub(crate) fn open_foreign(path: &Path) -> io::Result<File> {
    open_existing(path, false)
}

/// Opens another process's file for writing: to continue a history, or to free records of an event ring.
pub(crate) fn open_own(path: &Path) -> io::Result<File> {
    open_existing(path, true)
}

/// Opens a file for reading and writing, and makes it if missing.
pub(crate) fn open_or_make(path: &Path) -> io::Result<File> {
    open_checked(path, private_file().create(true).truncate(false))
}

fn open_existing(path: &Path, writable: bool) -> io::Result<File> {
    open_checked(path, private_file().write(writable))
}

fn open_checked(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // O_NONBLOCK keeps a FIFO from blocking the reader.
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
    let file = options.custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    regular_file::check(&metadata)?;
    if metadata.uid() != user_id() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    Ok(file)
}

/// Returns the options of every file: private, closed on exec, never through a symbolic link.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    options
}

/// Makes a directory with mode 0700, or checks that it is a real directory of this user and sets the mode.
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

/// Checks that no other user can change where a path leads.
pub(crate) fn check_links(path: &Path, user: u32) -> io::Result<()> {
    for part in path.ancestors() {
        let link = std::fs::symlink_metadata(part).ok().filter(std::fs::Metadata::is_symlink);
        if let Some(owner) = link.map(|link| link.uid()).filter(|owner| ![user, 0].contains(owner)) {
            let why = format!("the link {} belongs to user {owner}", part.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
    }
    Ok(())
}

/// Checks that only `user` and root can replace what is in a directory. The group of the user's own number is private to
/// the user.
pub(crate) fn check_root(path: &Path, user: u32) -> io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    let refused = |why| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    check_links(path, user)?;
    if ![user, 0].contains(&metadata.uid()) {
        return refused(format!("it belongs to user {}", metadata.uid()));
    }
    let others = if metadata.gid() == user { 0o002 } else { 0o022 };
    let is_sticky = metadata.mode() & libc::S_ISVTX != 0;
    if metadata.mode() & others != 0 && !is_sticky {
        return refused(format!("others can write to it (mode {:o})", metadata.mode() & 0o7777));
    }
    Ok(())
}

/// Reports whether a directory could not be made because of its location, not because of its contents.
pub(crate) fn is_unwritable(error: &io::Error) -> bool {
    let refused = [Errno::EROFS, Errno::EACCES, Errno::EPERM, Errno::ENOSPC, Errno::EDQUOT, Errno::ENOENT];
    error.raw_os_error().is_some_and(|code| refused.contains(&Errno::from_raw(code)))
}

/// Takes the shared lock that marks the file as alive; forked children inherit it.
fn lock_shared(file: &File) -> io::Result<()> {
    file.try_lock_shared().map_err(|error| match error {
        std::fs::TryLockError::Error(error) => error,
        std::fs::TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
    })
}

/// Takes the shared lock of a visible file, waiting for a reader that tests it at this moment.
pub(crate) fn lock_held(file: &File) -> io::Result<()> {
    file.lock_shared()
}

/// Reports whether no process holds the file. The lock is released at once; otherwise the file would look
/// alive to others.
pub(crate) fn is_dead(file: &File) -> bool {
    file.try_lock().is_ok() && file.unlock().is_ok()
}

/// Allocates pages for the whole file, so that a full disk is an error now and not a signal later.
fn allocate(file: &File, bytes: usize) -> io::Result<()> {
    match posix_fallocate(file.as_fd(), 0, bytes as libc::off_t) {
        Ok(()) => Ok(()),
        // Without `posix_fallocate`, write zeros, as the C library does.
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

/// Returns the effective user id of this process.
pub fn user_id() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// Returns a random number from the kernel, or from the clock and the pid if that fails.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| crate::clock::unix_nanos() ^ u64::from(std::process::id()) << 40)
}
