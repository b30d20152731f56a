//! The directories of a service.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};

use super::Source;
use super::file::{
    EXTENSION, HISTORY, NEW, NewFile, check_links, check_root, is_unwritable, open_foreign, open_or_make,
    private_directory, private_file, random, user_id,
};
use super::room::has_room;
use crate::error::Error;
use crate::regular_file;

const SHARED: &str = "/dev/shm";
/// Files that identify a service's durable directory: the locks of reporter and agent.
const MARKS: [&str; 2] = ["reporter.lock", "agent.lock"];
/// File in shared memory that names the durable directory of the folder.
const OF: &str = "of";
/// Further line of it where the folder replaces the durable directory.
const INSTEAD: &[u8] = b"\nreplaced by this folder";
/// Directory in which nothing can be made.
const NOWHERE: &str = "/dev/null";
/// Number of links of a directory without folders.
const EMPTY_LINKS: u64 = 2;
/// Maximum size of a small file of the service, bytes.
const SMALL_FILE_BYTES: u64 = 64 << 10;
/// Age from which a folder without files that name a service is one of a killed process.
const UNFINISHED_AGE: Duration = Duration::from_secs(60);
/// Reason of `unhealthy` where record locks are missing.
pub const LOCKS_UNUSABLE: &str = "locks_unusable";
/// Maximum wait for another process that makes or removes folders.
const FOLDER_TIMEOUT: Duration = Duration::from_millis(200);
/// File of the service's retired totals.
pub(crate) const RETIRED: &str = "retired.totals";

/// Directories of a service on this host.
#[derive(Clone, Debug)]
pub struct ServiceDir {
    /// Durable directory of the service: lock, address, store.
    state: PathBuf,
    /// Directories for segments, the preferred one first.
    segments: Vec<PathBuf>,
    /// Why the durable directory is not below the requested root: reason of `unhealthy`, and message.
    problem: Option<(&'static str, String)>,
}

impl ServiceDir {
    /// Opens the directories of `service` below `root` and in `/dev/shm`, and makes missing ones.
    ///
    /// If `root` cannot be written (a read-only container), has no record locks, or another user could change what is in
    /// it, the directory in shared memory replaces it, see [`ServiceDir::problem`]. Without either, or if other users took
    /// both, segments are in anonymous memory, see [`crate::Registry::fallback`]. A missing `/dev/shm` is not a problem.
    ///
    /// # Errors
    /// When the service's name is empty, or its directory is a symbolic link, a file, or owned by another user, and there
    /// is no shared memory.
    pub fn open(root: &Path, service: &str) -> Result<Self, Error> {
        Self::open_with_shared_memory(root, service, Path::new(SHARED))
    }

    /// Finds the directories of `service` below `root` without making any; `service` may also be the folder's name.
    pub fn find(root: &Path, service: &str) -> Option<Self> {
        let root = std::path::absolute(root).ok()?;
        let state = state_below(&root, service)?;
        let fast = shared_folder(&user_folder(Path::new(SHARED)), &state);
        // A service uses no directory that another user could change.
        let is_own = owner_of(&state) == Some(user_id()) && check_root(&root, user_id()).is_ok();
        let others = ("directory_not_writable", format!("{} is of another user", state.display()));
        match (is_own && !is_instead(&fast), fast.is_dir()) {
            (true, _) => Some(Self { segments: vec![fast, state.clone()], state, problem: None }),
            (false, true) => Some(Self { segments: vec![fast.clone()], state: fast, problem: None }),
            (false, false) if state.is_dir() => {
                Some(Self { segments: vec![fast, state.clone()], problem: Some(others), state })
            }
            (false, false) => None,
        }
    }

    /// Returns the folders below `root` that another user closed to this one, with their owners, sorted.
    pub fn closed(root: &Path) -> Vec<(String, u32)> {
        let is_closed = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        let closed = files_in(root).into_iter().filter_map(|folder| {
            let owner = folder.symlink_metadata().ok().filter(|found| found.is_dir())?.uid();
            let refused = folder.join(MARKS[0]).symlink_metadata().err().is_some_and(is_closed);
            Some((folder.file_name()?.to_str()?.to_owned(), owner)).filter(|_| refused && owner != user_id())
        });
        let mut closed: Vec<_> = closed.collect();
        closed.sort();
        closed
    }

