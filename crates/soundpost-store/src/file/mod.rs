//! The file: created, opened, synced, and set aside when it is damaged.

mod damage;

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

use crate::error::{About as _, StoreError};
use crate::schema;

pub(crate) use damage::{remove_damaged, set_aside};

/// Name of the store's file in the service's directory.
pub const FILE: &str = "store.sqlite";
/// Suffix of the log, which holds the changes since the last checkpoint.
const LOG: &str = "-wal";
/// Minimum size of a database: SQLite's smallest page.
const MIN_PAGE_BYTES: u64 = 512;
/// Timeout of a write while another program holds a lock; the reporter retries later.
const BUSY_TIMEOUT: Duration = Duration::from_millis(100);
/// Maximum number of pages of the log after which a commit runs a checkpoint; 4 MiB.
const CHECKPOINT_PAGES: i64 = 1000;
/// Size of a page, bytes.
const PAGE_BYTES: i64 = 4096;
/// Size of the page cache in KiB, negative for SQLite.
const CACHE_KIB: i64 = -2048;

/// Returns the path of the store. Resolves links in it, because SQLite follows none.
pub(crate) fn path_in(directory: &Path) -> Result<PathBuf, StoreError> {
    let directory =
        directory.canonicalize().map_err(|error| StoreError::io("cannot open", directory, &error))?;
    Ok(directory.join(FILE))
}

/// Returns whether the file exists.
///
/// # Errors
/// Returns an error if it, or a file that SQLite opens beside it, is not a regular file of this user alone.
pub(crate) fn check(path: &Path) -> Result<bool, StoreError> {
    // SQLite opens the other files by their names.
    for suffix in [LOG, "-shm", "-journal"] {
        check_file(&beside(path, suffix))?;
    }
    check_file(path)
}

fn check_file(path: &Path) -> Result<bool, StoreError> {
    let refused = |why: &str| Err(StoreError::refused(path, why));
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => refused("is not a regular file"),
        Ok(found) if found.uid() != user_id() => {
            refused(&format!("belongs to another user (uid {})", found.uid()))
        }
        Ok(found) if found.mode() & 0o002 != 0 => refused("can be written by others"),
        Ok(found) if found.nlink() > 1 => refused("has a second name (a hard link)"),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("cannot open", path, &error)),
    }
}

/// Opens the file for writing; creates or migrates it.
pub(crate) fn open(path: &Path) -> Result<Connection, StoreError> {
    if !check(path)? {
        create(path)?;
    }
    let length = fs::symlink_metadata(path).map_or(0, |found| found.len());
    if (1..MIN_PAGE_BYTES).contains(&length) {
        // SQLite would overwrite it as an empty file.
        return Err(StoreError::damaged(path, "is no store"));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let mut connection = Connection::open_with_flags(path, flags).about(path)?;
    // Until the file is known to be a store of this version, closing it must not write to it.
    leave_alone(&connection, true).about(path)?;
    connection.busy_timeout(BUSY_TIMEOUT).about(path)?;
    prepare(&mut connection, path)?;
    leave_alone(&connection, false).about(path)?;
    Ok(connection)
}

/// Creates the file, readable by its owner only; SQLite creates the log with the same mode.
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
        // Only takes effect before the first table.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").about(path)?;
    }
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).about(path)?;
    // Without shared memory (some network file systems), SQLite keeps its mode, which works too.
    let synchronous = if mode == "wal" { "NORMAL" } else { "FULL" };
    connection.pragma_update(None, "synchronous", synchronous).about(path)?;
    let pragmas = [
        ("cache_size", CACHE_KIB),
        ("mmap_size", 0),
        ("temp_store", 2), // In memory.
        ("trusted_schema", 0),
        // Overwrites removed content with zeros.
        ("secure_delete", 1),
    ];
    for (name, value) in pragmas {
        connection.pragma_update(None, name, value).about(path)?;
    }
    schema::migrate(connection, path)
}

/// Limits the size of the log. One that grew during a long read shrinks to it.
pub(crate) fn limit_log(connection: &Connection, bytes: u64) -> rusqlite::Result<()> {
    let bytes = bytes.cast_signed();
    connection.pragma_update(None, "journal_size_limit", bytes)?;
    let pages = CHECKPOINT_PAGES.min(bytes / 2 / PAGE_BYTES);
    connection.pragma_update(None, "wal_autocheckpoint", pages)
}

/// Moves the log into the file and truncates it, because its old pages hold removed content. Returns false while a
/// reader uses it.
pub(crate) fn truncate_log(connection: &Connection) -> rusqlite::Result<bool> {
    let is_busy = |row: &rusqlite::Row<'_>| row.get::<_, bool>(0);
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], is_busy).map(|busy| !busy)
}

/// Sets whether closing the connection leaves the log unchanged.
fn leave_alone(connection: &Connection, alone: bool) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, alone).map(drop)
}

/// Closes a damaged file unchanged.
pub(crate) fn abandon(connection: Connection) {
    // If this fails, closing moves the log's contents into the damaged file.
    let _ = leave_alone(&connection, true);
    drop(connection);
}

/// Device and inode of the file and of its log, where they exist.
pub(crate) type Identity = [Option<(u64, u64)>; 2];

pub(crate) fn identity(path: &Path) -> Identity {
    ["", LOG]
        .map(|suffix| fs::symlink_metadata(beside(path, suffix)).ok().map(|found| (found.dev(), found.ino())))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Returns the bytes of the file and its log.
pub(crate) fn bytes(path: &Path) -> u64 {
    let size = |suffix: &str| fs::symlink_metadata(beside(path, suffix)).map_or(0, |found| found.len());
    size("") + size(LOG)
}

/// Syncs the log to the disk. In WAL mode SQLite does so only at a checkpoint; opening the log again is safe, because
/// SQLite has no locks on it.
pub(crate) fn sync(path: &Path) -> Result<(), StoreError> {
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

/// Returns the URI of a file for SQLite, with a mode.
pub(crate) fn uri(path: &Path, mode: &str) -> PathBuf {
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
