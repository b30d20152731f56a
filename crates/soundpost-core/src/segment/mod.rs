//! The segment: everything a process records, in shared memory that outlives it.
//!
//! A segment is an array of atomic 64-bit words (see `layout.rs`). Writers need no lock, no system call and
//! no allocation; readers in other processes need only the file.

mod cells;
mod checksum;
mod directory;
mod exemplar;
mod file;
mod fork;
mod inflight;
mod lane;
mod layout;
#[cfg(all(test, loom))]
mod loom_models;
mod process;
mod region;
mod ring;
mod room;
mod service_dir;
mod source;
mod stages;
mod written;

#[cfg(test)]
mod tests;

pub(crate) use checksum::checksum;
pub(crate) use directory::{Directory, Lookup, Payload, PayloadReader, Record, RecordKind};
pub use exemplar::REQUEST_ID_BYTES;
pub(crate) use exemplar::{Exemplars, IdWords};
pub use file::user_id;
pub(crate) use file::{is_dead, lock_held, open_foreign, open_own, random};
pub use fork::{CloseInChild, close_in_child, epoch, install_fork_hooks, set_once};
pub(crate) use fork::{SlowPath, slow_path};
pub(crate) use inflight::{Begin, InFlight, RECORDED_WORDS, RawCall, SUSPENDED, Ticket, fill, flag, word};
pub(crate) use layout::{CALL_WORDS, Layout};
pub use layout::{DEFAULT_SEGMENT_BYTES, MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES};
pub(crate) use process::{ENDED, LOADED, LOADING, Owner, Processes, UNREADY, take_cells};
pub(crate) use region::{Region, WORD};
pub(crate) use ring::{EventRing, Refused, Slot};
pub use room::memory_room;
pub use service_dir::{LOCKS_UNUSABLE, ServiceDir};
pub(crate) use source::{SegmentState, Source};
pub(crate) use stages::{RawStage, add_stage, stages_of, stages_of_words};

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64 as LocalU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use self::layout::{EXEMPLAR_WORDS, LANES, LAYOUT_VERSION, MAGIC, header};
use crate::clock;
use crate::sync::{AtomicU64, Ordering};

/// Segments that this process has open; accessed under [`slow_path`].
static OWN: Mutex<Vec<Weak<Segment>>> = Mutex::new(Vec::new());

/// A segment that this process writes: its own, or one inherited by `fork`.
pub(crate) struct Segment {
    region: Region,
    layout: Layout,
    id: u64,
    /// Key of the segment in thread-local caches; the epoch is added.
    nonce: u64,
    creator_epoch: u32,
    owner: LocalU64,
    owner_epoch: LocalU64,
    /// Cell that counts rejected values; `u64::MAX` before it exists.
    rejected: LocalU64,
    after_fork: OnceLock<Box<dyn Fn() + Send + Sync>>,
    file: Option<(File, PathBuf)>,
    role: ProcessRole,
    myself: Weak<Segment>,
}

/// Role of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcessRole {
    /// A process of the service.
    #[default]
    Service,
    /// A reporter outside of the service, which does not count as a running service.
    Agent,
}

impl Segment {
    /// Makes a segment in a file of `dir`, or in anonymous memory together with the error that prevented the file. Without
    /// room in the address space it is small.
    pub(crate) fn create(
        dir: &ServiceDir,
        bytes: usize,
        role: ProcessRole,
    ) -> io::Result<(Arc<Self>, Option<io::Error>)> {
        match Self::in_file(dir, bytes, role) {
            Ok(segment) => Ok((segment, None)),
            Err(error) => {
                let made = Self::anonymous(bytes, role).or_else(|_| Self::anonymous(MIN_SEGMENT_BYTES, role));
                Ok((made?, Some(error)))
            }
        }
    }

    fn in_file(dir: &ServiceDir, bytes: usize, role: ProcessRole) -> io::Result<Arc<Self>> {
        let new = dir.create(bytes)?;
        let layout = Layout::of_bytes(bytes);
        let region = Region::map(&new.file, layout.words, true)?;
        let id = random();
        write_header(region.words(), &layout, id);
        let mark = if role == ProcessRole::Agent { file::AGENT } else { "" };
        let (file, path) = new.publish(&format!("{}-{id:016x}{mark}", std::process::id()))?;
        Ok(Self::new(region, layout, id, role, Some((file, path))))
    }

