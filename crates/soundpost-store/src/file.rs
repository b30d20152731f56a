//! The file: how it is made, opened, and set aside when it is damaged.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use soundpost_core::user_id;

use super::error::{About as _, StoreError};
use super::limits::LOG_BYTES;
use super::schema;

/// The store's file in the service's directory.
pub const FILE: &str = "store.sqlite";

/// What belongs to a file, as ends of its name, in the order in which it is set aside: a log that stayed behind
/// would be taken for that of the next file.
const PARTS: [&str; 3] = [LOG, "-shm", ""];

/// The log, which holds what is not in the file yet.
const LOG: &str = "-wal";

/// Follows the file's name when it is set aside; then comes the second.
const DAMAGED: &str = ".damaged-";

/// So many damaged files are kept: they may be as large as the store.
const KEPT_DAMAGED: usize = 2;

/// SQLite's smallest page: a database is not smaller.
const SMALLEST_PAGE: u64 = 512;

/// How long somebody with `sqlite3` may hold the file before a write gives up, and is tried again later.
const PATIENCE: Duration = Duration::from_millis(100);

/// Pages of the log after which a commit brings them into the file; 4 MiB.
const CHECKPOINT_PAGES: i64 = 1000;

/// Pages of the file in memory, in KiB (negative, as SQLite wants it).
const CACHE_KIB: i64 = -2048;

/// Where the store of a service's directory is. Links on the way are followed once, here: SQLite is told to
/// follow none.
pub(super) fn path_in(directory: &Path) -> Result<PathBuf, StoreError> {
    let directory =
        directory.canonicalize().map_err(|error| StoreError::io("cannot open", directory, &error))?;
    Ok(directory.join(FILE))
}

/// Whether there is a file that we may open: a regular one of our own.
pub(super) fn check(path: &Path) -> Result<bool, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(StoreError::refused(path, "is not a regular file")),
        Ok(found) if found.uid() != user_id() => Err(StoreError::refused(path, "belongs to another user")),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("cannot open", path, &error)),
    }
}

/// Opens the file for writing, after making or migrating it.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    if !check(path)? {
        create(path)?;
    }
    let length = fs::symlink_metadata(path).map_or(0, |found| found.len());
    if (1..SMALLEST_PAGE).contains(&length) {
        // SQLite would take it for an empty file, and write over it.
        return Err(StoreError::damaged(path, "is no store"));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let mut connection = Connection::open_with_flags(path, flags).about(path)?;
    // Until we know that the file is ours to write, closing it must not write to it.
    leave_alone(&connection, true).about(path)?;
    connection.busy_timeout(PATIENCE).about(path)?;
    prepare(&mut connection, path)?;
    leave_alone(&connection, false).about(path)?;
    Ok(connection)
}

/// Makes the file, readable by its owner only; SQLite makes the log with the same mode.
fn create(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
        .and_then(|_| File::open(path.parent().unwrap_or(path))?.sync_all());
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(StoreError::io("cannot create", path, &error))
        }
        _ => Ok(()),
    }
}

fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    if schema::version(connection, path)? == 0 {
        // Must come before the first table.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").about(path)?;
    }
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).about(path)?;
    // Where there can be no log (some network file systems), SQLite keeps the mode it has, which works too.
    let synchronous = if mode == "wal" { "NORMAL" } else { "FULL" };
    connection.pragma_update(None, "synchronous", synchronous).about(path)?;
    connection.pragma_update(None, "cache_size", CACHE_KIB).about(path)?;
    connection.pragma_update(None, "mmap_size", 0).about(path)?;
    connection.pragma_update(None, "temp_store", "MEMORY").about(path)?;
    connection.pragma_update(None, "trusted_schema", false).about(path)?;
    // The log shrinks to this after it had to be larger, because somebody was reading for long.
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES.cast_signed()).about(path)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).about(path)?;
    schema::migrate(connection, path)
}

/// Whether closing the connection leaves the log as it is.
fn leave_alone(connection: &Connection, alone: bool) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, alone).map(drop)
}

/// Closes a damaged file as it is.
pub(super) fn abandon(connection: Connection) {
    // If this fails, closing brings the log into the damaged file, where it can be found as well.
    let _ = leave_alone(&connection, true);
    drop(connection);
}

/// Renames a damaged file, with its log, and says where it is now.
pub(super) fn set_aside(path: &Path, unix_seconds: u64) -> Result<PathBuf, StoreError> {
    let free = |number: &u64| fs::symlink_metadata(beside(path, &format!("{DAMAGED}{number}"))).is_err();
    let number = (unix_seconds..).find(free).unwrap_or(unix_seconds);
    for suffix in PARTS {
        match fs::rename(beside(path, suffix), beside(path, &format!("{DAMAGED}{number}{suffix}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("cannot set aside", path, &error));
            }
            _ => {}
        }
    }
    Ok(beside(path, &format!("{DAMAGED}{number}")))
}

/// Removes files that were set aside before this second, and all but the last few.
pub(super) fn forget_damaged(path: &Path, before: u64) {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
    else {
        return;
    };
    let entries = directory.read_dir().into_iter().flatten().flatten();
    let mut seconds: Vec<u64> = entries
        .filter_map(|entry| {
            let name = entry.file_name().to_str()?.strip_prefix(name)?.strip_prefix(DAMAGED)?.to_owned();
            name.split('-').next()?.parse().ok()
        })
        .collect();
    seconds.sort_unstable();
    seconds.dedup();
    let few = seconds.len().saturating_sub(KEPT_DAMAGED);
    let gone = seconds.iter().enumerate().filter(|(place, second)| *place < few || **second < before);
    for second in gone.map(|(_, second)| second) {
        for part in PARTS {
            let _ = fs::remove_file(beside(path, &format!("{DAMAGED}{second}{part}")));
        }
    }
}

/// A name that begins with the file's.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Device and number of the file and of its log, as far as they are there.
pub(super) type Identity = [Option<(u64, u64)>; 2];

/// Which files have the names now.
pub(super) fn identity(path: &Path) -> Identity {
    ["", LOG]
        .map(|suffix| fs::symlink_metadata(beside(path, suffix)).ok().map(|found| (found.dev(), found.ino())))
}

/// Bytes of the file and its log.
pub(super) fn bytes(path: &Path) -> u64 {
    let size = |suffix: &str| fs::symlink_metadata(beside(path, suffix)).map_or(0, |found| found.len());
    size("") + size(LOG)
}

/// Waits until what is in the file's log is on the disk. In WAL mode SQLite itself does so only when it brings
/// the log into the file; opening the log once more is safe, because SQLite has no locks on it.
pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    let log = beside(path, LOG);
    let synced = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(&log)
        .and_then(|log| log.sync_data());
    match synced {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("cannot sync", &log, &error))
        }
        _ => Ok(()),
    }
}

/// The file's name as SQLite's URI, with a mode.
pub(super) fn uri(path: &Path, mode: &str) -> PathBuf {
    let mut uri = b"file:".to_vec();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'?' | b'#' | b'%' => uri.extend(format!("%{byte:02x}").bytes()),
            byte => uri.push(*byte),
        }
    }
    uri.extend(b"?mode=");
    uri.extend(mode.bytes());
    PathBuf::from(OsString::from_vec(uri))
}
