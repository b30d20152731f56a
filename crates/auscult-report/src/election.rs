//! Election of the reporter: who holds the record lock on a file of the service.
//!
//! A POSIX record lock belongs to one process, is not inherited by its forked children, and ends with the
//! process however it dies. It also ends when the process closes *any* descriptor of the file, so a
//! process opens the file only while it does not hold the lock.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use auscult_core::{PerProcess, Place};
use nix::fcntl::{FcntlArg, fcntl};

const FILE: &str = "reporter.lock";

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
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    if let Some(file) = &file {
        fcntl(file.as_fd(), FcntlArg::F_SETLK(&lock)).ok()?;
    }
    held.insert(directory.clone());
    Some(Elected { directory, _file: file })
}

impl Drop for Elected {
    fn drop(&mut self) {
        held().remove(&self.directory);
    }
}

fn held() -> std::sync::MutexGuard<'static, HashSet<PathBuf>> {
    HELD.get_or_make(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}
