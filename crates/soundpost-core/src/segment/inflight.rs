//! Calls in flight: one slot for each call, claimed at its start and freed at its end.
//!
//! The slot holds the state of the running call, so other processes see its progress, even after its process
//! died. The first word holds a phase and a sequence number that each claim increments. The thread that moves
//! a slot from `Active` to `Ending` ends the call.

use std::cell::Cell;

use super::exemplar::IdWords;
use super::layout::{CALL_WORDS, Layout};
use super::process::Owner;
use crate::sync::{AtomicU64, Ordering, fence};

/// Words of a slot.
pub(crate) mod word {
    pub(crate) const STATE: usize = 0;
    pub(crate) const OWNER: usize = 1;
    /// Position of the operation's record.
    pub(crate) const OPERATION: usize = 2;
    /// Position of the stage's record plus one; 0 outside of stages.
    pub(crate) const STAGE: usize = 3;
    pub(crate) const STARTED: usize = 4;
    pub(crate) const QUEUED: usize = 5;
    pub(crate) const PROGRESS: usize = 6;
    /// Busy nanoseconds up to the last suspension.
    pub(crate) const BUSY: usize = 7;
    /// Time of the last resume; while the consumer has the call, time of the suspension and [`super::SUSPENDED`].
    pub(crate) const RESUMED: usize = 8;
    pub(crate) const CHUNKS: usize = 9;
    /// Seconds, as the bits of an f64.
    pub(crate) const AUDIO: usize = 10;
    pub(crate) const FIRST_AUDIO: usize = 11;
    pub(crate) const LAST_CHUNK: usize = 12;
    /// Worst underrun, nanoseconds.
    pub(crate) const UNDERRUN: usize = 13;
    pub(crate) const CHARACTERS: usize = 14;
    /// Bits of [`super::flag`].
    pub(crate) const FLAGS: usize = 15;
    pub(crate) const ID_LENGTH: usize = 16;
    pub(crate) const ID: usize = 17;
    /// 1 when the outcome is counted; a call that dies before is `died`.
    pub(crate) const COUNTED: usize = 25;
    /// 1 when the call's record is in the event ring.
    pub(crate) const RECORDED: usize = 26;
    /// Position of the call's record in the event ring plus one; 0 before it is written.
    pub(crate) const RECORD_AT: usize = 27;
    /// Outcome that the call was marked with, plus one; 0 without a mark.
    pub(crate) const MARK: usize = 28;
    /// The part of the audio that is silent throughout: seconds, as the bits of an f64.
    pub(crate) const SILENCE: usize = 29;
    /// Video produced: seconds, as the bits of an f64.
    pub(crate) const VIDEO: usize = 30;
    /// Stages by name: key (see [`super::RawStage`]) and nanoseconds, in the order of their first end. Names
    /// beyond the slot's end are only in the metrics.
    pub(crate) const STAGES: usize = 32;
}

/// Words of a slot that the record of a finished call copies.
pub(crate) const RECORDED_WORDS: [usize; 11] = [
    word::OWNER,
    word::OPERATION,
    word::STARTED,
    word::QUEUED,
    word::FIRST_AUDIO,
    word::UNDERRUN,
    word::CHUNKS,
    word::AUDIO,
    word::CHARACTERS,
    word::FLAGS,
    word::VIDEO,
];

/// Bit of [`word::RESUMED`] while the consumer has the call.
pub(crate) const SUSPENDED: u64 = 1 << 63;

/// Bits of [`word::FLAGS`].
pub(crate) mod flag {
    /// The consumer takes chunks while they are made.
    pub(crate) const STREAMING: u64 = 1;
    /// The call has output: without any it is `empty`.
    pub(crate) const EXPECTS_OUTPUT: u64 = 2;
    /// An item without output was recorded.
    pub(crate) const NOTHING: u64 = 4;
    /// The last item was handed over; the consumer may leave.
    pub(crate) const LAST: u64 = 8;
    /// The call prepares the service; it is stored, and not counted.
    pub(crate) const WARMUP: u64 = 16;
    /// The first call of its operation in the process.
    pub(crate) const COLD: u64 = 32;
    /// Output of unknown length was recorded.
    pub(crate) const OUTPUT: u64 = 64;
    /// A part of the output has an unknown length, so the audio of the call has none.
    pub(crate) const UNKNOWN_LENGTH: u64 = 128;