    /// Returns the folders of services below `root`, sorted: their names, with characters replaced that paths
    /// cannot contain.
    pub fn services(root: &Path) -> Vec<String> {
        let entries = root.read_dir().into_iter().flatten().flatten();
        let kept = entries.filter(|entry| MARKS.iter().any(|mark| entry.path().join(mark).is_file()));
        let mut names: Vec<String> = kept.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Returns the user whose files the service's are; `None` if it has no files that this user may see.
    pub fn owner(root: &Path, service: &str) -> Option<u32> {
        let state = state_below(&std::path::absolute(root).ok()?, service)?;
        let in_shared_memory = |user: PathBuf| owner_of(&shared_folder(&user, &state));
        owner_of(&state).or_else(|| files_in(Path::new(SHARED)).into_iter().find_map(in_shared_memory))
    }

    /// Returns the root and the name of each service that has files of this user in `/dev/shm`.
    pub fn in_shared_memory() -> Vec<(PathBuf, String)> {
        let read = |folder: PathBuf| {
            let (state, _) = read_of(&folder)?;
            Some((state.parent()?.to_owned(), state.file_name()?.to_str()?.to_owned()))
        };
        files_in(&user_folder(Path::new(SHARED))).into_iter().filter_map(read).collect()
    }

    /// Returns the other users with files of services in `/dev/shm`.
    pub fn other_users() -> Vec<u32> {
        let user = |folder: PathBuf| {
            let found = folder
                .symlink_metadata()
                .ok()
                .filter(|found| found.is_dir() && found.nlink() != EMPTY_LINKS)?;
            let is_users = folder == folder_of_user(Path::new(SHARED), found.uid());
            Some(found.uid()).filter(|user| is_users && *user != user_id())
        };
        files_in(Path::new(SHARED)).into_iter().filter_map(user).collect()
    }

    /// Opens the directories with another directory in place of `/dev/shm`, see [`ServiceDir::open`].
    ///
    /// # Errors
    /// As [`ServiceDir::open`].
    pub fn open_with_shared_memory(root: &Path, service: &str, shared: &Path) -> Result<Self, Error> {
        let name = directory_name(service)?;
        let root = std::path::absolute(root).map_err(|error| Error::io("cannot resolve", root, error))?;
        let state = root.join(&name);
        let user = user_folder(shared);
        let fast = shared_folder(&user, &state);
        let made_user = private_directory(&user);
        let guard = made_user.is_ok().then(|| FolderLock::acquire(&user).ok()).flatten();
        // Otherwise the records of a removed directory would return in the new one.
        if guard.is_some() && is_abandoned(&fast) {
            std::fs::remove_dir_all(&fast).ok();
        }
        let unusable = |path: &Path, error: io::Error| (path.to_path_buf(), error);
        let made = check_links(&root, user_id());
        let made = made.and_then(|()| DirBuilder::new().recursive(true).mode(0o700).create(&root));
        let made = made.and_then(|()| check_root(&root, user_id())).map_err(|error| unusable(&root, error));
        let made = made.and_then(|()| private_directory(&state).map_err(|error| unusable(&state, error)));
        let fast = made_user.and_then(|()| private_directory(&fast)).map(|()| fast);
        let locked = made.and_then(|()| Self::check_locks(&state).map_err(|error| unusable(&state, error)));
        let lacks_locks = locked.as_ref().is_err_and(|(_, error)| error.kind() == io::ErrorKind::Unsupported);
        let has_better = || fast.as_ref().is_ok_and(|fast| Self::check_locks(fast).is_ok());
        // Without locks in either place the durable one stays.
        let made = if lacks_locks && !has_better() { Ok(()) } else { locked };
        if let Ok(fast) = &fast {
            let instead = if made.is_err() { INSTEAD } else { b"" };
            write_file(fast, OF, &[state.as_os_str().as_bytes(), instead].concat()).ok();
        }
        drop(guard);
        let reason = if lacks_locks { LOCKS_UNUSABLE } else { "directory_not_writable" };
        let why = made.as_ref().err().map(|(path, error)| format!("cannot use {}: {error}", path.display()));
        let (state, segments, instead) = match (fast, made) {
            (Ok(fast), Ok(())) => (state.clone(), vec![fast, state], None),
            (Ok(fast), Err(_)) => (fast.clone(), vec![fast.clone()], Some(fast.display().to_string())),
            // Other users took both places.
            (Err(taken), Err(_)) if !is_unwritable(&taken) => {
                let nowhere = Path::new(NOWHERE).join(&name);
                let instead = format!("memory of this process ({}: {taken})", user.display());
                (nowhere.clone(), vec![nowhere], Some(instead))
            }
            (Err(_), Err((path, error))) if !is_unwritable(&error) => {
                return Err(Error::io("directory: cannot use", &path, error));
            }
            (Err(_), _) => (state.clone(), vec![state], Some("memory of this process".to_owned())),
        };
        let problem = why.map(|why| (reason, format!("{why}; {} replaces it", instead.unwrap_or_default())));
        Ok(Self { state, segments, problem })
    }

    /// Checks that only this user and root can change what is in the root of the services' directories.
    ///
    /// # Errors
    /// When another user can, or it cannot be read; the message has the reason.
    pub fn check_root(root: &Path) -> io::Result<()> {
        check_root(root, user_id())
    }

    /// Returns why the requested root cannot be used: the reason of `unhealthy`, and a message.
    pub fn problem(&self) -> Option<(&'static str, &str)> {
        self.problem.as_ref().map(|(reason, message)| (*reason, &**message))
    }

    /// Checks that the file system of a directory has record locks, which the election and SQLite need.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] if it has none. A directory in which no file can be made is not checked.
    pub fn check_locks(directory: &Path) -> io::Result<()> {
        let path = directory.join(format!(".locks.{:016x}", random()));
        let Ok(file) = private_file().create_new(true).open(&path) else { return Ok(()) };
        let _ = std::fs::remove_file(path);
        let lock = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        let locked = fcntl(&file, FcntlArg::F_SETLK(&lock));
        let message = |error| format!("its file system has no record locks ({error})");
        locked.map(drop).map_err(|error| io::Error::new(io::ErrorKind::Unsupported, message(error)))
    }

    /// Returns the directories for segments, the preferred one first.
    pub fn segment_directories(&self) -> &[PathBuf] {
        &self.segments
    }

    /// Returns the durable directory of the service.
    pub fn directory(&self) -> &Path {
        &self.state
    }

    /// Writes a small file into the durable directory atomically.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn write(&self, name: &str, contents: &str) -> io::Result<()> {
        Self::write_in(&self.state, name, contents)
    }

