//! A segment for reading: this process's own, a mapped one of another process, or a copy of a dead one.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checksum::checksum;
use super::layout::{LANES, LAYOUT_VERSION, Layout, MAGIC, MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES, header};
use super::process::{ENDED, LOADED, LOADING, Owner, Processes, UNREADY};
use super::region::{Region, WORD};
use super::{Directory, EventRing, Exemplars, InFlight, ProcessRole, Segment, file, written};
use crate::sync::{AtomicU64, Ordering};

/// State of a segment, set by its writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum SegmentState {
    /// In use.
    Open = 0,
    /// Closed in good order.
    Closed = 1,
    /// Closed, of a run that is over: kept until its ring is stored. No damage produces this value.
    Over = 0x6F76_6572_6F76_6572,
}

pub(crate) struct Source {
    memory: SourceMemory,
    layout: Layout,
    id: u64,
    /// Path, and the open file for testing its locks.
    file: Option<(File, PathBuf)>,
    dead: bool,
}

enum SourceMemory {
    Own(Arc<Segment>),
    Foreign(Region),
}

/// Part of a dead segment that is copied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CopyPart {
    /// Totals: everything but the event ring.
    Totals,
    /// Events: everything but the cells.
    Events,
}

impl CopyPart {
    /// Returns the words that are not copied.
    fn left_out(self, layout: &Layout) -> Range<usize> {
        match self {
            Self::Totals => layout.ring..layout.cells,
            Self::Events => layout.cells..layout.words,
        }
    }
}

impl Source {
    pub(crate) fn own(segment: Arc<Segment>) -> Self {
        let (layout, id) = (*segment.layout(), segment.id());
        Self { memory: SourceMemory::Own(segment), layout, id, file: None, dead: false }
    }

