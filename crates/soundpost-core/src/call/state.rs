//! A call in flight, as those who hold on to it see it: its call set, its slot, its request id.

use std::sync::atomic::{AtomicU64 as LocalU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::field::{self, FieldBuffer};
use super::finished::GpuUse;
use super::outcome::Outcome;
use super::request_id::RequestId;
use super::set::{CallSet, Ended};
use super::stage::Stage;
use crate::clock::{self, seconds};
use crate::field::{FieldValue, decode};
use crate::history::CallWindow;
use crate::registry::Kept;
use crate::segment::{Begin, CALL_WORDS, InFlight, Ticket, epoch, fill, flag, word};
use crate::sync::{AtomicU64, Ordering};

/// A length of audio, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Seconds(pub f64);

/// A running call, shared: what stages, chunks and the current call refer to. Recording on a call that
/// has ended does nothing.
pub struct CallState {
    set: Arc<CallSet>,
    place: Place,
    id: RequestId,
    epoch: u32,
    started: u64,
    /// When it was ended through this value; 0 before.
    ended: LocalU64,
}

#[derive(Clone)]
enum Place {
    /// In the segment, where other processes see it.
    Slot(Ticket),
    /// On the heap, when every slot is taken.
    Local(Arc<Local>),
}

/// A call without a slot; its first word is 1 until it ends.
struct Local {
    words: Box<[AtomicU64]>,
    fields: Mutex<FieldBuffer>,
}

/// Fields of a call without a slot belong to it alone.
const LOCAL_TICKET: u64 = 1;

impl CallState {
    #[inline]
    pub(super) fn begin(set: Arc<CallSet>, id: RequestId, begin: &Begin) -> Self {
        let place = match set.registry.segment().in_flight().begin(begin) {
            Some(ticket) => Place::Slot(ticket),
            None => {
                let words: Box<[AtomicU64]> = (0..CALL_WORDS).map(|_| AtomicU64::new(0)).collect();
                fill(&words, begin);
                words[word::STATE].store(1, Ordering::Release);
                Place::Local(Arc::new(Local { words, fields: Mutex::default() }))
            }
        };
        set.record_start();
        Self { set, place, id, epoch: epoch(), started: begin.now, ended: LocalU64::new(0) }
    }

    /// The request id: the caller's, the trace's, or made.
    pub fn request_id(&self) -> &str {
        self.id.as_str()
    }

    /// The operation's name.
    pub fn operation(&self) -> &str {
        &self.set.operation
    }

    /// Whether it has not ended.
    pub fn is_active(&self) -> bool {
        let mut active = false;
        self.with_slot(|_| active = true);
        active
    }

    /// What the call did to GPU memory: so far while it runs, in all after its end. None where no GPU is sampled,
    /// or none was before its start, and in a forked child that inherited the call.
    ///
    /// Read from the history that the service's reporter writes, ten times a second while calls run: right after
    /// the end the last sample may be one of before it. Whether the call had the GPU to itself is as this process
    /// sees it at this moment, from its own calls in flight; the record of the finished call knows of all others.
    pub fn gpu(&self) -> Option<GpuUse> {
        if self.epoch != epoch() {
            return None;
        }
        let ended = Some(self.ended.load(Relaxed)).filter(|ended| *ended > 0);
        let window = CallWindow { pid: std::process::id(), started: self.started, ended };
        let registry = &self.set.registry;
        let own = match &self.place {
            Place::Slot(ticket) if ended.is_none() => Some(ticket.index()),
            _ => None,
        };
        let meanwhile = |started: u64| ended.is_none_or(|ended| started < ended);
        let others = registry.segment().in_flight().read();
        let shared =
            others.into_iter().any(|other| Some(other.index) != own && meanwhile(other.words[word::STARTED]));
        self.set.metrics.gpu.gpu_use(registry.place()?, &window, shared)
    }

    /// Begins a stage of this call.
    pub fn stage(&self, name: &str) -> Stage {
        Stage::begin(self.set.stage(name), Some(self.clone()))
    }

    /// A chunk of output with so many seconds of audio; 0 for one that carries none (a header, an inserted
    /// silence). The first with audio gives the time to first audio.
    #[inline]
    pub fn chunk(&self, audio: Seconds) {
        let now = clock::monotonic_nanos();
        self.with_slot(|slot| self.record_chunk(slot, audio, now));
    }

    /// As [`CallState::chunk`], and the consumer has it from now on: see [`CallState::suspend`].
    #[inline]
    pub fn hand_over(&self, audio: Seconds) {
        let now = clock::monotonic_nanos();
        self.with_slot(|slot| {
            self.record_chunk(slot, audio, now);
            stop(slot, now);
        });
    }

    /// Audio of a result that is not handed over in chunks.
    pub fn audio(&self, audio: Seconds) {
        self.with_slot(|slot| {
            if let Some(audio) = self.accepted(audio) {
                let total = f64::from_bits(slot[word::AUDIO].load(Ordering::Relaxed)) + audio;
                slot[word::AUDIO].store(total.to_bits(), Ordering::Relaxed);
            }
        });
    }

    /// Says that the call moves on, without output.
    pub fn progress(&self) {
        let now = clock::monotonic_nanos();
        self.with_slot(|slot| slot[word::PROGRESS].store(now, Ordering::Relaxed));
    }

    /// From now on the time is the consumer's, not the service's: busy seconds stop.
    #[inline]
    pub fn suspend(&self) {
        let now = clock::monotonic_nanos();
        self.with_slot(|slot| stop(slot, now));
    }

    /// From now on the time is the service's again.
    #[inline]
    pub fn resume(&self) {
        let now = clock::monotonic_nanos();
        self.with_slot(|slot| {
            slot[word::RESUMED].store(now, Ordering::Relaxed);
            slot[word::PROGRESS].store(now, Ordering::Relaxed);
        });
    }

    /// Characters of text the call takes in.
    pub fn characters(&self, count: u64) {
        self.with_slot(|slot| slot[word::CHARACTERS].store(count, Ordering::Relaxed));
    }

    /// Whether the consumer takes chunks as they are made.
    pub fn streaming(&self, streaming: bool) {
        self.with_slot(|slot| {
            let flags = slot[word::FLAGS].load(Ordering::Relaxed);
            slot[word::FLAGS].store(flag::with(flags, flag::STREAMING, streaming), Ordering::Relaxed);
        });
    }

    /// Whether the call is measured by its output, so that without any it is `empty`.
    pub fn expects_output(&self) {
        self.with_slot(|slot| {
            slot[word::FLAGS].fetch_or(flag::EXPECTS_OUTPUT, Ordering::Relaxed);
        });
    }

    /// A field: any value that belongs to this call alone. `char_count` also feeds the characters metric.
    /// Beyond 64 fields or 64 KiB a field is left out, and counted.
    pub fn field(&self, name: &str, value: impl Into<FieldValue>) {
        let value = value.into();
        self.with_slot(|slot| {
            let value = field::redacted(&self.set.registry, name, value);
            if let ("char_count", FieldValue::Int(count)) = (name, &value) {
                slot[word::CHARACTERS].store(u64::try_from(*count).unwrap_or(0), Ordering::Relaxed);
            }
            let fields = &self.set.fields;
            let set = match &self.place {
                Place::Slot(ticket) => fields
                    .of(ticket.index)
                    .map(|mut buffer| buffer.set(ticket.sequence, name, value.as_ref())),
                Place::Local(local) => field::lock(&local.fields)
                    .map(|mut buffer| buffer.set(LOCAL_TICKET, name, value.as_ref())),
            };
            if set != Some(true) {
                self.set.registry.alter_event(Kept { fields_left: 1, shortened: 0 });
            }
        });
    }

    /// The fields set so far; of an ended call only while they are few (4 KiB) and no other has taken its place.
    pub fn fields(&self) -> Vec<(String, FieldValue)> {
        let mut fields = Vec::new();
        self.with_fields(|words| fields = decode(words));
        fields
    }

    /// The words of this call's fields.
    fn with_fields<R>(&self, use_words: impl FnOnce(&[u64]) -> R) -> R {
        match &self.place {
            _ if self.epoch != epoch() => use_words(&[]),
            Place::Slot(ticket) => match self.set.fields.get(ticket.index) {
                Some(buffer) => use_words(buffer.words(ticket.sequence)),
                None => use_words(&[]),
            },
            Place::Local(local) => match field::lock(&local.fields) {
                Some(buffer) => use_words(buffer.words(LOCAL_TICKET)),
                None => use_words(&[]),
            },
        }
    }

    /// Ends the call: `ok`, or `empty` when output was expected and none came. Only the first end counts.
    #[inline]
    pub fn finish(&self) {
        self.conclude(|slot| {
            let expected = slot(word::FLAGS) & flag::EXPECTS_OUTPUT != 0;
            let none = slot(word::CHUNKS) == 0 && f64::from_bits(slot(word::AUDIO)) <= 0.0;
            if expected && none { Outcome::Empty } else { Outcome::Ok }
        });
    }

    /// Ends the call with an outcome. Only the first end counts.
    pub fn end(&self, outcome: Outcome) {
        self.conclude(|_| outcome);
    }

    /// Ends the call because its consumer let go of it: `abandoned`, unless it does not stream and audio
    /// was taken from it, which is how several services read their one result.
    pub fn abandon(&self) {
        self.conclude(|slot| {
            let streaming = slot(word::FLAGS) & flag::STREAMING != 0;
            let audio = slot(word::FIRST_AUDIO) > 0;
            if !streaming && audio { Outcome::Ok } else { Outcome::Abandoned }
        });
    }

    /// Gives the slot back if somebody else ended the call; only its holder may.
    pub(super) fn release(&self) {
        if let (Place::Slot(ticket), true) = (&self.place, self.epoch == epoch()) {
            self.set.registry.segment().in_flight().free(*ticket);
        }
    }

    /// Ends the call without a trace: it turned out that nothing was begun, as with a generator that was made
    /// and never started.
    pub fn discard(&self) {
        if self.win_end() {
            InFlight::count(self.slot());
            self.slot()[word::RECORDED].store(1, Ordering::Relaxed);
            self.set.record_discarded();
            self.release();
        }
    }

    /// Wins the right to end the call. What a forked child inherited is its parent's to end.
    #[inline]
    fn win_end(&self) -> bool {
        self.epoch == epoch()
            && match &self.place {
                Place::Slot(ticket) => self.set.registry.segment().in_flight().end(*ticket),
                Place::Local(local) => local.words[word::STATE].swap(0, Ordering::AcqRel) == 1,
            }
    }

    #[inline]
    fn conclude(&self, outcome: impl FnOnce(&dyn Fn(usize) -> u64) -> Outcome) {
        if !self.win_end() {
            return;
        }
        let slot = |word: usize| self.slot()[word].load(Ordering::Relaxed);
        let outcome = outcome(&slot);
        let ended = Ended::new(slot, outcome, clock::monotonic_nanos(), self.id.words());
        self.ended.store(ended.now, Relaxed);
        let ticket = if let Place::Slot(ticket) = self.place { Some(ticket) } else { None };
        self.with_fields(|fields| self.set.append(ticket, self.slot(), &slot, &ended, fields));
        if let Some(ticket) = ticket
            && let Some(mut fields) = self.set.fields.get(ticket.index)
        {
            fields.end(ticket.sequence);
        }
        self.set.record_end(slot, || InFlight::count(self.slot()), &ended);
        if outcome == Outcome::Poisoned {
            self.set.unhealthy("poisoned");
        }
        self.release();
    }

    #[inline]
    fn record_chunk(&self, slot: &[AtomicU64], audio: Seconds, now: u64) {
        let get = |word: usize| slot[word].load(Ordering::Relaxed);
        let set = |word: usize, value: u64| slot[word].store(value, Ordering::Relaxed);
        set(word::PROGRESS, now);
        set(word::CHUNKS, get(word::CHUNKS) + 1);
        let last = get(word::LAST_CHUNK);
        if last > 0 {
            self.set.record_chunk_gap(now.saturating_sub(last));
        }
        set(word::LAST_CHUNK, now);
        let Some(audio) = self.accepted(audio).filter(|audio| *audio > 0.0) else { return };
        let before = f64::from_bits(get(word::AUDIO));
        let first = get(word::FIRST_AUDIO);
        if first == 0 {
            set(word::FIRST_AUDIO, now);
            let waited = now.saturating_sub(get(word::STARTED));
            self.set.record_first_audio(waited, &self.id.words(), now);
        } else {
            let dry = seconds(now.saturating_sub(first)) - before;
            let worst = get(word::UNDERRUN);
            set(word::UNDERRUN, worst.max((dry.max(0.0) * 1e9) as u64));
        }
        set(word::AUDIO, (before + audio).to_bits());
    }

    fn accepted(&self, Seconds(audio): Seconds) -> Option<f64> {
        if audio.is_finite() && audio >= 0.0 {
            return Some(audio);
        }
        self.set.registry.reject();
        None
    }

    /// The slot's words, while the call runs and belongs to this process.
    #[inline]
    pub(super) fn with_slot(&self, use_slot: impl FnOnce(&[AtomicU64])) {
        if self.epoch != epoch() {
            return;
        }
        let active = match &self.place {
            Place::Slot(ticket) => self.set.registry.segment().in_flight().is_active(*ticket),
            Place::Local(local) => local.words[word::STATE].load(Ordering::Relaxed) == 1,
        };
        if active {
            use_slot(self.slot());
        }
    }

    #[inline]
    fn slot(&self) -> &[AtomicU64] {
        match &self.place {
            Place::Slot(ticket) => self.set.registry.segment().in_flight().of(*ticket),
            Place::Local(local) => &local.words,
        }
    }
}

impl Clone for CallState {
    fn clone(&self) -> Self {
        Self {
            set: self.set.clone(),
            place: self.place.clone(),
            id: self.id,
            ended: LocalU64::new(self.ended.load(Relaxed)),
            ..*self
        }
    }
}

fn stop(slot: &[AtomicU64], now: u64) {
    let resumed = slot[word::RESUMED].swap(0, Ordering::Relaxed);
    if resumed > 0 {
        let busy = slot[word::BUSY].load(Ordering::Relaxed) + now.saturating_sub(resumed);
        slot[word::BUSY].store(busy, Ordering::Relaxed);
    }
}
