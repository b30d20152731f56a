//! Erasing lines of a file and of the rotated files beside it.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, ErrorKind, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::rotation::numbered;
use super::{check, hold, is_at, options};

/// Timeout of waiting for the writer, which holds the file while it appends a batch.
const TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// Removes the selected lines from the file at a path and from the rotated files beside it. Returns the number of lines.
/// With `dry_run`, only counts them. Each file is replaced as a whole, and a running writer continues in the new one.
///
/// # Errors
/// When a file cannot be replaced, or is no regular file of this user with one name. The others are replaced.
pub fn erase_lines(path: &Path, dry_run: bool, selects: &dyn Fn(&[u8]) -> bool) -> io::Result<u64> {
    let named =
        |path: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let rotated = numbered(path).map_err(|error| named(path, error))?;
    let mut files: Vec<PathBuf> = rotated.into_iter().map(|(_, path)| path).collect();
    let is_rotated = !files.is_empty();
    files.push(path.to_path_buf());
    let (mut lines, mut failed) = (0, None);
    for file in &files {
        match erase(file, dry_run, selects) {
            Ok(erased) => lines += erased,
            // Rotation removed or moved it.
            Err(error) if is_rotated && error.kind() == ErrorKind::NotFound => {}
            Err(error) => failed = Some(named(file, error)),
        }
    }
    failed.map_or(Ok(lines), Err)
}

fn erase(path: &Path, dry_run: bool, selects: &dyn Fn(&[u8]) -> bool) -> io::Result<u64> {
    let file = held(path)?;
    let mut lines = 0;
    each_line(&file, |line| {
        lines += u64::from(selects(line));
        Ok(())
    })?;
    if lines > 0 && !dry_run {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let hidden = path.with_file_name(format!(".{name}.erased"));
        // One that a killed program left.
        let _ = fs::remove_file(&hidden);
        replace(&file, &hidden, path, selects).inspect_err(|_| drop(fs::remove_file(&hidden)))?;
    }
    Ok(lines)
}

/// Copies the lines that are not selected to a hidden file, and gives it the path.
fn replace(file: &File, hidden: &Path, path: &Path, selects: &dyn Fn(&[u8]) -> bool) -> io::Result<()> {
    let metadata = file.metadata()?;
    let mut kept = BufWriter::new(options().create_new(true).mode(0o600).open(hidden)?);
    each_line(file, |line| if selects(line) { Ok(()) } else { kept.write_all(line) })?;
    let kept = kept.into_inner().map_err(io::IntoInnerError::into_error)?;
    kept.set_permissions(metadata.permissions())?;
    // The time determines the file's rotation period.
    kept.set_modified(metadata.modified()?)?;
    kept.sync_all()?;
    fs::rename(hidden, path)
}

fn each_line(mut file: &File, mut visit: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    file.rewind()?;
    let (mut reader, mut line) = (BufReader::new(file), Vec::new());
    while reader.read_until(b'\n', &mut line)? > 0 {
        visit(&line)?;
        line.clear();
    }
    Ok(())
}

/// Opens a file and holds it, so that its writer neither appends nor rotates.
fn held(path: &Path) -> io::Result<File> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let file = options().open(path)?;
        let metadata = file.metadata()?;
        check(&metadata)?;
        match hold(&file, libc::F_WRLCK) {
            Ok(()) if is_at(path, (metadata.dev(), metadata.ino())) => return Ok(file),
            Err(error) if Instant::now() >= deadline => return Err(error),
            _ => thread::sleep(RETRY_INTERVAL),
        }
    }
}
