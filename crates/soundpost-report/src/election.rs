//! Election of the reporter by a record lock on a file of the service.
//!
//! A POSIX record lock belongs to one process, is not inherited by forked children, and ends with its process. It
//! also ends when the process closes *any* descriptor of the file. So a process never opens the file while it holds
//! the lock.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use nix::fcntl::{FcntlArg, fcntl};
use soundpost_core::thread::lock;
use soundpost_core::{Error, PerProcess, ServiceDir, regular_file};

const FILE: &str = "reporter.lock";
/// Name of the file whose lock an agent holds for its whole life, elected or not.
const AGENT: &str = "agent.lock";

/// Errors of this process that a later attempt may not have.
const TRANSIENT: [i32; 5] = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EINTR, libc::EAGAIN];

/// First locked byte of a reporter and of an agent.
const REPORTER: libc::off_t = 0;
/// First locked byte of a reader that recovers records for a moment. Both ranges are open, so they exclude each other.
const READER: libc::off_t = 1;

/// The locks that this process holds, with their first byte.
static HELD: PerProcess<Mutex<HashMap<Key, libc::off_t>>> = PerProcess::new();

/// Identity of a lock: device and inode of the service's directory, which do not depend on its path, and the file's
/// name.
type Key = (u64, u64, &'static str);

/// A lock that this process holds until it is dropped.
pub(crate) struct Lease {
    key: Option<Key>,
    /// `None` if the file cannot be written.
    file: Option<File>,
}

/// Tries to become the reporter of the service in `place`; `None` if another process is. A process that is `alone`,
/// because no other process reads its segment, needs no lock if there is no usable lock file.
///
/// # Errors
/// When no place has a usable lock file.
pub(crate) fn try_acquire(place: &ServiceDir, alone: bool) -> Result<Option<Lease>, Error> {
    acquire(place, alone, REPORTER)
}

/// Tries to keep other processes from reporting while this one recovers records; `None` if it cannot.
#[cfg(feature = "store")]
pub(crate) fn try_acquire_as_reader(place: &ServiceDir) -> Option<Lease> {
    acquire(place, false, READER).ok().flatten()
}

/// Reports whether a reader that recovers records holds the lease.
pub(crate) fn has_reader(place: &ServiceDir) -> bool {
    holder(place, FILE).is_some_and(|(_, start)| start == READER)
}

fn acquire(place: &ServiceDir, alone: bool, start: libc::off_t) -> Result<Option<Lease>, Error> {
    let key = key(place.directory(), FILE);
    let mut held = held();
    if key.is_some_and(|key| held.contains_key(&key)) {
        return Ok(None);
    }
    let file = match open_lock(place, FILE) {
        Ok(file) => Some(file),
        Err(_) if alone => None,
        Err(error) => return Err(error),
    };
    if file.as_ref().is_some_and(|file| fcntl(file.as_fd(), FcntlArg::F_SETLK(&write_lock(start))).is_err()) {
        return Ok(None);
    }
    held.extend(key.map(|key| (key, start)));
    Ok(Some(Lease { key, file }))
}

/// Opens a lock file of the service. If something else is in its place, or the file system has no record locks, it is
/// in shared memory, for each process of the service.
fn open_lock(place: &ServiceDir, name: &str) -> Result<File, Error> {
    let mut first = None;
    for path in place.lock_files(name) {
        let locks = |file: &File| fcntl(file.as_fd(), FcntlArg::F_GETLK(&mut write_lock(REPORTER)));
        let opened = ServiceDir::open_lock(&path).and_then(|file| {
            locks(&file).map_err(|error| {
                io::Error::new(io::Error::from(error).kind(), format!("no record locks: {error}"))
            })?;
            Ok(file)
        });
        let error = match opened {
            Ok(file) => return Ok(file),
            Err(error) => error,
        };
        let is_transient = error.raw_os_error().is_some_and(|code| TRANSIENT.contains(&code));
        first.get_or_insert_with(|| Error::io("locks: cannot use", &path, error));
        if is_transient {
            break;
        }
    }
    Err(first.unwrap_or_else(|| Error::conflict("locks: there is no directory")))
}

/// Announces this process as the agent of the service in `place`, with the names of its sinks. Until the lease is
/// dropped, processes of the service do not report.
///
/// # Errors
/// When the service has another agent, or the file cannot be written.
pub(crate) fn announce(place: &ServiceDir, sinks: &[String]) -> Result<Lease, Error> {
    let path = place.directory().join(AGENT);
    let conflict = || {
        let pid = agent(place).map_or_else(String::new, |pid| format!(" (process {pid})"));
        Error::conflict(format!("agent: the service has one already{pid}; {} is locked", path.display()))
    };
    let key = key(place.directory(), AGENT);
    if key.is_some_and(|key| held().contains_key(&key)) {
        return Err(conflict());
    }
    let file = open_lock(place, AGENT)?;
    if fcntl(file.as_fd(), FcntlArg::F_SETLK(&write_lock(REPORTER))).is_err() {
        return Err(conflict());
    }
    held().extend(key.map(|key| (key, REPORTER)));
    let lease = Lease { key, file: Some(file) };
    lease.write_sinks(sinks)?;
    Ok(lease)
}

/// Returns the process that reports for the service in `place`, by its id in this PID namespace.
pub fn reporter(place: &ServiceDir) -> Option<u32> {
    holder(place, FILE).filter(|(_, start)| *start == REPORTER).map(|(pid, _)| pid)
}

/// Returns the agent of the service in `place`, if there is one.
pub fn agent(place: &ServiceDir) -> Option<u32> {
    holder(place, AGENT).map(|(pid, _)| pid)
}

/// Returns the names of the sinks of the service's agent, if it is another process. An agent that just started may
/// still have the names of an earlier one.
#[cfg(feature = "sinks")]
pub fn agents_sinks(place: &ServiceDir) -> Option<Vec<String>> {
    agent(place).filter(|pid| *pid != std::process::id())?;
    let names = place.read(AGENT).ok()?;
    Some(names.split_whitespace().map(str::to_owned).collect())
}

/// Returns the holder of a lock and the first locked byte. This process does not open a file whose lock it holds itself.
fn holder(place: &ServiceDir, name: &'static str) -> Option<(u32, libc::off_t)> {
    let held = held();
    if let Some(start) = key(place.directory(), name).and_then(|key| held.get(&key)) {
        return Some((std::process::id(), *start));
    }
    place.lock_files(name).find_map(|path| {
        let (file, _) = regular_file::open(&path).ok()?;
        let mut lock = write_lock(REPORTER);
        fcntl(file.as_fd(), FcntlArg::F_GETLK(&mut lock)).ok()?;
        let locked = i32::from(lock.l_type) != libc::F_UNLCK;
        // A holder in another PID namespace has no id here.
        locked.then(|| (u32::try_from(lock.l_pid).unwrap_or(0), lock.l_start))
    })
}

fn key(directory: &Path, name: &'static str) -> Option<Key> {
    let found = std::fs::metadata(directory).ok()?;
    Some((found.dev(), found.ino(), name))
}

fn write_lock(start: libc::off_t) -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: 0,
        l_pid: 0,
    }
}