    /// Writes a small file into the durable directory of a service atomically.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn write_in(directory: &Path, name: &str, contents: &str) -> io::Result<()> {
        write_file(directory, name, contents.as_bytes())
    }

    /// Reads a small file of the durable directory.
    ///
    /// # Errors
    /// When it does not exist, or is not a regular file of this user with UTF-8 text.
    pub fn read(&self, name: &str) -> io::Result<String> {
        let mut text = String::new();
        open_foreign(&self.state.join(name))?.take(SMALL_FILE_BYTES).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Reports whether a process left its segment, which may have unread records.
    pub fn has_dead_segment(&self) -> bool {
        // Another program that tests a dead segment at this moment makes it look alive.
        (0..3).any(|_| self.segment_files().iter().any(|file| Source::is_unused(file)))
    }

    /// Removes the folders in shared memory of services whose durable directory is gone.
    pub fn reclaim(&self) {
        if let Some(user) = self.segments[0].parent().filter(|_| self.segments.len() > 1) {
            reclaim_in(user);
        }
    }

    /// Removes the folders of this user in `/dev/shm` of services whose durable directory is gone and that no process
    /// uses. Returns their number and their bytes.
    pub fn reclaim_all() -> (usize, u64) {
        reclaim_in(&user_folder(Path::new(SHARED)))
    }

    /// Returns the places of a file for locks: the durable directory, then shared memory.
    pub fn lock_files(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        let others = self.segments.iter().filter(|directory| **directory != self.state);
        std::iter::once(&self.state).chain(others).map(move |directory| directory.join(name))
    }

    /// Opens a private file for locks, and makes it if missing.
    ///
    /// # Errors
    /// When it cannot be made, or something else is in its place.
    pub fn open_lock(path: &Path) -> io::Result<File> {
        open_or_make(path)
    }

    /// Returns the files of living and dead segments, in arbitrary order.
    pub(crate) fn segment_files(&self) -> Vec<PathBuf> {
        self.segments.iter().flat_map(|directory| segments_in(directory)).collect()
    }

    pub(crate) fn history_files(&self) -> impl Iterator<Item = PathBuf> {
        self.segments.iter().map(|directory| directory.join(HISTORY))
    }

    pub(crate) fn remove_history(&self) {
        self.history_files().for_each(|file| drop(std::fs::remove_file(file)));
    }

    /// Returns the path of the retired totals, which lie with the segments and live as long.
    pub(crate) fn retired_file(&self) -> PathBuf {
        self.segments[0].join(RETIRED)
    }

    /// Makes, sizes, fills and locks a new segment file under a hidden name. The first directory needs room for it by
    /// [`has_room`].
    pub(crate) fn create(&self, bytes: usize) -> io::Result<NewFile> {
        let roomy = |directory: &&PathBuf| {
            self.segments.len() == 1 || **directory == self.state || has_room(directory, bytes as u64)
        };
        let mut last = io::Error::from(io::ErrorKind::StorageFull);
        for directory in self.segments.iter().filter(roomy) {
            match NewFile::create(directory, bytes) {
                Ok(file) => return Ok(file),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Makes a new file for the retired totals, in their directory: a rename cannot cross file systems.
    pub(crate) fn create_retired(&self, bytes: usize) -> io::Result<NewFile> {
        NewFile::create(&self.segments[0], bytes)
    }

    /// Removes the service's directory in shared memory if it is empty.
    pub(crate) fn remove_if_empty(&self) {
        if self.segments.len() > 1 && segments_in(&self.segments[0]).is_empty() {
            let _ = std::fs::remove_file(self.segments[0].join(OF));
            let _ = std::fs::remove_dir(&self.segments[0]);
        }
    }
}

/// Exclusive lock of a user's folder in shared memory, so that no folder of a service is removed while it is made.
struct FolderLock(File);

impl FolderLock {
    fn acquire(user: &Path) -> io::Result<Self> {
        let folder = File::open(user)?;
        let start = Instant::now();
        // A holder that is stopped or waits for a file system must not keep services from starting.
        loop {
            match folder.try_lock() {
                Ok(()) => return Ok(Self(folder)),
                Err(TryLockError::WouldBlock) if start.elapsed() < FOLDER_TIMEOUT => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // A child that another thread forked meanwhile has a copy of the file.
        self.0.unlock().ok();
    }
}

fn reclaim_in(user: &Path) -> (usize, u64) {
    let Ok(_guard) = FolderLock::acquire(user) else { return (0, 0) };
    let abandoned = files_in(user).into_iter().filter(|folder| is_abandoned(folder));
    let bytes =
        |folder: &PathBuf| files_in(folder).iter().filter_map(|file| Some(file.metadata().ok()?.len())).sum();
    abandoned.fold((0, 0), |(count, total), folder| {
        let bytes: u64 = bytes(&folder);
        let is_removed = std::fs::remove_dir_all(&folder).is_ok();
        if is_removed { (count + 1, total + bytes) } else { (count, total) }
    })
}

/// Returns the durable directory of a folder in shared memory, and whether the folder replaces it.
fn read_of(folder: &Path) -> Option<(PathBuf, bool)> {
    let of = regular_file::read(&folder.join(OF), SMALL_FILE_BYTES).ok()?;
    let state = of.strip_suffix(INSTEAD);
    Some((Path::new(OsStr::from_bytes(state.unwrap_or(&of))).to_owned(), state.is_some()))
}

/// Reports whether a folder in shared memory is of a service whose durable directory is gone, and no process uses it.
fn is_abandoned(folder: &Path) -> bool {
    let is_gone = |path: &Path| match std::fs::symlink_metadata(path) {
        // A link may lead to a file system that is not mounted.
        Ok(found) => !found.is_dir() && !found.is_symlink(),
        Err(error) => [libc::ENOENT, libc::ENOTDIR, libc::ELOOP].map(Some).contains(&error.raw_os_error()),
    };
    let files = files_in(folder);
    let is_left = match read_of(folder) {
        Some((state, is_instead)) => !is_instead && is_gone(&state),
        // A process that was killed while it made the folder.
        None => {
            let age =
                folder.symlink_metadata().and_then(|folder| folder.modified()).map(|made| made.elapsed());
            let is_old = age.is_ok_and(|age| age.is_ok_and(|age| age >= UNFINISHED_AGE));
            is_old && files.iter().all(|file| file.extension().is_some_and(|extension| extension == NEW))
        }
    };
    let is_segment = |file: &&PathBuf| file.extension().is_some_and(|name| name == EXTENSION || name == NEW);
    is_left && files.iter().filter(is_segment).all(|file| Source::is_unused(file))
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    directory.read_dir().into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn segments_in(directory: &Path) -> Vec<PathBuf> {
    let files = files_in(directory).into_iter();
    files.filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION)).collect()
}

/// Returns the durable directory of a service; `service` may also be the folder's name.
fn state_below(root: &Path, service: &str) -> Option<PathBuf> {
    let is_folder = Path::new(service).components().eq([std::path::Component::Normal(service.as_ref())]);
    let plain = Some(root.join(service)).filter(|path| is_folder && path.is_dir());
    plain.or_else(|| Some(root.join(directory_name(service).ok()?)))
}

/// Reports whether a folder in shared memory replaces the durable directory.
fn is_instead(fast: &Path) -> bool {
    read_of(fast).is_some_and(|(_, is_instead)| is_instead)
}

/// Returns the owner of a directory that is no symbolic link.
fn owner_of(path: &Path) -> Option<u32> {
    path.symlink_metadata().ok().filter(|found| found.is_dir()).map(|found| found.uid())
}

fn user_folder(shared: &Path) -> PathBuf {
    folder_of_user(shared, user_id())
}

fn folder_of_user(shared: &Path, user: u32) -> PathBuf {
    shared.join(format!("soundpost-{user}"))
}

/// Returns the folder in shared memory for the durable directory `state`, so that services of one name below
/// two roots differ.
fn shared_folder(user: &Path, state: &Path) -> PathBuf {
    let name = state.file_name().unwrap_or_default().to_string_lossy();
    user.join(format!("{name}-{:016x}", digest(state.as_os_str().as_encoded_bytes())))
}

fn write_file(directory: &Path, name: &str, contents: &[u8]) -> io::Result<()> {
    let hidden = directory.join(format!(".{name}.{:016x}", random()));
    let mut file = private_file().create_new(true).open(&hidden)?;
    io::Write::write_all(&mut file, contents)
        .and_then(|()| std::fs::rename(&hidden, directory.join(name)))
        .inspect_err(|_| drop(std::fs::remove_file(&hidden)))
}

/// Returns the directory name of a service: the name if it is plain, else its plain characters and a digest.
fn directory_name(service: &str) -> Result<String, Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if service.is_empty() {
        return Err(Error::config("service: the name is empty; give the service a name"));
    }
    if service.chars().all(|c| plain(c) || c == '.') && service.len() <= 64 && !service.starts_with('.') {
        return Ok(service.to_owned());
    }
    let readable: String = service.chars().map(|c| if plain(c) { c } else { '_' }).take(40).collect();
    Ok(format!("{readable}~{:016x}", digest(service.as_bytes())))
}

fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}
