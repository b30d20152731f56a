//! Election of the reporter: who holds the record lock on a file of the service.
//!
//! A POSIX record lock belongs to one process, is not inherited by its forked children, and ends with the
//! process however it dies. It also ends when the process closes *any* descriptor of the file, so a
//! process opens the file only while it does not hold the lock.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use nix::fcntl::{FcntlArg, fcntl};
use soundpost_core::thread::lock;
use soundpost_core::{Error, PerProcess, ServiceDir};

const FILE: &str = "reporter.lock";
/// The file an agent holds a lock on for as long as it runs, elected or not.
const AGENT: &str = "agent.lock";

/// Locks that this process holds.
static HELD: PerProcess<Mutex<HashSet<Key>>> = PerProcess::new();

/// Which lock: device and number of the service's directory, however its path is spelled, and the file's name.
type Key = (u64, u64, &'static str);

/// A lock that this process holds, until dropped.
struct Held {
    key: Option<Key>,
    /// None where nothing can be written.
    file: Option<File>,
}

/// Being the reporter of a service, until dropped.
pub(crate) struct Lease {
    _held: Held,
}

/// Becomes the reporter of the service in `place`, if nobody is. A process that is `alone`, because no other
/// sees its segment, needs no lock where none can be had.
pub(crate) fn try_acquire(place: &ServiceDir, alone: bool) -> Option<Lease> {
    let key = key(place.directory(), FILE);
    let mut held = held();
    if key.is_some_and(|key| held.contains(&key)) {
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
    held.extend(key);
    Some(Lease { _held: Held { key, file } })
}

/// Being the agent of a service, until dropped: processes of the service report no more.
pub(crate) struct Announced {
    _held: Held,
}

/// Announces this process as the agent of the service in `place`, who ships to sinks of these names.
///
/// # Errors
/// When there is another one, or the file cannot be had.
pub(crate) fn announce(place: &ServiceDir, sinks: &[&str]) -> Result<Announced, Error> {
    let path = place.directory().join(AGENT);
    let conflict = || {
        let pid = agent(place).map_or_else(String::new, |pid| format!(" (process {pid})"));
        Error::conflict(format!("agent: the service has one already{pid}; {} is locked", path.display()))
    };
    let key = key(place.directory(), AGENT);
    if key.is_some_and(|key| held().contains(&key)) {
        return Err(conflict());
    }
    let failed = |error| Error::io("agent: cannot write", &path, error);
    let mut file = place.open_file(AGENT).map_err(failed)?;
    if fcntl(file.as_fd(), FcntlArg::F_SETLK(&write_lock())).is_err() {
        return Err(conflict());
    }
    // No name has white space.
    file.set_len(0).and_then(|()| file.write_all(sinks.join("\n").as_bytes())).map_err(failed)?;
    held().extend(key);
    Ok(Announced { _held: Held { key, file: Some(file) } })
}

/// The process that reports for the service in `place`, as this one sees its id.
pub fn reporter(place: &ServiceDir) -> Option<u32> {
    holder(place.directory(), FILE)
}

/// The agent of the service in `place`, if it has one.
pub fn agent(place: &ServiceDir) -> Option<u32> {
    holder(place.directory(), AGENT)
}

/// Names of the sinks that the agent of the service in `place` ships to, if it has one, and it is another process. One
/// that begins may still show what an earlier one said.
pub(crate) fn agents_sinks(place: &ServiceDir) -> Option<Vec<String>> {
    agent(place).filter(|pid| *pid != std::process::id())?;
    let names = std::fs::read_to_string(place.directory().join(AGENT)).ok()?;
    Some(names.split_whitespace().map(str::to_owned).collect())
}

/// Who has a lock on a file. Closing the file would end a lock of this process, so it does not ask what it knows.
fn holder(directory: &Path, name: &'static str) -> Option<u32> {
    let held = held();
    if key(directory, name).is_some_and(|key| held.contains(&key)) {
        return Some(std::process::id());
    }
    let file = File::open(directory.join(name)).ok()?;
    let mut lock = write_lock();
    fcntl(file.as_fd(), FcntlArg::F_GETLK(&mut lock)).ok()?;
    let locked = i32::from(lock.l_type) != libc::F_UNLCK;
    // A holder in another PID namespace has no number here.
    locked.then(|| u32::try_from(lock.l_pid).unwrap_or(0))
}

fn key(directory: &Path, name: &'static str) -> Option<Key> {
    let found = std::fs::metadata(directory).ok()?;
    Some((found.dev(), found.ino(), name))
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

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = held();
        // First: another of this process that locked the file meanwhile would lose its lock with this one.
        self.file = None;
        if let Some(key) = &self.key {
            held.remove(key);
        }
    }
}

fn held() -> MutexGuard<'static, HashSet<Key>> {
    lock(HELD.get_or_make(Mutex::default))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether somebody has a lock on the file. The descriptor stays open: closing it would end the lock.
    fn is_locked(place: &ServiceDir, name: &str) -> bool {
        let file = std::mem::ManuallyDrop::new(File::open(place.directory().join(name)).expect("a file"));
        let mut lock = write_lock();
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
        let lease = try_acquire(&place, false).expect("nobody else");
        let announced = announce(&place, &["loki"]).expect("nobody else");
        for place in [&place, &other] {
            assert!(try_acquire(place, false).is_none() && announce(place, &[]).is_err());
            assert_eq!([reporter(place), agent(place)], [Some(std::process::id()); 2]);
        }
        assert!(is_locked(&place, FILE) && is_locked(&place, AGENT), "asking ends no lock");
        drop((lease, announced));
        assert_eq!([reporter(&other), agent(&other)], [None; 2]);
        assert!(try_acquire(&other, false).is_some() && announce(&other, &[]).is_ok());
    }
}
