//! The memory of a history, mapped from a file or on the heap: header, table, ring.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::ring::SampleRing;
use super::table::SeriesTable;
use crate::address_space;
use crate::segment::{Region, ServiceDir, WORD, checksum, is_dead, lock_held, open_foreign, open_own};
use crate::sync::{AtomicU64, Ordering};

/// First word of every history.
const MAGIC: u64 = u64::from_le_bytes(*b"sndhist\x01");
/// Version of the layout; a reader rejects any other.
const VERSION: u64 = 2;
/// Minimum and maximum size of the file, bytes.
pub(super) const BYTES: std::ops::RangeInclusive<usize> = 1 << 20..=8 << 20;

mod header {
    pub(super) const MAGIC: usize = 0;
    pub(super) const VERSION: usize = 1;
    pub(super) const WORDS: usize = 2;
    /// Boot of the machine that the monotonic times belong to.
    pub(super) const BOOT: usize = 3;
    pub(super) const CHECKSUM: usize = 4;
    /// 1 after another file replaced this one.
    pub(super) const REPLACED: usize = 5;
    /// Two words: begin and end of the ring.
    pub(super) const CURSORS: usize = 6;
    /// Age beyond which a sample is no longer of now, nanoseconds; 0 if not stated.
    pub(super) const MAX_AGE: usize = 8;
    pub(super) const LENGTH: usize = 16;
}

/// Words of the table, enough for about 600 series.
pub(super) const TABLE_WORDS: usize = 1 << 14;

pub(crate) struct HistoryMemory {
    region: Region,
    /// Holds the lock that marks the file as being written.
    _file: Option<File>,
    /// Whether the contents are a copy of a file without a writer.
    copy: bool,
}

impl HistoryMemory {
    /// Opens the history of a service for writing: the existing one if its size fits, else a new one. The
    /// second value is an existing history of another size.
    pub(super) fn open(dir: &ServiceDir, bytes: usize) -> io::Result<(Self, Option<Self>)> {
        let mut before = None;
        for path in dir.history_files() {
            let Ok(file) = open_own(&path) else { continue };
            // A reader may hold the lock for an instant while it tests it.
            lock_held(&file)?;
            let Ok(memory) = Self::map(file, true) else { continue };
            if memory.words().len() * WORD == bytes {
                return Ok((memory, None));
            }
            before = Some(memory);
        }
        Ok((Self::create(dir, bytes)?, before))
    }

    /// Makes a new file that replaces the existing one.
    pub(super) fn create(dir: &ServiceDir, bytes: usize) -> io::Result<Self> {
        let new = dir.create(bytes)?;
        let region = Region::map(&new.file, bytes / WORD, true)?;
        write_header(region.words());
        let (file, path) = new.become_history()?;
        // Remove the file of a run that used the other directory.
        dir.history_files().filter(|other| *other != path).for_each(|other| {
            let _ = std::fs::remove_file(other);
        });
        Ok(Self { region, _file: Some(file), copy: false })
    }

    /// Makes memory of this process alone; small without room in the address space.
    pub(super) fn heap(bytes: usize) -> Self {
        let bytes = if address_space::check(bytes as u64).is_ok() { bytes } else { *BYTES.start() };
        let region = Region::from_words(std::iter::repeat_n(0, bytes / WORD));
        write_header(region.words());
        Self { region, _file: None, copy: false }
    }

    /// Opens the history at `path` for reading: mapped while it has a writer, else copied.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut file = open_foreign(path)?;
        if !is_dead(&file) {
            return Self::map(file, false);
        }
        let mut contents = vec![0; checked_length(&file)?];
        file.read_exact(&mut contents)?;
        let (words, _) = contents.as_chunks::<WORD>();
        let region = Region::from_words(words.iter().map(|word| u64::from_le_bytes(*word)));
        check_header(region.words())?;
        Ok(Self { region, _file: None, copy: true })
    }

    fn map(file: File, writable: bool) -> io::Result<Self> {
        let region = Region::map(&file, checked_length(&file)? / WORD, writable)?;
        check_header(region.words())?;
        Ok(Self { region, _file: writable.then_some(file), copy: false })
    }

    fn words(&self) -> &[AtomicU64] {
        self.region.words()
    }

    pub(super) fn table(&self) -> SeriesTable<'_> {
        SeriesTable::new(&self.words()[header::LENGTH..][..TABLE_WORDS])
    }

    pub(super) fn ring(&self) -> SampleRing<'_> {
        let words = self.words();
        SampleRing::new(&words[header::CURSORS..][..2], &words[header::LENGTH + TABLE_WORDS..])
    }

    /// Reports whether no sample will be added.
    pub(super) fn is_over(&self) -> bool {
        self.copy || self.words()[header::REPLACED].load(Ordering::Acquire) != 0
    }

    pub(super) fn set_replaced(&self) {
        self.words()[header::REPLACED].store(1, Ordering::Release);
    }

    /// Returns the age beyond which a sample is no longer of now, nanoseconds; 0 if not stated.
    pub(super) fn max_age(&self) -> u64 {
        self.words()[header::MAX_AGE].load(Ordering::Relaxed)
    }

    pub(super) fn set_max_age(&self, nanos: u64) {
        self.words()[header::MAX_AGE].store(nanos, Ordering::Relaxed);
    }

    #[cfg(test)]
    #[cfg(not(loom))]
    pub(super) fn all_words(&self) -> &[AtomicU64] {
        self.words()
    }
}

fn checked_length(file: &File) -> io::Result<usize> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if BYTES.contains(&length) && length % WORD == 0 {
        return Ok(length);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("{length} bytes are no history")))
}

fn write_header(words: &[AtomicU64]) {
    let constant = [
        (header::MAGIC, MAGIC),
        (header::VERSION, VERSION),
        (header::WORDS, words.len() as u64),
        (header::BOOT, boot()),
    ];
    for (word, value) in constant {
        words[word].store(value, Ordering::Relaxed);
    }
    words[header::CHECKSUM].store(header_checksum(words), Ordering::Release);
}

fn check_header(words: &[AtomicU64]) -> io::Result<()> {
    let word = |word: usize| words[word].load(Ordering::Relaxed);
    let sound = word(header::MAGIC) == MAGIC
        && word(header::VERSION) == VERSION
        && word(header::WORDS) == words.len() as u64
        && word(header::CHECKSUM) == header_checksum(words);
    if !sound {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no history of this version"));
    }
    if word(header::BOOT) != boot() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "of an earlier boot"));
    }
    Ok(())
}

fn header_checksum(words: &[AtomicU64]) -> u64 {
    checksum(0, words[..header::CHECKSUM].iter().map(|word| word.load(Ordering::Relaxed)))
}

/// Returns a number for this boot of the machine; 0 where the kernel does not report it.
fn boot() -> u64 {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    checksum(0, id.trim().bytes().map(u64::from))
}
