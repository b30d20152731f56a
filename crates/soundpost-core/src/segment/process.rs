//! Processes that share a segment: its creator and its forked children.
//!
//! Each process takes a slot and holds a POSIX record lock on the byte of the slot's number. Such a lock
//! belongs to one process, is not inherited by `fork`, and ends with the process. Another process can
//! therefore test through the kernel whether the holder lives, even from another PID namespace.

use std::fs::File;
use std::os::fd::AsFd;

use nix::fcntl::{FcntlArg, fcntl};

use super::layout::{Layout, PROCESS_SLOTS, PROCESS_WORDS};
use crate::sync::{AtomicU64, Ordering};

/// A process in a segment: slot number and generation, so that a reused slot does not revive its former holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner(u64);

impl Owner {
    /// Owner without a slot, because all slots were taken.
    pub(crate) const UNKNOWN: Self = Self(u64::MAX);

    pub(crate) fn word(self) -> u64 {
        self.0
    }

    pub(crate) fn from_word(word: u64) -> Self {
        Self(word)
    }

    fn new(slot: usize, generation: u64) -> Self {
        Self(generation << 16 | (slot as u64 + 1))
    }

    /// Encodes the owner in 32 bits: nine of the slot, the rest of the generation.
    #[inline]
    pub(crate) fn short(self) -> u64 {
        (self.0 & 0x1FF | self.0 >> 16 << 9) & 0xFFFF_FFFF
    }

    /// Decodes [`Owner::short`].
    pub(crate) fn from_short(short: u64) -> Self {
        if short == Self::UNKNOWN.short() { Self::UNKNOWN } else { Self(short >> 9 << 16 | short & 0x1FF) }
    }

    fn slot(self) -> Option<usize> {
        let slot = (self.0 & 0xFFFF) as usize;
        (1..=PROCESS_SLOTS).contains(&slot).then(|| slot - 1)
    }

    fn generation(self) -> u64 {
        self.0 >> 16
    }
}

/// Moves cells, the first of which holds their owner, from a dead process to another; only one caller
/// succeeds. The cells have no owner while they are cleared, so that no reader assigns the old value to the
/// new owner. A process killed at that moment leaves them without an owner.
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
/// Process id in the lower half, and marks.
const PID: usize = 1;
const PID_MASK: u64 = 0xFFFF_FFFF;
/// Mark of a process that ended in good order.
pub(crate) const ENDED: u64 = 1 << 32;
/// Mark of a process that is not ready to serve.
pub(crate) const UNREADY: u64 = 1 << 33;
/// Mark of a process in a phase of loading.
pub(crate) const LOADING: u64 = 1 << 34;
/// Mark of a process that ended such a phase.
pub(crate) const LOADED: u64 = 1 << 35;

impl<'a> Processes<'a> {
    pub(crate) fn new(segment: &'a [AtomicU64], layout: &Layout, file: Option<&'a File>) -> Self {
        Self { words: &segment[layout.processes..][..PROCESS_SLOTS * PROCESS_WORDS], file }
    }

    /// Takes a slot. Those of processes that died are the last ones, so that readers find these.
    pub(crate) fn join(&self) -> Owner {
        let slots = (0..2 * PROCESS_SLOTS).map(|turn| (turn % PROCESS_SLOTS, turn >= PROCESS_SLOTS));
        for (slot, is_last_turn) in slots {
            let is_unused = self.word(slot, GENERATION).load(Ordering::Acquire) == 0;
            let is_left = self.word(slot, PID).load(Ordering::Acquire) & ENDED != 0;
            let free = is_unused || (is_left || is_last_turn) && !self.is_locked(slot);
            if !free || !self.lock(slot) {
                continue;
            }
            // The lock proves that an intermediate holder is gone.
            let generation = self.word(slot, GENERATION).load(Ordering::Acquire);
            let next = generation + 1;
            let won = self.word(slot, GENERATION).compare_exchange(
                generation,
                next,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if won.is_ok() {
                self.word(slot, PID).store(u64::from(std::process::id()), Ordering::Release);
                return Owner::new(slot, next);
            }
        }
        Owner::UNKNOWN
    }

    /// Reports whether the process behind `owner` runs. The caller handles its own slot, because the kernel
    /// does not report a process's own locks to it.
    pub(crate) fn is_alive(&self, owner: Owner) -> bool {
        let Some(slot) = owner.slot() else { return owner == Owner::UNKNOWN };
        self.word(slot, GENERATION).load(Ordering::Acquire) == owner.generation() && self.is_locked(slot)
    }

    /// Returns the process id of `owner`, as the process itself saw it.
    pub(crate) fn pid(&self, owner: Owner) -> u64 {
        owner.slot().map_or(0, |slot| self.word(slot, PID).load(Ordering::Acquire) & PID_MASK)
    }

    /// Sets or clears a mark of a process.
    pub(crate) fn set_mark(&self, owner: Owner, mark: u64, is_set: bool) {
        let Some(slot) = owner.slot() else { return };
        match is_set {
            true => self.word(slot, PID).fetch_or(mark, Ordering::AcqRel),
            false => self.word(slot, PID).fetch_and(!mark, Ordering::AcqRel),
        };
    }

    pub(crate) fn has_mark(&self, owner: Owner, mark: u64) -> bool {
        owner.slot().is_some_and(|slot| self.word(slot, PID).load(Ordering::Acquire) & mark != 0)
    }

    /// Returns the last holder of each slot, alive or not.
    pub(crate) fn holders(&self) -> impl Iterator<Item = Owner> {
        (0..PROCESS_SLOTS).filter_map(|slot| {
            let generation = self.word(slot, GENERATION).load(Ordering::Acquire);
            (generation > 0).then(|| Owner::new(slot, generation))
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
            // Without a file only this process and its children see the segment: check by pid.
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
