//! Processes that share a segment: its creator and the children it forked.
//!
//! Each takes a slot and holds a POSIX record lock on the byte of the slot's number. Such a lock belongs
//! to one process, is not inherited by `fork`, and ends with the process however it dies, so another
//! process can ask the kernel whether the holder lives, also from another PID namespace.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::os::fd::AsFd;

use nix::fcntl::{FcntlArg, fcntl};

use super::layout::{Layout, PROCESS_SLOTS, PROCESS_WORDS};
use crate::sync::{AtomicU64, Ordering};

/// A process in a segment: slot number and how often the slot was taken, so that a reused slot does not
/// revive what its former holder left. The process id is told along: when its calls are read, another process may
/// have the slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner(u64);

/// Bits of a word from the lowest on: slot plus one, generation, process id (of which Linux has 22).
const SLOT_BITS: u32 = 16;
const GENERATION_BITS: u32 = 23;
const PID_SHIFT: u32 = SLOT_BITS + GENERATION_BITS;
const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;
/// Of a slot plus one in 32 bits.
const SHORT_SLOT_BITS: u32 = 9;

/// With or without a process id, it is the same.
impl PartialEq for Owner {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Owner {}

impl Hash for Owner {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl Owner {
    /// Nobody in particular: all slots were taken.
    pub(crate) const UNKNOWN: Self = Self(u64::MAX);

    pub(crate) fn word(self) -> u64 {
        self.0
    }

    pub(crate) fn from_word(word: u64) -> Self {
        Self(word)
    }

    fn new(slot: usize, generation: u64, pid: u64) -> Self {
        Self(pid << PID_SHIFT | (generation & GENERATION_MASK) << SLOT_BITS | (slot as u64 + 1))
    }

    fn key(self) -> u64 {
        self.0 & ((1 << PID_SHIFT) - 1)
    }

    /// In 32 bits: nine of the slot, and the generation.
    #[inline]
    pub(crate) fn short(self) -> u64 {
        let slot = self.0 & ((1 << SHORT_SLOT_BITS) - 1);
        slot | (self.0 >> SLOT_BITS & GENERATION_MASK) << SHORT_SLOT_BITS
    }

    /// What [`Owner::short`] gave; it knows no process id.
    pub(crate) fn from_short(short: u64) -> Self {
        let slot = short & ((1 << SHORT_SLOT_BITS) - 1);
        let known = Self(short >> SHORT_SLOT_BITS << SLOT_BITS | slot);
        if short == Self::UNKNOWN.short() { Self::UNKNOWN } else { known }
    }

    fn slot(self) -> Option<usize> {
        let slot = (self.0 & ((1 << SLOT_BITS) - 1)) as usize;
        (1..=PROCESS_SLOTS).contains(&slot).then(|| slot - 1)
    }

    /// Whether it held its slot when the slot had been taken so often.
    fn is_of(self, generation: u64) -> bool {
        self.0 >> SLOT_BITS & GENERATION_MASK == generation & GENERATION_MASK
    }

    /// Its process id as the process itself saw it; 0 where it is not known.
    pub(crate) fn pid(self) -> u64 {
        if self.slot().is_some() { self.0 >> PID_SHIFT } else { 0 }
    }
}

/// Moves cells, the first of which names their owner, from a process that is gone to another; one of those
/// who try gets them. They are nobody's while they are cleared, so that no reader takes the old value for the
/// new owner's; a process killed at that moment leaves them so.
pub(crate) fn take_cells(cells: &[AtomicU64], holder: Owner, owner: Owner) -> bool {
    let Some((word, rest)) = cells.split_first().filter(|_| holder.0 != 0) else { return false };
    let taken = word.compare_exchange(holder.0, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    if taken {
        rest.iter().for_each(|cell| cell.store(0, Ordering::Relaxed));
        word.store(owner.0, Ordering::Release);
    }
    taken
}

/// Process slots of one segment.
pub(crate) struct Processes<'a> {
    words: &'a [AtomicU64],
    file: Option<&'a File>,
}

const GENERATION: usize = 0;
const PID: usize = 1;

impl<'a> Processes<'a> {
    pub(crate) fn new(segment: &'a [AtomicU64], layout: &Layout, file: Option<&'a File>) -> Self {
        Self { words: &segment[layout.processes..][..PROCESS_SLOTS * PROCESS_WORDS], file }
    }

    /// Takes a slot for the calling process.
    pub(crate) fn join(&self) -> Owner {
        for slot in 0..PROCESS_SLOTS {
            let generation = self.word(slot, GENERATION).load(Ordering::Acquire);
            let free = generation == 0 || !self.is_locked(slot);
            if !free || !self.lock(slot) {
                continue;
            }
            // Whoever held it between the two looks is gone again: the lock says so.
            let generation = self.word(slot, GENERATION).load(Ordering::Acquire);
            let next = generation + 1;
            let won = self.word(slot, GENERATION).compare_exchange(
                generation,
                next,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if won.is_ok() {
                let pid = u64::from(std::process::id());
                self.word(slot, PID).store(pid, Ordering::Release);
                return Owner::new(slot, next, pid);
            }
        }
        Owner::UNKNOWN
    }

    /// Whether the process behind `owner` still runs. The caller's own slot must be known to the caller:
    /// the kernel does not report a process's own locks to itself.
    pub(crate) fn is_alive(&self, owner: Owner) -> bool {
        let Some(slot) = owner.slot() else { return owner == Owner::UNKNOWN };
        owner.is_of(self.word(slot, GENERATION).load(Ordering::Acquire)) && self.is_locked(slot)
    }

    /// Everybody who ever held a slot last, alive or not.
    pub(crate) fn holders(&self) -> impl Iterator<Item = Owner> {
        (0..PROCESS_SLOTS).filter_map(|slot| {
            let generation = self.word(slot, GENERATION).load(Ordering::Acquire);
            let pid = || self.word(slot, PID).load(Ordering::Acquire);
            (generation > 0).then(|| Owner::new(slot, generation, pid()))
        })
    }

    fn word(&self, slot: usize, word: usize) -> &AtomicU64 {
        &self.words[slot * PROCESS_WORDS + word]
    }

    fn lock(&self, slot: usize) -> bool {
        let Some(file) = self.file else { return true };
        let lock = record_lock(slot, libc::F_WRLCK);
        fcntl(file.as_fd(), FcntlArg::F_SETLK(&lock)).is_ok()
    }

    fn is_locked(&self, slot: usize) -> bool {
        let Some(file) = self.file else {
            // Without a file only this process and its children see the segment: ask by pid.
            let pid = self.word(slot, PID).load(Ordering::Acquire) as i32;
            return pid > 0 && std::path::Path::new("/proc").join(pid.to_string()).exists();
        };
        let mut lock = record_lock(slot, libc::F_WRLCK);
        match fcntl(file.as_fd(), FcntlArg::F_GETLK(&mut lock)) {
            Ok(_) => i32::from(lock.l_type) != libc::F_UNLCK,
            Err(_) => true,
        }
    }
}

fn record_lock(slot: usize, kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: slot as libc::off_t,
        l_len: 1,
        l_pid: 0,
    }
}
