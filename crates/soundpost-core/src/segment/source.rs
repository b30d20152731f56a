//! A segment to read: this process's own, another's mapped read-only, or a dead one's copy.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layout::{LANES, LAYOUT_VERSION, Layout, MAGIC, MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES, header};
use super::process::{Owner, Processes};
use super::region::{Region, WORD};
use super::{Directory, EventRing, Exemplars, InFlight, ProcessRole, Segment, file, written};
use crate::sync::{AtomicU64, Ordering};

/// How a segment stands, as its writer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum SegmentState {
    /// Being written.
    Open = 0,
    /// Left in good order.
    Closed = 1,
    /// As `Closed`, of a run that is over: it waits only until what is in its ring is stored. No damage looks so.
    Over = 0x6F76_6572_6F76_6572,
}

/// A segment to read.
pub(crate) struct Source {
    memory: SourceMemory,
    layout: Layout,
    id: u64,
    /// Where it lies, and the open file that its locks are asked through.
    file: Option<(File, PathBuf)>,
    dead: bool,
}

enum SourceMemory {
    Own(Arc<Segment>),
    Foreign(Region),
}

/// What a dead segment is copied for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CopyPart {
    /// Its totals: not the event ring.
    Totals,
    /// Its events: not the cells.
    Events,
}

impl CopyPart {
    /// What is not copied, words.
    fn left_out(self, layout: &Layout) -> Range<usize> {
        match self {
            Self::Totals => layout.ring..layout.cells,
            Self::Events => layout.cells..layout.words,
        }
    }
}

impl Source {
    /// The segment this process writes.
    pub(crate) fn own(segment: Arc<Segment>) -> Self {
        let (layout, id) = (*segment.layout(), segment.id());
        Self { memory: SourceMemory::Own(segment), layout, id, file: None, dead: false }
    }