    /// Returns `flags` with a bit set or cleared.
    pub(crate) fn with(flags: u64, bit: u64, on: bool) -> u64 {
        if on { flags | bit } else { flags & !bit }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Phase {
    Free = 0,
    /// Claimed, not filled yet.
    Starting = 1,
    Active = 2,
    /// The end is being recorded, or was recorded while the owner still holds the slot.
    Ending = 3,
}

const PHASE_BITS: u32 = 2;

fn state(phase: Phase, sequence: u64) -> u64 {
    sequence << PHASE_BITS | phase as u64
}

fn phase_of(state: u64) -> u64 {
    state & 3
}

/// A claimed slot: index and the sequence number of the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) index: u32,
    pub(crate) sequence: u64,
}

/// Initial values of a call.
pub(crate) struct Begin {
    pub(crate) owner: Owner,
    pub(crate) operation_at: u32,
    pub(crate) now: u64,
    pub(crate) queued: u64,
    pub(crate) flags: u64,
    pub(crate) id: IdWords,
}

#[derive(Clone, Debug)]
pub(crate) struct RawCall {
    pub(crate) index: u32,
    /// Number of claims of the slot; with the index it identifies the call.
    pub(crate) sequence: u64,
    /// The end is being recorded and not counted yet.
    pub(crate) ending: bool,
    pub(crate) words: [u64; CALL_WORDS],
}

impl RawCall {
    pub(crate) fn owner(&self) -> Owner {
        Owner::from_word(self.words[word::OWNER])
    }

    /// Returns the position of the call's record in the event ring.
    pub(crate) fn record_at(&self) -> Option<u64> {
        self.words[word::RECORD_AT].checked_sub(1)
    }

    pub(crate) fn request_id(&self) -> Option<String> {
        let mut id = IdWords { length: self.words[word::ID_LENGTH], words: [0; 8] };
        id.words.copy_from_slice(&self.words[word::ID..word::ID + 8]);
        id.text()
    }
}

thread_local! {
    /// Slot that this thread used last.
    static HINT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The table of one segment.
#[derive(Clone, Copy)]
pub(crate) struct InFlight<'a> {
    words: &'a [AtomicU64],
}

impl<'a> InFlight<'a> {
    #[inline]
    pub(crate) fn new(segment: &'a [AtomicU64], layout: &Layout) -> Self {
        Self { words: &segment[layout.calls..][..layout.call_slots * CALL_WORDS] }
    }

    /// Claims and fills a slot; `None` when all are taken.
    #[inline]
    pub(crate) fn begin(&self, begin: &Begin) -> Option<Ticket> {
        let slots = self.words.len() / CALL_WORDS;
        let first = HINT.with(Cell::get);
        let first = if first < slots { first } else { spread(slots) };
        let mut index = first;
        loop {
            let slot = self.slot(index as u32);
            let before = slot[word::STATE].load(Ordering::Relaxed);
            if phase_of(before) == Phase::Free as u64 {
                let sequence = (before >> PHASE_BITS) + 1;
                let claimed = state(Phase::Starting, sequence);
                let won =
                    slot[word::STATE].compare_exchange(before, claimed, Ordering::Acquire, Ordering::Relaxed);
                if won.is_ok() {
                    HINT.with(|hint| hint.set(index));
                    // A reader that sees a word of this call also sees the new sequence number.
                    fence(Ordering::Release);
                    fill(slot, begin);
                    slot[word::STATE].store(state(Phase::Active, sequence), Ordering::Release);
                    return Some(Ticket { index: index as u32, sequence });
                }
            }
            index = if index + 1 == slots { 0 } else { index + 1 };
            if index == first {
                return None;
            }
        }
    }

    /// Reports whether the ticket's call has not ended.
    #[inline]
    pub(crate) fn is_active(&self, ticket: Ticket) -> bool {
        self.slot(ticket.index)[word::STATE].load(Ordering::Relaxed) == state(Phase::Active, ticket.sequence)
    }

    /// Wins the right to record the end of the call, once.
    #[inline]
    pub(crate) fn end(&self, ticket: Ticket) -> bool {
        end(self.slot(ticket.index), ticket.sequence)
    }

    /// Frees the slot of an ended call. Only the holder of the ticket calls it; a second call does nothing.
    #[inline]
    pub(crate) fn free(&self, ticket: Ticket) {
        let (ending, free) = (state(Phase::Ending, ticket.sequence), state(Phase::Free, ticket.sequence));
        let _ = self.slot(ticket.index)[word::STATE].compare_exchange(
            ending,
            free,
            Ordering::Release,
            Ordering::Relaxed,
        );
    }

    /// Ends an active call on behalf of its holder, who frees the slot later, if `still` accepts the copy of the slot.
    pub(crate) fn end_if(&self, index: u32, still: impl FnOnce(&RawCall) -> bool) -> Option<RawCall> {
        let (call, sequence) = self.read_slot(index)?;
        (still(&call) && end(self.slot(index), sequence)).then_some(call)
    }

    /// Marks the outcome as counted right before it is counted. A process killed before this leaves a call
    /// that died, a process killed after it a call that ended.
    #[inline]
    pub(crate) fn count(slot: &[AtomicU64]) {
        slot[word::COUNTED].store(1, Ordering::Relaxed);
        fence(Ordering::Release);
    }

    pub(crate) fn read(&self) -> impl Iterator<Item = RawCall> + 'a {
        self.read_uncounted().filter(|call| !call.ending)
    }

