//! The layout of a segment. All positions are words from its start.

use super::region::WORD;

/// Version of the layout; a reader rejects any other.
pub(crate) const LAYOUT_VERSION: u64 = 5;
/// First word of every segment.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"sndpost\x01");
/// Number of lanes: lane 0 is shared, each other lane belongs to one thread.
pub(crate) const LANES: usize = 4;
/// Number of process slots in a segment: its creator and forked children.
pub(crate) const PROCESS_SLOTS: usize = 256;
pub(crate) const PROCESS_WORDS: usize = 2;
pub(crate) const CALL_WORDS: usize = 64;
/// Maximum length of the ring: a record's length has 20 bits.
pub(crate) const MAX_RING_WORDS: usize = 1 << 20;
pub(crate) const EXEMPLAR_WORDS: usize = 12;
/// Words of the header, including its copy.
pub(crate) const HEADER_WORDS: usize = 64;
pub(crate) mod header {
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const VERSION: usize = 1;
    pub(crate) const WORDS: usize = 2;
    pub(crate) const ID: usize = 3;
    pub(crate) const PID: usize = 4;
    pub(crate) const CREATED_UNIX: usize = 5;
    pub(crate) const CHECKSUM: usize = 6;
    /// Words of the constant part, including its checksum; the copy starts at `COPY`.
    pub(crate) const CONSTANT: usize = 7;
    pub(crate) const COPY: usize = 8;
    pub(crate) const STATE: usize = 16;
    pub(crate) const HEARTBEAT: usize = 17;
    /// Wall clock minus monotonic clock, nanoseconds.
    pub(crate) const WALL_OFFSET: usize = 18;
    pub(crate) const CELLS_USED: usize = 19;
    pub(crate) const EXEMPLARS_USED: usize = 20;
    /// 1 after a family or series found no room.
    pub(crate) const FULL: usize = 21;
    /// Position of the next record of the ring; positions of the ring only grow.
    pub(crate) const RING_HEAD: usize = 32;
    /// Position of the oldest record that is not freed, and the same with all bits inverted.
    pub(crate) const RING_TAIL: usize = 40;
    pub(crate) const RING_TAIL_TURNED: usize = 41;
    /// End of the stored records.
    pub(crate) const RING_STORED: usize = 42;
    /// Position of the next hole: a place that is withheld because its writer may resume; 0 for none.
    pub(crate) const RING_HOLE: usize = 43;
    /// Owner of each lane.
    pub(crate) const LANE_OWNERS: usize = 24;
}

/// Minimum size of a segment, bytes.
pub const MIN_SEGMENT_BYTES: usize = 256 * 1024;
/// Default size of a segment, bytes.
pub const DEFAULT_SEGMENT_BYTES: usize = 8 * 1024 * 1024;
/// Maximum size of a segment, bytes; positions fit 32 bits.
pub const MAX_SEGMENT_BYTES: usize = 1024 * 1024 * 1024;

/// Areas of a segment, computed from its size alone.
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

    #[inline]
    pub(crate) fn lane(&self, lane: usize) -> usize {
        self.cells + lane * self.lane_words
    }
}
