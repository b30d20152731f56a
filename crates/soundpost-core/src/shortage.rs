//! Shortages of the process, which make calls of the system fail whatever part makes them.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{address_space, thread};

/// Number of descriptors that one part of the reporter needs at a time.
const SPARE_DESCRIPTORS: usize = 8;

/// A resource that the process has used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// File descriptors: `ulimit -n`.
    Descriptors,
    /// Address space, or room for a thread in it: `ulimit -v`.
    Memory,
}

impl Shortage {
    const ALL: [Self; 2] = [Self::Descriptors, Self::Memory];

    /// Returns the shortage that failed calls do not report: that of descriptors, which SQLite and drivers hide.
    pub fn detect() -> Option<Self> {
        Some(Self::Descriptors).filter(|shortage| shortage.lasts())
    }

    /// Returns the shortage that an error reports.
    pub fn of(error: &io::Error) -> Option<Self> {
        match (error.raw_os_error(), error.kind()) {
            (Some(libc::EMFILE | libc::ENFILE), _) => Some(Self::Descriptors),
            (_, io::ErrorKind::OutOfMemory) => Some(Self::Memory),
            _ => None,
        }
    }

    /// Returns the shortage that the text of an error reports, or that is hidden.
    pub(crate) fn behind(message: &str) -> Option<Self> {
        let reports = |code: i32| message.contains(&format!("(os error {code})"));
        match () {
            () if reports(libc::EMFILE) || reports(libc::ENFILE) => Some(Self::Descriptors),
            () if reports(libc::ENOMEM) || message.contains(address_space::FULL) => Some(Self::Memory),
            () => Self::detect(),
        }
    }

    /// Returns the part that its errors are counted for.
    pub(crate) fn part(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::Memory => "memory",
        }
    }

    /// Returns the reason of `unhealthy`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors_exhausted",
            Self::Memory => "memory_exhausted",
        }
    }

    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Descriptors => {
                "the process has no file descriptor left: raise `ulimit -n`, or find the leak"
            }
            Self::Memory => "a thread takes less address space with MALLOC_ARENA_MAX=1",
        }
    }

    fn lasts(self) -> bool {
        match self {
            Self::Descriptors => {
                let opened: io::Result<Vec<File>> =
                    (0..SPARE_DESCRIPTORS).map(|_| File::open("/dev/null")).collect();
                opened.is_err_and(|error| Self::of(&error) == Some(self))
            }
            Self::Memory => thread::check_room().is_err(),
        }
    }
}

/// The shortages that failures of a registry's parts were attributed to.
#[derive(Default)]
pub(crate) struct Shortages([AtomicBool; 2]);

impl Shortages {
    pub(crate) fn note(&self, shortage: Shortage) {
        self.0[shortage as usize].store(true, Ordering::Relaxed);
    }

    /// Returns the noted shortages with whether each lasts, and forgets those that do not.
    pub(crate) fn update(&self) -> impl Iterator<Item = (Shortage, bool)> {
        Shortage::ALL.into_iter().filter(|shortage| self.0[*shortage as usize].load(Ordering::Relaxed)).map(
            |shortage| {
                let lasts = shortage.lasts();
                self.0[shortage as usize].store(lasts, Ordering::Relaxed);
                (shortage, lasts)
            },
        )
    }
}
