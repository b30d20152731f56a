//! Where things lie in a segment. All positions are in words from its start.

use super::region::WORD;

/// Changes whenever the meaning of a word changes; a reader refuses any other.
pub(crate) const LAYOUT_VERSION: u64 = 3;
/// First word of every segment.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"sndpost\x01");

/// Lanes of cells: lane 0 is shared by everybody, the others are each owned by one thread.
pub(crate) const LANES: usize = 4;
/// Processes that can be told apart in one segment: its creator and its forked children.
pub(crate) const PROCESS_SLOTS: usize = 256;
/// Words of one process slot.
pub(crate) const PROCESS_WORDS: usize = 2;
/// Words of one call in flight.
pub(crate) const CALL_WORDS: usize = 64;
/// The longest ring: a record's length has 20 bits.
pub(crate) const MAX_RING_WORDS: usize = 1 << 20;
/// Words of one exemplar.
pub(crate) const EXEMPLAR_WORDS: usize = 12;

/// Words of the header, its copy included.
pub(crate) const HEADER_WORDS: usize = 64;
/// Positions in the header.
pub(crate) mod header {
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const VERSION: usize = 1;
    pub(crate) const WORDS: usize = 2;
    pub(crate) const ID: usize = 3;
    pub(crate) const PID: usize = 4;
    pub(crate) const CREATED_UNIX: usize = 5;
    pub(crate) const CHECKSUM: usize = 6;
    /// How many words the constant part has, its checksum included; the copy follows at `COPY`.
    pub(crate) const CONSTANT: usize = 7;
    pub(crate) const COPY: usize = 8;
    pub(crate) const STATE: usize = 16;
    pub(crate) const HEARTBEAT: usize = 17;
    /// Wall clock minus monotonic clock, nanoseconds.
    pub(crate) const WALL_OFFSET: usize = 18;
    pub(crate) const CELLS_USED: usize = 19;
    pub(crate) const EXEMPLARS_USED: usize = 20;
    /// Where the next record of the ring begins; positions of the ring grow for ever.
    pub(crate) const RING_HEAD: usize = 32;
    /// Where the oldest record of the ring begins that is not freed, and the same with all bits turned.
    pub(crate) const RING_TAIL: usize = 40;
    pub(crate) const RING_TAIL_TURNED: usize = 41;
    /// Up to where the ring is in the store.
    pub(crate) const RING_STORED: usize = 42;
    /// Where the next place of the ring begins that nobody gets, because its writer may come back; 0 for none.
    pub(crate) const RING_HOLE: usize = 43;
    /// One word a lane: who owns it.
    pub(crate) const LANE_OWNERS: usize = 24;
}

/// The smallest segment that holds something useful, bytes.
pub const MIN_SEGMENT_BYTES: usize = 256 * 1024;
/// Size of a segment where nothing else is asked for, bytes.
pub const DEFAULT_SEGMENT_BYTES: usize = 8 * 1024 * 1024;
/// The largest segment, bytes: positions fit 32 bits with room to spare.
pub const MAX_SEGMENT_BYTES: usize = 1024 * 1024 * 1024;

/// Areas of a segment of a given size; a pure function of the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) words: usize,
    pub(crate) processes: usize,
    pub(crate) calls: usize,
    pub(crate) call_slots: usize,
    pub(crate) exemplars: usize,
    pub(crate) exemplar_slots: usize,
    pub(crate) directory: usize,
    pub(crate) directory_words: usize,
    pub(crate) ring: usize,
    /// A power of two.
    pub(crate) ring_words: usize,
    pub(crate) cells: usize,
    pub(crate) lane_words: usize,
}

impl Layout {
    /// Divides `bytes` (rounded down to whole words): up to 1/4 event ring, 3/16 directory, 1/16 calls in
    /// flight, 1/16 exemplars, the rest cells.
    pub(crate) fn of_bytes(bytes: usize) -> Self {
        let words = bytes / WORD;
        let processes = HEADER_WORDS;
        let calls = processes + PROCESS_SLOTS * PROCESS_WORDS;
        let call_slots = (words / 16 / CALL_WORDS).max(1);
        let exemplars = calls + call_slots * CALL_WORDS;
        let exemplar_slots = words / 16 / EXEMPLAR_WORDS;
        let directory = exemplars + exemplar_slots * EXEMPLAR_WORDS;
        let directory_words = words * 3 / 16;
        let ring = directory + directory_words;
        let ring_words = if words < 4 { 0 } else { (1 << (words / 4).ilog2()).min(MAX_RING_WORDS) };
        let cells = ring + ring_words;
        let lane_words = words.saturating_sub(cells) / LANES;
        Self {
            words,
            processes,
            calls,
            call_slots,
            exemplars,
            exemplar_slots,
            directory,
            directory_words,
            ring,
            ring_words,
            cells,
            lane_words,
        }
    }

    /// Start of a lane's cells.
    #[inline]
    pub(crate) fn lane(&self, lane: usize) -> usize {
        self.cells + lane * self.lane_words
    }
}
