//! Files of a service: where its segments lie, who may touch them, and which are alive.
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
use nix::sys::statvfs::statvfs;

use crate::error::Error;

/// A segment's file name ends in this.
const EXTENSION: &str = "segment";
/// The name of an agent's segment ends in this before the extension: the name is there as soon as the file is.
pub(crate) const AGENT: &str = ".agent";
/// Where memory is shared.
const SHARED: &str = "/dev/shm";
/// Files that every service's durable directory has one of: the locks of reporter and agent.
const MARKS: [&str; 2] = ["reporter.lock", "agent.lock"];
/// In shared memory: which durable directory the folder belongs to.
const OF: &str = "of";
/// The history of the service's vitals.
const HISTORY: &str = "history";
/// The service's retired totals.
pub(crate) const RETIRED: &str = "retired.totals";

/// Where a service keeps its files on this host.
#[derive(Clone, Debug)]
pub struct Place {
    /// Durable directory of the service: lock, address, store.
    state: PathBuf,
    /// Directories that may hold segments, the preferred one first.
    segments: Vec<PathBuf>,
    /// Why the durable directory is not below the root that was asked for.
    problem: Option<String>,
}

impl Place {
    /// Opens, and makes where missing, the directories of `service` below `root`, and its directory in
    /// `/dev/shm`.
    ///
    /// Where nothing can be written below `root` (a read-only container), the directory in shared memory
    /// takes its place, see [`Place::problem`]; where that cannot be either, segments lie in anonymous
    /// memory, see [`crate::Registry::fallback`]. A missing or unusable `/dev/shm` is no problem.
    ///
    /// # Errors
    /// When the service's name is empty, or its directory is a symbolic link, a file, or belongs to
    /// somebody else.
    pub fn open(root: &Path, service: &str) -> Result<Self, Error> {
        Self::open_with_shared_memory(root, service, Path::new(SHARED))
    }

    /// Where `service` has kept files below `root`, without making anything; `service` may also be the folder's
    /// name. `None` where there is nothing.
    pub fn find(root: &Path, service: &str) -> Option<Self> {
        let root = std::path::absolute(root).ok()?;
        let folder = Path::new(service).components().eq([std::path::Component::Normal(service.as_ref())]);
        let plain = Some(root.join(service)).filter(|path| folder && path.is_dir());
        let state = plain.or_else(|| Some(root.join(directory_name(service).ok()?)))?;
        let fast = shared_folder(&user_folder(Path::new(SHARED)), &state);
        match (state.is_dir(), fast.is_dir()) {
            (true, _) => Some(Self { segments: vec![fast, state.clone()], state, problem: None }),
            (false, true) => Some(Self { segments: vec![fast.clone()], state: fast, problem: None }),
            (false, false) => None,
        }
    }

    /// Folders of services below `root`, sorted: their names, but for what cannot be part of a path.
    pub fn services(root: &Path) -> Vec<String> {
        let entries = root.read_dir().into_iter().flatten().flatten();
        let kept = entries.filter(|entry| MARKS.iter().any(|mark| entry.path().join(mark).is_file()));
        let mut names: Vec<String> = kept.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// As [`Place::open`], with another directory in place of `/dev/shm`.
    ///
    /// # Errors
    /// As [`Place::open`].
    pub fn open_with_shared_memory(root: &Path, service: &str, shared: &Path) -> Result<Self, Error> {
        let name = directory_name(service)?;
        let root = std::path::absolute(root).map_err(|error| Error::io("cannot resolve", root, error))?;
        let state = root.join(&name);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&root);
        let unwritable = match made.and_then(|()| private_directory(&state)) {
            Ok(()) => None,
            Err(error) if is_unwritable(&error) => Some(error),
            Err(error) => return Err(Error::io("directory: cannot use", &state, error)),
        };
        let user = user_folder(shared);
        let fast = shared_folder(&user, &state);
        let fast = private_directory(&user).and_then(|()| private_directory(&fast)).map(|()| fast);
        if let (Ok(fast), None) = (&fast, &unwritable) {
            write_file(fast, OF, &state.to_string_lossy()).ok();
        }
        let problem = unwritable.map(|error| format!("cannot write {}: {error}", state.display()));
        let (state, segments) = match (fast, &problem) {
            (Ok(fast), None) => (state.clone(), vec![fast, state]),
            (Ok(fast), Some(_)) => (fast.clone(), vec![fast]),
            (Err(_), _) => (state.clone(), vec![state]),
        };
        Ok(Self { state, segments, problem })
    }

    /// Why nothing can be written below the root that was asked for, if that is so.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Directories that may hold segments, the preferred one first.
    pub fn segment_directories(&self) -> &[PathBuf] {
        &self.segments
    }

    /// Durable directory of the service.
    pub fn directory(&self) -> &Path {
        &self.state
    }