    /// Reports whether a call of a living owner is in a slot, and the number of calls ever begun, modulo
    /// 2^64. Reads one or two words of each slot.
    pub(crate) fn activity(&self, alive: impl Fn(Owner) -> bool) -> (bool, u64) {
        let (mut running, mut dead, mut begun) = (false, None, 0_u64);
        for slot in self.words.chunks_exact(CALL_WORDS) {
            let state = slot[word::STATE].load(Ordering::Relaxed);
            begun = begun.wrapping_add(state >> PHASE_BITS);
            if !running && phase_of(state) != Phase::Free as u64 {
                let owner = Some(Owner::from_word(slot[word::OWNER].load(Ordering::Relaxed)));
                running = owner != dead && owner.is_some_and(&alive);
                // A slot of a dead process stays taken until its segment is merged.
                dead = owner.filter(|_| !running);
            }
        }
        (running, begun)
    }

    /// Returns all calls whose outcome is not counted, including those that are ending.
    pub(crate) fn read_uncounted(&self) -> impl Iterator<Item = RawCall> + 'a {
        let table = *self;
        table.indexes().filter_map(move |index| table.read_slot(index)).map(|(call, _)| call)
    }

    /// Clears the record position of the call whose record was begun at `position`.
    pub(crate) fn forget_record(&self, position: u64) {
        let at = position + 1;
        for slot in self.words.chunks_exact(CALL_WORDS) {
            let _ = slot[word::RECORD_AT].compare_exchange(at, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Returns all calls without a record in the event ring.
    pub(crate) fn read_unrecorded(&self) -> impl Iterator<Item = RawCall> + 'a {
        let table = *self;
        let slots = table.indexes().filter_map(move |index| table.read_any(index));
        slots.filter(|call| call.words[word::RECORDED] == 0)
    }

    fn read_slot(&self, index: u32) -> Option<(RawCall, u64)> {
        let call = self.read_any(index)?;
        let counted = call.ending && call.words[word::COUNTED] != 0;
        let sequence = call.sequence;
        (!counted).then_some((call, sequence))
    }

    fn read_any(&self, index: u32) -> Option<RawCall> {
        let slot = self.slot(index);
        let before = slot[word::STATE].load(Ordering::Acquire);
        let ending = phase_of(before) == Phase::Ending as u64;
        if !ending && phase_of(before) != Phase::Active as u64 {
            return None;
        }
        let words: [u64; CALL_WORDS] = std::array::from_fn(|word| slot[word].load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let unchanged = slot[word::STATE].load(Ordering::Relaxed) == before;
        let call = RawCall { index, sequence: before >> PHASE_BITS, ending, words };
        unchanged.then_some(call)
    }

    fn indexes(&self) -> std::ops::Range<u32> {
        0..(self.words.len() / CALL_WORDS) as u32
    }

    #[inline]
    pub(crate) fn slot(&self, index: u32) -> &'a [AtomicU64] {
        &self.words[index as usize * CALL_WORDS..][..CALL_WORDS]
    }
}

#[inline]
fn end(slot: &[AtomicU64], sequence: u64) -> bool {
    let (active, ending) = (state(Phase::Active, sequence), state(Phase::Ending, sequence));
    slot[word::STATE].compare_exchange(active, ending, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

#[inline]
pub(crate) fn fill(slot: &[AtomicU64], begin: &Begin) {
    let set = |word: usize, value: u64| slot[word].store(value, Ordering::Relaxed);
    set(word::OWNER, begin.owner.word());
    set(word::OPERATION, u64::from(begin.operation_at));
    set(word::STAGE, 0);
    set(word::STARTED, begin.now);
    set(word::QUEUED, begin.queued);
    set(word::PROGRESS, begin.now);
    set(word::BUSY, 0);
    set(word::RESUMED, begin.now);
    set(word::CHUNKS, 0);
    set(word::AUDIO, 0);
    set(word::FIRST_AUDIO, 0);
    set(word::LAST_CHUNK, 0);
    set(word::UNDERRUN, 0);
    set(word::CHARACTERS, 0);
    set(word::FLAGS, begin.flags);
    set(word::COUNTED, 0);
    set(word::RECORDED, 0);
    set(word::RECORD_AT, 0);
    set(word::MARK, 0);
    set(word::SILENCE, 0);
    set(word::VIDEO, 0);
    for entry in slot[word::STAGES..].chunks_exact(2) {
        if entry[0].load(Ordering::Relaxed) == 0 {
            break;
        }
        entry[0].store(0, Ordering::Relaxed);
        entry[1].store(0, Ordering::Relaxed);
    }
    set(word::ID_LENGTH, begin.id.length);
    for (index, value) in begin.id.words.iter().enumerate() {
        set(word::ID + index, *value);
    }
}

/// Returns the slot where a thread starts its first search.
#[cold]
fn spread(slots: usize) -> usize {
    use std::sync::atomic::AtomicUsize;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(7, std::sync::atomic::Ordering::Relaxed) % slots
}