    /// Makes a segment that only this process and its forked children see.
    pub(crate) fn anonymous(bytes: usize, role: ProcessRole) -> io::Result<Arc<Self>> {
        let layout = Layout::of_bytes(bytes);
        let region = Region::anonymous(layout.words)?;
        let id = random();
        write_header(region.words(), &layout, id);
        Ok(Self::new(region, layout, id, role, None))
    }

    /// Makes the segment for new retired totals of `dir`, and its file.
    pub(crate) fn for_retired(dir: &ServiceDir, bytes: usize) -> io::Result<(Arc<Self>, file::NewFile)> {
        let new = dir.create_retired(bytes)?;
        let layout = Layout::of_bytes(bytes);
        let region = Region::map(&new.file, layout.words, true)?;
        let id = random();
        write_header(region.words(), &layout, id);
        Ok((Self::new(region, layout, id, ProcessRole::Service, None), new))
    }

    fn new(
        region: Region,
        layout: Layout,
        id: u64,
        role: ProcessRole,
        file: Option<(File, PathBuf)>,
    ) -> Arc<Self> {
        static NONCE: LocalU64 = LocalU64::new(1);
        fork::install();
        let segment = Arc::new_cyclic(|myself| Self {
            region,
            layout,
            id,
            nonce: NONCE.fetch_add(1, Relaxed) << 32,
            creator_epoch: fork::epoch(),
            owner: LocalU64::new(Owner::UNKNOWN.word()),
            owner_epoch: LocalU64::new(0),
            rejected: LocalU64::new(u64::MAX),
            after_fork: OnceLock::new(),
            file,
            role,
            myself: myself.clone(),
        });
        segment.join(u64::from(fork::epoch()));
        let _slow = slow_path();
        let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
        own.retain(|segment| segment.strong_count() > 0);
        own.push(Arc::downgrade(&segment));
        drop(own);
        segment
    }

    /// Returns the segment at `path` if this process has it open.
    fn own_at(path: &Path) -> Option<Arc<Self>> {
        let _slow = slow_path();
        let own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
        own.iter().filter_map(Weak::upgrade).find(|segment| segment.path() == Some(path))
    }