    /// Writes a small file into the service's durable directory, at once.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn write(&self, name: &str, contents: &str) -> io::Result<()> {
        write_file(&self.state, name, contents)
    }

    /// Removes what services whose durable directory is gone have left in shared memory: nobody else would.
    pub fn reclaim(&self) {
        let Some(user) = self.segments[0].parent().filter(|_| self.segments.len() > 1) else { return };
        let folders = user.read_dir().into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        for folder in folders.filter(|folder| *folder != self.segments[0]) {
            let Ok(of) = std::fs::read_to_string(folder.join(OF)) else { continue };
            let gone =
                std::fs::symlink_metadata(&of).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
            if gone && !segments_in(&folder).iter().any(|segment| is_held(segment)) {
                let _ = std::fs::remove_dir_all(&folder);
            }
        }
    }

    /// Opens, and makes where missing, a private file in the service's durable directory.
    ///
    /// # Errors
    /// When it cannot be made, or is a symbolic link.
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        private_file().create(true).truncate(false).open(self.state.join(name))
    }

    /// Files of segments, living or dead, in any order.
    pub(crate) fn segment_files(&self) -> Vec<PathBuf> {
        self.segments.iter().flat_map(|directory| segments_in(directory)).collect()
    }

    /// Where a history may lie: with the segments.
    pub(crate) fn history_files(&self) -> impl Iterator<Item = PathBuf> {
        self.segments.iter().map(|directory| directory.join(HISTORY))
    }

    /// Removes the history: the run is over.
    pub(crate) fn remove_history(&self) {
        self.history_files().for_each(|file| drop(std::fs::remove_file(file)));
    }

    /// Where the retired totals lie: with the segments, so that they live as long.
    pub(crate) fn retired_file(&self) -> PathBuf {
        self.segments[0].join(RETIRED)
    }

    /// Makes, sizes, fills and locks a new segment file under a hidden name. Directories are tried in
    /// order; the first needs eight times `bytes` free, because a small `/dev/shm` belongs to others.
    pub(crate) fn create(&self, bytes: usize) -> io::Result<NewFile> {
        let roomy = |directory: &&PathBuf| {
            self.segments.len() == 1
                || **directory == self.state
                || free_bytes(directory).is_some_and(|free| free >= 8 * bytes as u64)
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

    /// A new file for the retired totals, next to them: it cannot be renamed from another file system.
    pub(crate) fn create_retired(&self, bytes: usize) -> io::Result<NewFile> {
        NewFile::create(&self.segments[0], bytes)
    }

    /// Removes the service's directory in shared memory if nothing is left in it.
    pub(crate) fn remove_if_empty(&self) {
        if self.segments.len() > 1 && segments_in(&self.segments[0]).is_empty() {
            let _ = std::fs::remove_file(self.segments[0].join(OF));
            let _ = std::fs::remove_dir(&self.segments[0]);
        }
    }
}

fn segments_in(directory: &Path) -> Vec<PathBuf> {
    let entries = directory.read_dir().into_iter().flatten();
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    paths.filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION)).collect()
}

/// This user's folder in shared memory.
fn user_folder(shared: &Path) -> PathBuf {
    shared.join(format!("auscult-{}", user_id()))
}

/// The folder in shared memory of the service whose durable directory is `state`: two roots with a service of one
/// name stay apart.
fn shared_folder(user: &Path, state: &Path) -> PathBuf {
    let name = state.file_name().unwrap_or_default().to_string_lossy();
    user.join(format!("{name}-{:016x}", digest(state.as_os_str().as_encoded_bytes())))
}

/// Whether the name is that of an agent's segment.
pub(crate) fn is_agents(segment: &Path) -> bool {
    segment.file_stem().is_some_and(|stem| stem.as_encoded_bytes().ends_with(AGENT.as_bytes()))
}

/// Whether a process holds the segment, or nobody can tell.
fn is_held(segment: &Path) -> bool {
    open_foreign(segment).map_or(true, |file| !is_dead(&file))
}

/// Writes a small file in the place of another, at once.
fn write_file(directory: &Path, name: &str, contents: &str) -> io::Result<()> {
    let hidden = directory.join(format!(".{name}.{:016x}", random()));
    let mut file = private_file().create_new(true).open(&hidden)?;
    io::Write::write_all(&mut file, contents.as_bytes())
        .and_then(|()| std::fs::rename(&hidden, directory.join(name)))
        .inspect_err(|_| drop(std::fs::remove_file(&hidden)))
}

/// A segment's file before it has its name.
pub(crate) struct NewFile {
    pub(crate) file: File,
    hidden: PathBuf,
}

impl NewFile {
    fn create(directory: &Path, bytes: usize) -> io::Result<Self> {
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
fn is_unwritable(error: &io::Error) -> bool {
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

fn free_bytes(directory: &Path) -> Option<u64> {
    let stat = statvfs(directory).ok()?;
    Some(stat.blocks_available() as u64 * stat.fragment_size() as u64)
}

/// A directory name for any service name: itself where it is plain, else its plain characters and a digest.
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

/// FNV-1a; names files, protects nothing.
fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

/// The effective user of this process.
pub fn user_id() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// A random number, from the kernel; falls back on the clock and the pid.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| crate::clock::unix_nanos() ^ u64::from(std::process::id()) << 40)
}