    /// Opens another process's segment: mapped while it lives, else copied without its event ring. A file
    /// with a writer is never copied, a file without one is never mapped, so a truncated file is harmless.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // Opening and closing this process's own file would release the record locks of `process.rs`.
        match Segment::own_at(path) {
            Some(segment) => Ok(Self::own(segment)),
            None => Self::of_file(file::open_foreign(path)?, path, CopyPart::Totals),
        }
    }

    /// Opens another process's segment for the reporter, which reads and frees its event ring.
    pub(crate) fn open_to_drain(path: &Path) -> io::Result<Self> {
        match Segment::own_at(path) {
            Some(segment) => Ok(Self::own(segment)),
            None => Self::of_file(file::open_own(path)?, path, CopyPart::Events),
        }
    }

    /// Opens a file without a writer, such as the retired totals.
    pub(crate) fn open_copy(path: &Path) -> io::Result<Self> {
        Self::copy(file::open_foreign(path)?, path, CopyPart::Totals)
    }

    fn of_file(file: File, path: &Path, wanted: CopyPart) -> io::Result<Self> {
        if file::is_dead(&file) {
            return Self::copy(file, path, wanted);
        }
        let layout = Layout::of_bytes(checked_length(&file)?);
        let region = Region::map(&file, layout.words, wanted == CopyPart::Events)?;
        Self::foreign(region, layout, (file, path.into()), false)
    }

    fn copy(file: File, path: &Path, wanted: CopyPart) -> io::Result<Self> {
        let layout = Layout::of_bytes(checked_length(&file)?);
        let region = Region::zeroed(layout.words)?;
        written::read(&file, region.words(), &wanted.left_out(&layout))?;
        Self::foreign(region, layout, (file, path.into()), true)
    }

    fn foreign(region: Region, layout: Layout, file: (File, PathBuf), dead: bool) -> io::Result<Self> {
        let id = check_header(region.words(), &layout)?;
        Ok(Self { memory: SourceMemory::Foreign(region), layout, id, file: Some(file), dead })
    }

    pub(crate) fn is_copy(&self) -> bool {
        self.dead
    }

    /// Reports whether all processes that wrote the segment are gone.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead || self.file.as_ref().is_some_and(|(file, _)| file::is_dead(file))
    }

    /// Reports whether no process holds the file, readable or not.
    pub(crate) fn is_unused(path: &Path) -> bool {
        Segment::own_at(path).is_none() && file::open_foreign(path).is_ok_and(|file| file::is_dead(&file))
    }

    /// Reports whether another file has replaced this one.
    pub(crate) fn is_replaced(&self) -> bool {
        let inode = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        self.file.as_ref().is_some_and(|(file, path)| {
            let now = std::fs::symlink_metadata(path).map(inode).ok();
            now.is_none() || now != file.metadata().map(inode).ok()
        })
    }

    pub(crate) fn state(&self) -> SegmentState {
        match self.words()[header::STATE].load(Ordering::Acquire) {
            word if word == SegmentState::Closed as u64 => SegmentState::Closed,
            word if word == SegmentState::Over as u64 => SegmentState::Over,
            _ => SegmentState::Open,
        }
    }

    /// Marks the file of a segment as part of a run that is over.
    pub(crate) fn set_over(&self) -> io::Result<()> {
        let Some(path) = self.path().filter(|_| !self.is_own()) else { return Ok(()) };
        let state = (SegmentState::Over as u64).to_le_bytes();
        std::os::unix::fs::FileExt::write_all_at(
            &file::open_own(path)?,
            &state,
            (header::STATE * WORD) as u64,
        )
    }

    pub(crate) fn is_own(&self) -> bool {
        matches!(self.memory, SourceMemory::Own(_))
    }

    pub(crate) fn role(&self) -> ProcessRole {
        match &self.memory {
            SourceMemory::Own(segment) => segment.role(),
            SourceMemory::Foreign(_) if self.path().is_some_and(file::is_agents) => ProcessRole::Agent,
            SourceMemory::Foreign(_) => ProcessRole::Service,
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.memory {
            SourceMemory::Own(segment) => segment.path(),
            SourceMemory::Foreign(_) => self.file.as_ref().map(|(_, path)| path.as_path()),
        }
    }

    pub(crate) fn words(&self) -> &[AtomicU64] {
        match &self.memory {
            SourceMemory::Own(segment) => segment.words(),
            SourceMemory::Foreign(region) => region.words(),
        }
    }

    pub(crate) fn directory(&self) -> Directory<'_> {
        Directory::new(self.words(), &self.layout)
    }

    pub(crate) fn in_flight(&self) -> InFlight<'_> {
        InFlight::new(self.words(), &self.layout)
    }

    pub(crate) fn ring(&self) -> EventRing<'_> {
        EventRing::new(self.words(), &self.layout)
    }

    /// Returns the time of the last heartbeat, by the monotonic clock.
    /// Reports whether a family or series found no room.
    pub(crate) fn is_full(&self) -> bool {
        self.words()[header::FULL].load(Ordering::Relaxed) != 0
    }

    pub(crate) fn heartbeat(&self) -> u64 {
        self.words()[header::HEARTBEAT].load(Ordering::Relaxed)
    }

    pub(crate) fn exemplars(&self) -> Exemplars<'_> {
        Exemplars::new(self.words(), &self.layout)
    }

    pub(crate) fn is_alive(&self, owner: Owner) -> bool {
        match &self.memory {
            SourceMemory::Own(segment) => owner == segment.owner() || segment.processes().is_alive(owner),
            SourceMemory::Foreign(_) => !self.dead && self.processes().is_alive(owner),
        }
    }

    /// Reports whether no process will record to the segment: all writers are gone, or its creator closed it
    /// and no forked child holds it.
    pub(crate) fn is_left(&self) -> bool {
        let creator = self.words()[header::PID].load(Ordering::Relaxed);
        self.is_dead()
            || self.state() != SegmentState::Open && self.pids().iter().all(|pid| u64::from(*pid) == creator)
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        let processes = self.processes();
        let alive = processes.holders().filter(|owner| self.is_alive(*owner));
        alive.filter_map(|owner| u32::try_from(processes.pid(owner)).ok()).collect()
    }

    /// Returns the processes that are gone without having ended in good order.
    pub(crate) fn died(&self) -> Vec<Owner> {
        let processes = self.processes();
        // Older builds mark the segment alone.
        let creator = self.words()[header::PID].load(Ordering::Relaxed);
        let is_left = |owner| self.state() != SegmentState::Open && processes.pid(owner) == creator;
        let has_ended = |owner: &Owner| processes.has_mark(*owner, ENDED) || is_left(*owner);
        processes.holders().filter(|owner| !has_ended(owner) && !self.is_alive(*owner)).collect()
    }

    /// Reports whether a process is up that is ready to serve.
    pub(crate) fn is_ready(&self) -> bool {
        let processes = self.processes();
        let mut holders = processes.holders();
        let is_unready = |owner| processes.has_mark(owner, UNREADY) || processes.has_mark(owner, LOADING);
        !self.is_left() && holders.any(|owner| self.is_alive(owner) && !is_unready(owner))
    }

    /// Reports whether all processes that are up are in their first phase of loading.
    pub(crate) fn is_loading(&self) -> bool {
        let processes = self.processes();
        let is_first = |owner| processes.has_mark(owner, LOADING) && !processes.has_mark(owner, LOADED);
        let mut alive = processes.holders().filter(|owner| self.is_alive(*owner)).peekable();
        !self.is_left() && alive.peek().is_some() && alive.all(is_first)
    }

    /// Returns the time at which the segment was made, nanoseconds since 1970.
    pub(crate) fn created_unix(&self) -> u64 {
        self.words()[header::CREATED_UNIX].load(Ordering::Relaxed)
    }

    pub(crate) fn pid(&self, owner: Owner) -> u64 {
        self.processes().pid(owner)
    }

    fn processes(&self) -> Processes<'_> {
        match &self.memory {
            SourceMemory::Own(segment) => segment.processes(),
            SourceMemory::Foreign(_) => {
                Processes::new(self.words(), &self.layout, self.file.as_ref().map(|(file, _)| file))
            }
        }
    }

    /// Returns wall clock minus monotonic clock, nanoseconds, at the writer's last heartbeat.
    pub(crate) fn wall_offset(&self) -> u64 {
        self.words()[header::WALL_OFFSET].load(Ordering::Relaxed)
    }

    /// Returns the sum of a whole-number cell over all lanes; `None` when the position is damaged.
    #[inline]
    pub(crate) fn sum(&self, cell: u32) -> Option<u64> {
        self.lanes(cell).try_fold(0_u64, |sum, word| Some(sum.wrapping_add(word?)))
    }

    /// Returns the sum of a floating-point cell over all lanes; `None` when the position is damaged.
    #[inline]
    pub(crate) fn sum_f64(&self, cell: u32) -> Option<f64> {
        self.lanes(cell).try_fold(0.0, |sum, word| Some(sum + f64::from_bits(word?)))
    }

    pub(crate) fn shared(&self, cell: u32) -> Option<u64> {
        self.lanes(cell).next().flatten()
    }

    #[inline]
    fn lanes(&self, cell: u32) -> impl Iterator<Item = Option<u64>> {
        let words = self.words();
        let inside = (cell as usize) < self.layout.lane_words;
        (0..LANES).map(move |lane| {
            let word = inside.then(|| &words[self.layout.lane(lane) + cell as usize]);
            word.map(|word| word.load(Ordering::Relaxed))
        })
    }
}

