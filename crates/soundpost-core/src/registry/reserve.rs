//! Room of the segment that only overflow series take, so that sums stay right when it is full.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Words of the directory that are reserved for the overflow series of a family.
const FAMILY_WORDS: usize = 24;
/// Words of the directory that are reserved for the operation of calls without a name of their own.
const OPERATION_WORDS: usize = 16;

/// Room of a segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    pub(super) cells: usize,
    /// Words of the directory.
    pub(super) words: usize,
}

impl Room {
    /// Returns the room that a family reserves whose series have so many cells.
    pub(super) fn of_family(cells: usize) -> Self {
        Self { cells, words: FAMILY_WORDS }
    }

    /// Returns this room without a part of it.
    pub(super) fn without(self, part: Self) -> Self {
        Self { cells: self.cells.saturating_sub(part.cells), words: self.words.saturating_sub(part.words) }
    }

    pub(super) fn with(self, more: Self) -> Self {
        Self { cells: self.cells + more.cells, words: self.words + more.words }
    }
}

/// Room that is reserved for families without an overflow series, in the view of this process.
#[derive(Default)]
pub(super) struct Reserve {
    cells: AtomicUsize,
    words: AtomicUsize,
}

impl Reserve {
    /// Returns the room that ordinary records leave free.
    pub(super) fn room(&self) -> Room {
        Room { cells: self.cells.load(Relaxed), words: self.words.load(Relaxed) + OPERATION_WORDS }
    }

    /// Returns the room that the operation of calls without a name leaves free.
    pub(super) fn for_operation(&self) -> Room {
        self.room().without(Room { cells: 0, words: OPERATION_WORDS })
    }

    pub(super) fn add(&self, room: Room) {
        self.cells.fetch_add(room.cells, Relaxed);
        self.words.fetch_add(room.words, Relaxed);
    }

    pub(super) fn remove(&self, room: Room) {
        self.cells.fetch_sub(room.cells, Relaxed);
        self.words.fetch_sub(room.words, Relaxed);
    }
}
