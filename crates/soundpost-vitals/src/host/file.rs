//! Files that are read repeatedly.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Maximum length, bytes: `/proc/stat` of a machine with thousands of interrupts has about 100 KB.
const LIMIT: usize = 4 << 20;
const FIRST: usize = 4096;

/// A file that stays open, and is opened again after an error. The kernel generates the text of such files
/// anew for each read from the start.
#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    file: Option<File>,
}

impl Watched {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Opens the file; `None` if that fails.
    pub(super) fn opened(mut self) -> Option<Self> {
        self.open().then_some(self)
    }

    /// Opens the file if it is closed. Returns false if that fails.
    pub(super) fn open(&mut self) -> bool {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        self.file.is_some()
    }

    /// Returns the current contents; `None` if they cannot be read.
    pub(super) fn read<'buffer>(&mut self, buffer: &'buffer mut Buffer) -> Option<&'buffer [u8]> {
        let kept = self.file.is_some();
        let mut length = self.fill(buffer);
        if length.is_none() && kept {
            length = self.fill(buffer);
        }
        length.and_then(|length| buffer.bytes.get(..length))
    }

    fn fill(&mut self, buffer: &mut Buffer) -> Option<usize> {
        self.open();
        let length = buffer.fill(self.file.as_ref()?);
        if length.is_none() {
            self.file = None;
        }
        length
    }
}

/// Returns the contents of a rarely read file; empty if it cannot be read.
pub(super) fn read_once(path: &Path) -> Vec<u8> {
    let mut buffer = Buffer::default();
    let mut file = Watched::new(path.to_path_buf());
    file.read(&mut buffer).map(<[u8]>::to_vec).unwrap_or_default()
}

/// Buffer for the text of one file at a time.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
}

impl Buffer {
    fn fill(&mut self, file: &File) -> Option<usize> {
        if self.bytes.is_empty() {
            self.bytes.resize(FIRST, 0);
        }
        let mut length = 0;
        loop {
            if length == self.bytes.len() {
                if length >= LIMIT {
                    return None;
                }
                self.bytes.resize(length * 2, 0);
            }
            let free = self.bytes.get_mut(length..)?;
            match file.read_at(free, u64::try_from(length).ok()?) {
                Ok(0) => return Some(length),
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_what_is_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let mut buffer = Buffer::default();
        let mut file = Watched::new(path.clone());
        assert_eq!(file.read(&mut buffer), None);
        let long = vec![b'x'; 3 * FIRST + 1];
        for text in [&b"one"[..], b"", &long, b"two"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(file.read(&mut buffer), Some(text));
        }
    }

    #[test]
    fn gives_up_on_what_has_no_end_or_is_no_file() {
        let mut buffer = Buffer::default();
        assert_eq!(Watched::new("/dev/zero".into()).read(&mut buffer), None);
        assert_eq!(Watched::new("/proc".into()).read(&mut buffer), None);
        assert_eq!(read_once(Path::new("/nowhere")), b"");
    }
}