impl Lease {
    /// Writes the names of the sinks that an agent ships to. No name contains white space.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write_sinks(&self, names: &[String]) -> Result<(), Error> {
        let Some(file) = &self.file else { return Ok(()) };
        let written = file.set_len(0).and_then(|()| file.write_all_at(names.join("\n").as_bytes(), 0));
        written.map_err(|error| Error::io("agent: cannot write", Path::new(AGENT), error))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut held = held();
        // The file is closed first: a later lock of this process on it would end with this descriptor.
        self.file = None;
        if let Some(key) = &self.key {
            held.remove(key);
        }
    }
}

fn held() -> MutexGuard<'static, HashMap<Key, libc::off_t>> {
    lock(HELD.get_or_make(Mutex::default))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether the file is locked. The descriptor stays open, because closing it would end the lock.
    fn is_locked(place: &ServiceDir, name: &str) -> bool {
        let file = std::mem::ManuallyDrop::new(File::open(place.directory().join(name)).expect("a file"));
        let mut lock = write_lock(REPORTER);
        fcntl(file.as_fd(), FcntlArg::F_OFD_GETLK(&mut lock)).expect("an answer");
        i32::from(lock.l_type) != libc::F_UNLCK
    }

    #[test]
    fn a_process_reports_once_however_the_directory_is_spelled_and_may_ask_who_does() {
        let outer = tempfile::tempdir().expect("a directory");
        let [root, link] = ["root", "link"].map(|name| outer.path().join(name));
        std::fs::create_dir(&root).expect("made");
        std::os::unix::fs::symlink(&root, &link).expect("linked");
        let [place, other] = [root, link]
            .map(|root| ServiceDir::open_with_shared_memory(&root, "svc", outer.path()).expect("a place"));
        let lease = try_acquire(&place, false).expect("locks").expect("nobody else");
        let announced = announce(&place, &["loki".to_owned()]).expect("nobody else");
        for place in [&place, &other] {
            assert!(try_acquire(place, false).expect("locks").is_none() && announce(place, &[]).is_err());
            assert_eq!([reporter(place), agent(place)], [Some(std::process::id()); 2]);
        }
        assert!(is_locked(&place, FILE) && is_locked(&place, AGENT), "asking ends no lock");
        drop((lease, announced));
        assert_eq!([reporter(&other), agent(&other)], [None; 2]);
        assert!(try_acquire(&other, false).expect("locks").is_some() && announce(&other, &[]).is_ok());
    }
}
