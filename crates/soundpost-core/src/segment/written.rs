//! Reading of sparse files.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use super::region::WORD;
use crate::sync::{AtomicU64, Ordering};

/// Size of a read, bytes.
const CHUNK: usize = 64 * 1024;

/// Copies the allocated data of `file` to `words`, which are 0, except for the words in `left_out`.
pub(super) fn read(file: &File, words: &[AtomicU64], left_out: &Range<usize>) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    for wanted in [0..left_out.start, left_out.end..words.len()] {
        let mut from = wanted.start;
        while let Some(written) = next_written(file, from..wanted.end) {
            from = written.end;
            for start in written.clone().step_by(CHUNK / WORD) {
                let part = &words[start..written.end.min(start + CHUNK / WORD)];
                let bytes = &mut chunk[..part.len() * WORD];
                file.read_exact_at(bytes, (start * WORD) as u64)?;
                let (values, _) = bytes.as_chunks::<WORD>();
                for (word, value) in part.iter().zip(values) {
                    word.store(u64::from_le_bytes(*value), Ordering::Relaxed);
                }
            }
        }
    }
    Ok(())
}

/// Returns the first allocated part of `within`; all of it where the file system does not report holes.
fn next_written(file: &File, within: Range<usize>) -> Option<Range<usize>> {
    if within.is_empty() {
        return None;
    }
    let look = |from: usize, whence| lseek(file.as_fd(), (from * WORD) as libc::off_t, whence);
    let start = match look(within.start, Whence::SeekData) {
        Ok(at) => at as usize / WORD,
        Err(Errno::ENXIO) => return None,
        Err(_) => return Some(within),
    };
    let end = look(start, Whence::SeekHole).map_or(within.end, |at| (at as usize).div_ceil(WORD));
    (start < within.end).then(|| start..end.min(within.end))
}