    /// Another process's segment, without a dead one's event ring: mapped while it lives, copied when it is dead. A file that is being
    /// written is never copied, one that nobody holds is never mapped, so a shortened one does no harm.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // Opening and closing a file of one's own would end the record locks of `process.rs`.
        if let Some(segment) = Segment::own_at(path) {
            return Ok(Self::own(segment));
        }
        let file = file::open_foreign(path)?;
        if file::is_dead(&file) {
            Self::copy(file, path, CopyPart::Totals)
        } else {
            Self::attach(file, path, false)
        }
    }

    /// As [`Source::open`] for the event ring, and able to free what was taken from it; for the reporter.
    pub(crate) fn open_to_drain(path: &Path) -> io::Result<Self> {
        if let Some(segment) = Segment::own_at(path) {
            return Ok(Self::own(segment));
        }
        let file = file::open_own(path)?;
        if file::is_dead(&file) {
            Self::copy(file, path, CopyPart::Events)
        } else {
            Self::attach(file, path, true)
        }
    }

    /// A file that nobody writes any more, such as the retired totals.
    pub(crate) fn open_copy(path: &Path) -> io::Result<Self> {
        Self::copy(file::open_foreign(path)?, path, CopyPart::Totals)
    }

    fn attach(file: File, path: &Path, writable: bool) -> io::Result<Self> {
        let bytes = checked_length(&file)?;
        let layout = Layout::of_bytes(bytes);
        let region = Region::map(&file, layout.words, writable)?;
        let id = check_header(region.words(), &layout)?;
        Ok(Self {
            memory: SourceMemory::Foreign(region),
            layout,
            id,
            file: Some((file, path.into())),
            dead: false,
        })
    }

    fn copy(file: File, path: &Path, wanted: CopyPart) -> io::Result<Self> {
        let bytes = checked_length(&file)?;
        let layout = Layout::of_bytes(bytes);
        let region = Region::zeroed(layout.words)?;
        written::read(&file, region.words(), &wanted.left_out(&layout))?;
        let id = check_header(region.words(), &layout)?;
        Ok(Self {
            memory: SourceMemory::Foreign(region),
            layout,
            id,
            file: Some((file, path.into())),
            dead: true,
        })
    }

    /// Whether it was dead when it was opened, and its file is not mapped.
    pub(crate) fn is_copy(&self) -> bool {
        self.dead
    }

    /// Whether every process that wrote it is gone.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead || self.file.as_ref().is_some_and(|(file, _)| file::is_dead(file))
    }

    /// Whether nobody holds the file, readable or not.
    pub(crate) fn is_unused(path: &Path) -> bool {
        file::open_foreign(path).is_ok_and(|file| file::is_dead(&file))
    }

    /// Whether another file is now where this one was.
    pub(crate) fn is_replaced(&self) -> bool {
        let inode = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        self.file.as_ref().is_some_and(|(file, path)| {
            let now = std::fs::symlink_metadata(path).map(inode).ok();
            now.is_none() || now != file.metadata().map(inode).ok()
        })
    }

    /// How its writer left it.
    pub(crate) fn state(&self) -> SegmentState {
        match self.words()[header::STATE].load(Ordering::Acquire) {
            word if word == SegmentState::Closed as u64 => SegmentState::Closed,
            word if word == SegmentState::Over as u64 => SegmentState::Over,
            _ => SegmentState::Open,
        }
    }

    /// Says in the file of a segment that its run is over, for whoever comes next.
    pub(crate) fn set_over(&self) -> io::Result<()> {
        let Some(path) = self.path().filter(|_| !self.is_own()) else { return Ok(()) };
        let state = (SegmentState::Over as u64).to_le_bytes();
        std::os::unix::fs::FileExt::write_all_at(
            &file::open_own(path)?,
            &state,
            (header::STATE * WORD) as u64,
        )
    }

    /// Whether this process writes it.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self.memory, SourceMemory::Own(_))
    }

    /// Whose it is.
    pub(crate) fn role(&self) -> ProcessRole {
        match &self.memory {
            SourceMemory::Own(segment) => segment.role(),
            SourceMemory::Foreign(_) if self.path().is_some_and(file::is_agents) => ProcessRole::Agent,
            SourceMemory::Foreign(_) => ProcessRole::Service,
        }
    }

    /// The segment's random number.
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

    /// When one of its writers last said that it lives, by the monotonic clock.
    pub(crate) fn heartbeat(&self) -> u64 {
        self.words()[header::HEARTBEAT].load(Ordering::Relaxed)
    }

    pub(crate) fn exemplars(&self) -> Exemplars<'_> {
        Exemplars::new(self.words(), &self.layout)
    }

    /// Whether the process behind `owner` runs.
    pub(crate) fn is_alive(&self, owner: Owner) -> bool {
        match &self.memory {
            SourceMemory::Own(segment) => owner == segment.owner() || segment.processes().is_alive(owner),
            SourceMemory::Foreign(_) => !self.dead && self.processes().is_alive(owner),
        }
    }

    /// Whether nobody will record to it any more: all who wrote it are gone, or its creator said that it
    /// leaves and nobody else, such as a forked child, holds it.
    pub(crate) fn is_left(&self) -> bool {
        let creator = self.words()[header::PID].load(Ordering::Relaxed);
        self.is_dead()
            || self.state() != SegmentState::Open && self.pids().iter().all(|pid| u64::from(*pid) == creator)
    }

    /// Process ids of those who write it now.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let processes = match &self.memory {
            SourceMemory::Own(segment) => segment.processes(),
            SourceMemory::Foreign(_) => self.processes(),
        };
        let alive = processes.holders().filter(|owner| self.is_alive(*owner));
        alive.filter_map(|owner| u32::try_from(processes.pid(owner)).ok()).collect()
    }

    /// Process id behind `owner`.
    pub(crate) fn pid(&self, owner: Owner) -> u64 {
        self.processes().pid(owner)
    }

    fn processes(&self) -> Processes<'_> {
        Processes::new(self.words(), &self.layout, self.file.as_ref().map(|(file, _)| file))
    }

    /// Wall clock minus monotonic clock, nanoseconds, as the writer last saw it.
    pub(crate) fn wall_offset(&self) -> u64 {
        self.words()[header::WALL_OFFSET].load(Ordering::Relaxed)
    }

    /// Sum of a whole-number cell over all lanes; `None` when the position is damaged.
    #[inline]
    pub(crate) fn sum(&self, cell: u32) -> Option<u64> {
        self.lanes(cell).try_fold(0_u64, |sum, word| Some(sum.wrapping_add(word?)))
    }

    /// Sum of a floating-point cell over all lanes; `None` when damaged.
    #[inline]
    pub(crate) fn sum_f64(&self, cell: u32) -> Option<f64> {
        self.lanes(cell).try_fold(0.0, |sum, word| Some(sum + f64::from_bits(word?)))
    }

    /// The shared lane's word of a cell.
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

/// The id of a segment whose header, or its copy, is sound.
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
    (0..header::CONSTANT - 1).map(word).fold(0x9E37_79B9_7F4A_7C15, |sum: u64, word| {
        (sum ^ word).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(23)
    })
}