    /// Sets a callback for the first recording in a forked child, which has no other thread yet.
    pub(crate) fn after_fork(&self, action: impl Fn() + Send + Sync + 'static) {
        let _ = self.after_fork.set(Box::new(action));
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn role(&self) -> ProcessRole {
        self.role
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|(_, path)| path.as_path())
    }

    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        self.region.words()
    }

    #[inline]
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    #[inline]
    fn thread_key(&self) -> u64 {
        self.nonce | u64::from(fork::epoch())
    }

    /// Reports whether this process made the segment and did not inherit it by `fork`.
    #[inline]
    pub(crate) fn is_creator(&self) -> bool {
        self.creator_epoch == fork::epoch()
    }

    fn weak(&self) -> Weak<Self> {
        self.myself.clone()
    }

    /// Returns this process's entry in the table of processes.
    #[inline]
    pub(crate) fn owner(&self) -> Owner {
        let epoch = u64::from(fork::epoch());
        if self.owner_epoch.load(Ordering::Acquire) != epoch {
            self.attach_after_fork(epoch);
        }
        Owner::from_word(self.owner.load(Relaxed))
    }

    #[cold]
    fn attach_after_fork(&self, epoch: u64) {
        let joined = {
            let _slow = slow_path();
            self.owner_epoch.load(Ordering::Acquire) != epoch && {
                self.join(epoch);
                true
            }
        };
        if let (true, Some(action)) = (joined, self.after_fork.get()) {
            action();
        }
    }

    /// Marks this process as ended in good order, unless it has not joined.
    pub(crate) fn end_process(&self) {
        if self.owner_epoch.load(Ordering::Acquire) == u64::from(fork::epoch()) {
            self.processes().set_mark(Owner::from_word(self.owner.load(Relaxed)), ENDED, true);
        }
    }

    /// Sets whether this process is ready to serve.
    pub(crate) fn set_ready(&self, is_ready: bool) {
        self.processes().set_mark(self.owner(), UNREADY, !is_ready);
    }

    /// Marks this process as loading, or as loaded.
    pub(crate) fn set_loading(&self, is_loading: bool) {
        let (processes, owner) = (self.processes(), self.owner());
        if !is_loading {
            processes.set_mark(owner, LOADED, true);
        }
        processes.set_mark(owner, LOADING, is_loading);
    }

    fn join(&self, epoch: u64) {
        let owner = self.processes().join();
        self.owner.store(owner.word(), Relaxed);
        self.owner_epoch.store(epoch, Ordering::Release);
    }

    pub(crate) fn processes(&self) -> Processes<'_> {
        Processes::new(self.words(), &self.layout, self.file.as_ref().map(|(file, _)| file))
    }

    pub(crate) fn directory(&self) -> Directory<'_> {
        Directory::new(self.words(), &self.layout)
    }

    #[inline]
    pub(crate) fn in_flight(&self) -> InFlight<'_> {
        InFlight::new(self.words(), &self.layout)
    }

    #[inline]
    pub(crate) fn ring(&self) -> EventRing<'_> {
        EventRing::new(self.words(), &self.layout)
    }

    pub(crate) fn exemplars(&self) -> Exemplars<'_> {
        Exemplars::new(self.words(), &self.layout)
    }

    /// Allocates `count` adjacent exemplar places.
    pub(crate) fn allocate_exemplars(&self, count: usize) -> Option<u32> {
        self.bump(header::EXEMPLARS_USED, count, self.layout.exemplar_slots)
    }

    /// Returns the bytes in use, with a directory that ends at `directory_words`.
    pub(crate) fn used_bytes(&self, directory_words: u32) -> usize {
        let used = |cursor: usize| self.words()[cursor].load(Ordering::Relaxed) as usize;
        let exemplars = used(header::EXEMPLARS_USED) * EXEMPLAR_WORDS;
        (directory_words as usize + used(header::CELLS_USED) * LANES + exemplars) * WORD
    }

    fn bump(&self, cursor: usize, count: usize, capacity: usize) -> Option<u32> {
        let cursor = &self.words()[cursor];
        let mut used = cursor.load(Ordering::Relaxed);
        loop {
            let next = used.checked_add(count as u64).filter(|next| *next <= capacity as u64)?;
            match cursor.compare_exchange_weak(used, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return u32::try_from(used).ok(),
                Err(now) => used = now,
            }
        }
    }

    /// Updates the heartbeat and the offset of the wall clock.
    pub(crate) fn beat(&self) {
        let now = clock::monotonic_nanos();
        self.words()[header::HEARTBEAT].store(now, Ordering::Relaxed);
        self.words()[header::WALL_OFFSET].store(clock::unix_nanos().wrapping_sub(now), Ordering::Relaxed);
    }

    /// Shifts the wall clock that readers see.
    #[cfg(test)]
    pub(crate) fn shift_wall_clock(&self, nanos: u64) {
        self.words()[header::WALL_OFFSET].fetch_add(nanos, Ordering::Relaxed);
    }

    /// Marks the segment as full, for readers.
    pub(crate) fn set_full(&self) {
        self.words()[header::FULL].store(1, Ordering::Relaxed);
    }

    pub(crate) fn set_state(&self, state: SegmentState) {
        self.words()[header::STATE].store(state as u64, Ordering::Release);
    }
}

fn write_header(words: &[AtomicU64], layout: &Layout, id: u64) {
    let constant = [
        (header::MAGIC, MAGIC),
        (header::VERSION, LAYOUT_VERSION),
        (header::WORDS, layout.words as u64),
        (header::ID, id),
        (header::PID, u64::from(std::process::id())),
        (header::CREATED_UNIX, clock::unix_nanos()),
    ];
    for copy in [0, header::COPY] {
        for (word, value) in constant {
            words[copy + word].store(value, Ordering::Relaxed);
        }
        let sum = source::header_checksum(|word| words[copy + word].load(Ordering::Relaxed));
        words[copy + header::CHECKSUM].store(sum, Ordering::Relaxed);
    }
    let now = clock::monotonic_nanos();
    words[header::RING_TAIL_TURNED].store(!0, Ordering::Relaxed);
    words[header::HEARTBEAT].store(now, Ordering::Relaxed);
    words[header::WALL_OFFSET].store(clock::unix_nanos().wrapping_sub(now), Ordering::Release);
}
