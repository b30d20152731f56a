//! Files that settings, callers and other processes name: regular ones, read without blocking and within a limit.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Maximum size of a file with a secret, bytes.
pub const SECRET_BYTES: u64 = 64 << 10;
/// Maximum size of a file with certificates, bytes.
pub const CERTIFICATE_BYTES: u64 = 8 << 20;

/// Opens a file for reading. Neither a FIFO nor a device blocks, and neither is opened.
///
/// # Errors
/// When the file cannot be opened, or is not regular.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    check(&path.metadata()?)?;
    // The file may have been replaced since.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let metadata = file.metadata()?;
    check(&metadata)?;
    Ok((file, metadata))
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// When the file cannot be read, is not regular, or is larger.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if open(path)?.0.take(limit + 1).read_to_end(&mut bytes)? as u64 > limit {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {} KiB", limit >> 10)));
    }
    Ok(bytes)
}

/// Reads a file of at most `limit` bytes as UTF-8.
///
/// # Errors
/// As [`read`], and when it is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let not_text = |_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8");
    String::from_utf8(read(path, limit)?).map_err(not_text)
}

/// Checks that a file is regular.
///
/// # Errors
/// When it is not; the message names its type.
pub fn check(metadata: &Metadata) -> io::Result<()> {
    let found = metadata.file_type();
    let name = match () {
        () if found.is_file() => return Ok(()),
        () if found.is_dir() => "a directory",
        () if found.is_fifo() => "a FIFO",
        () if found.is_socket() => "a socket",
        () if found.is_symlink() => "a symbolic link",
        () => "a device",
    };
    Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {name}, not a regular file")))
}
