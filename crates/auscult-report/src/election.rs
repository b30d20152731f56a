//! Election of the reporter: who holds the record lock on a file of the service.
//!
//! A POSIX record lock belongs to one process, is not inherited by its forked children, and ends with the
//! process however it dies. It also ends when the process closes *any* descriptor of the file, so a
//! process opens the file only while it does not hold the lock.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use auscult_core::{Error, PerProcess, Place};
use nix::fcntl::{FcntlArg, fcntl};

const FILE: &str = "reporter.lock";
/// The file an agent holds a lock on for as long as it runs, elected or not.
const AGENT: &str = "agent.lock";

/// Services this process reports for.
static HELD: PerProcess<Mutex<HashSet<PathBuf>>> = PerProcess::new();

/// Being the reporter of a service, until dropped.
pub(crate) struct Elected {
    directory: PathBuf,
    /// The file with the lock; none where nothing can be written.
    _file: Option<File>,
}

/// Becomes the reporter of the service in `place`, if nobody is. A process that is `alone`, because no other
/// sees its segment, needs no lock where none can be had.
pub(crate) fn stand(place: &Place, alone: bool) -> Option<Elected> {
    let directory = place.directory().to_path_buf();
    let mut held = held();
    if held.contains(&directory) {
        return None;
    }
    let file = match place.open_file(FILE) {
        Ok(file) => Some(file),
        Err(_) if alone => None,
        Err(_) => return None,
    };
    if let Some(file) = &file {
        fcntl(file.as_fd(), FcntlArg::F_SETLK(&write_lock())).ok()?;
    }
    held.insert(directory.clone());
    Some(Elected { directory, _file: file })
}

/// Being the agent of a service, until dropped: processes of the service report no more.
pub(crate) struct Announced {
    _file: File,
}

/// Announces this process as the agent of the service in `place`.
///
/// # Errors
/// When there is another one, or the file cannot be had.
pub(crate) fn announce(place: &Place) -> Result<Announced, Error> {
    let path = place.directory().join(AGENT);
    let file = place.open_file(AGENT).map_err(|error| Error::io("agent: cannot open", &path, error))?;
    if fcntl(file.as_fd(), FcntlArg::F_SETLK(&write_lock())).is_err() {
        let pid = agent(place).map_or_else(String::new, |pid| format!(" (process {pid})"));
        return Err(Error::conflict(format!(
            "agent: the service has one already{pid}; {} is locked",
            path.display()
        )));
    }
    Ok(Announced { _file: file })
}

/// The process that reports for the service in `place`, as this one sees its id.
pub fn reporter(place: &Place) -> Option<u32> {
    holder(&place.directory().join(FILE))
}

/// The agent of the service in `place`, if it has one and it is another process.
pub fn agent(place: &Place) -> Option<u32> {
    holder(&place.directory().join(AGENT))
}

/// Who has a lock on a file. Closing the file would end a lock of this process, so it does not ask what it knows.
fn holder(path: &Path) -> Option<u32> {
    let own = path.parent().is_some_and(|directory| held().contains(directory));
    if own && path.ends_with(FILE) {
        return Some(std::process::id());
    }
    let file = File::open(path).ok()?;
    let mut lock = write_lock();
    fcntl(file.as_fd(), FcntlArg::F_GETLK(&mut lock)).ok()?;
    let held = i32::from(lock.l_type) != libc::F_UNLCK;
    // A holder in another PID namespace has no number here.
    held.then(|| u32::try_from(lock.l_pid).unwrap_or(0))
}

fn write_lock() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

impl Drop for Elected {
    fn drop(&mut self) {
        held().remove(&self.directory);
    }
}

fn held() -> std::sync::MutexGuard<'static, HashSet<PathBuf>> {
    HELD.get_or_make(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}
