//! Memory of a segment: a slice of atomic words, mapped from a file or on the heap.
//!
//! A segment's contents, including text, are read and written as whole atomic words, so a torn or damaged record is
//! wrong data at worst and never undefined behaviour. This file and `fork.rs` are the only places with `unsafe` code.

use std::fs::File;
use std::io;
use std::ptr::NonNull;

#[cfg(not(any(loom, miri)))]
use std::num::NonZeroUsize;

#[cfg(not(any(loom, miri)))]
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

#[cfg(not(any(loom, miri)))]
use crate::address_space;
use crate::sync::AtomicU64;

pub(crate) const WORD: usize = 8;

/// A fixed number of zero-initialised atomic words, alive as long as this value.
pub(crate) struct Region {
    first: NonNull<AtomicU64>,
    words: usize,
    backing: Backing,
}

enum Backing {
    #[cfg(not(any(loom, miri)))]
    Mapped,
    Heap,
}

// SAFETY: the words are atomics; the mapping is released only by `Drop`, when no reference is left.
unsafe impl Send for Region {}
// SAFETY: as above; shared access is through atomics only.
unsafe impl Sync for Region {}

impl Region {
    /// Makes a region on the heap with `contents`: a copy, or a segment under a model checker.
    pub(crate) fn from_words(contents: impl IntoIterator<Item = u64>) -> Self {
        let words: Box<[AtomicU64]> = contents.into_iter().map(AtomicU64::new).collect();
        let count = words.len();
        let first = NonNull::from(Box::leak(words)).cast();
        Self { first, words: count, backing: Backing::Heap }
    }

    /// Makes zeroed memory that only this process and its forked children see.
    #[cfg(not(any(loom, miri)))]
    pub(crate) fn anonymous(words: usize) -> io::Result<Self> {
        Self::unnamed(words, MapFlags::MAP_SHARED)
    }

    /// Makes zeroed memory of this process alone; pages that are never written take none.
    #[cfg(not(any(loom, miri)))]
    pub(crate) fn zeroed(words: usize) -> io::Result<Self> {
        Self::unnamed(words, MapFlags::MAP_PRIVATE)
    }

    #[cfg(not(any(loom, miri)))]
    fn unnamed(words: usize, flags: MapFlags) -> io::Result<Self> {
        let length = length(words)?;
        address_space::check(length.get() as u64)?;
        // SAFETY: a fresh mapping at an address the kernel chooses aliases nothing.
        let first =
            unsafe { mmap_anonymous(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, flags) }?;
        Ok(Self { first: first.cast(), words, backing: Backing::Mapped })
    }

    /// Makes zeroed memory on the heap for a checker that cannot map.
    #[cfg(any(loom, miri))]
    pub(crate) fn anonymous(words: usize) -> io::Result<Self> {
        Ok(Self::from_words(std::iter::repeat_n(0, words)))
    }

    /// Makes zeroed memory on the heap for a checker that cannot map.
    #[cfg(any(loom, miri))]
    pub(crate) fn zeroed(words: usize) -> io::Result<Self> {
        Self::anonymous(words)
    }

    /// Maps the first `words` words of `file`, shared; the file must be at least that long.
    #[cfg(not(any(loom, miri)))]
    pub(crate) fn map(file: &File, words: usize, writable: bool) -> io::Result<Self> {
        let length = length(words)?;
        if file.metadata()?.len() < length.get() as u64 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "shorter than its header says"));
        }
        address_space::check(length.get() as u64)?;
        let access =
            if writable { ProtFlags::PROT_READ | ProtFlags::PROT_WRITE } else { ProtFlags::PROT_READ };
        // SAFETY: a fresh mapping at an address the kernel chooses; the length was checked against the
        // file, and segments are never shortened while somebody holds their lock.
        let first = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, file, 0) }?;
        Ok(Self { first: first.cast(), words, backing: Backing::Mapped })
    }

    /// Fails, because a model checker cannot map.
    #[cfg(any(loom, miri))]
    pub(crate) fn map(_: &File, _: usize, _: bool) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: `first` points to `words` initialised atomics that live as long as `self`.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.words) }
    }
}

#[cfg(not(any(loom, miri)))]
fn length(words: usize) -> io::Result<NonZeroUsize> {
    words.checked_mul(WORD).and_then(NonZeroUsize::new).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

impl Drop for Region {
    fn drop(&mut self) {
        match self.backing {
            #[cfg(not(any(loom, miri)))]
            // SAFETY: this mapping was made by `map` or `unnamed` with this length, and nothing refers to it any more.
            Backing::Mapped => drop(unsafe { munmap(self.first.cast(), self.words * WORD) }),
            // SAFETY: the pointer and length come from `Box::leak` in `from_words`.
            Backing::Heap => drop(unsafe {
                Box::from_raw(std::ptr::slice_from_raw_parts_mut(self.first.as_ptr(), self.words))
            }),
        }
    }
}