fn checked_length(file: &File) -> io::Result<usize> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if (MIN_SEGMENT_BYTES..=MAX_SEGMENT_BYTES).contains(&length) {
        return Ok(length);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("{length} bytes are no segment")))
}

/// Returns the id of a segment whose header, or its copy, is valid.
fn check_header(words: &[AtomicU64], layout: &Layout) -> io::Result<u64> {
    let wrong = |message: String| Err(io::Error::new(io::ErrorKind::InvalidData, message));
    let sound = [0, header::COPY].into_iter().find(|copy| {
        let word = |word: usize| words[copy + word].load(Ordering::Relaxed);
        word(header::MAGIC) == MAGIC && word(header::CHECKSUM) == header_checksum(word)
    });
    let Some(copy) = sound else { return wrong("no header of a segment".to_owned()) };
    let word = |word: usize| words[copy + word].load(Ordering::Relaxed);
    if word(header::VERSION) != LAYOUT_VERSION {
        return wrong(format!(
            "layout version {}, this program reads {LAYOUT_VERSION}",
            word(header::VERSION)
        ));
    }
    if word(header::WORDS) != layout.words as u64 {
        return wrong(format!("{} words, its header says {}", layout.words, word(header::WORDS)));
    }
    Ok(word(header::ID))
}

pub(super) fn header_checksum(word: impl Fn(usize) -> u64) -> u64 {
    checksum(0, (0..header::CONSTANT - 1).map(word))
}
