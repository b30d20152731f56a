//! The handle of a running call: its series, its slot and its request id.

use std::sync::atomic::{AtomicU64 as LocalU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use soundpost_redact::KnownTexts;

use super::end::CallEnd;
use super::field::{self, FieldBuffer};
use super::levels::AudioLevels;
use super::outcome::Outcome;
use super::request_id::RequestId;
use super::series::OperationSeries;
use crate::clock::{self, seconds};
use crate::failures;
use crate::field::{FieldValue, decode};
use crate::history::{CallWindow, GpuUse};
use crate::registry::Truncation;
use crate::segment::{Begin, CALL_WORDS, InFlight, SUSPENDED, Ticket, epoch, fill, flag, word};
use crate::sync::{AtomicU64, Ordering};
use crate::thread::{lock, try_lock};

/// Length of audio, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Seconds(pub f64);

/// A cloneable handle of a running call, for stages, other threads and the current call. Recording on a call that
/// has ended does nothing.
pub struct CallHandle {
    series: Arc<OperationSeries>,
    storage: CallStorage,
    id: RequestId,
    epoch: u32,
    started: u64,
    is_cold: bool,
    /// End of the call, if this handle ended it; 0 before.
    ended: LocalU64,
}

/// Where the words of a call are.
#[derive(Clone)]
enum CallStorage {
    /// In a slot of the segment, visible to other processes.
    Slot(Ticket),
    /// On the heap, because all slots were taken.
    Heap(Arc<HeapCall>),
}

/// A call without a slot. Its first word is 1 until it ends.
struct HeapCall {
    words: Box<[AtomicU64]>,
    fields: Mutex<FieldBuffer>,
}

/// Sequence number of a call on the heap: its field buffer is never reused.
const HEAP_SEQUENCE: u64 = 1;

impl CallHandle {
    #[inline]
    pub(super) fn begin(series: Arc<OperationSeries>, id: RequestId, begin: &Begin) -> Self {
        let storage = match series.registry.segment().in_flight().begin(begin) {
            Some(ticket) => CallStorage::Slot(ticket),
            None => {
                let words: Box<[AtomicU64]> = (0..CALL_WORDS).map(|_| AtomicU64::new(0)).collect();
                fill(&words, begin);
                words[word::STATE].store(1, Ordering::Release);
                CallStorage::Heap(Arc::new(HeapCall { words, fields: Mutex::default() }))
            }
        };
        series.record_start();
        let is_cold = begin.flags & flag::COLD != 0;
        Self { series, storage, id, epoch: epoch(), started: begin.now, is_cold, ended: LocalU64::new(0) }
    }

    /// Returns the request id: the caller's, the trace's, or a generated one.
    pub fn request_id(&self) -> &str {
        self.id.as_str()
    }

    /// Returns the name of the operation.
    pub fn operation(&self) -> &str {
        &self.series.operation
    }

    /// Reports whether the call has not ended.
    pub fn is_active(&self) -> bool {
        let mut active = false;
        self.with_slot(|_| active = true);
        active
    }

    /// Returns the GPU memory around the call: so far while it runs, in total after its end. `None` without a GPU
    /// sample before the start, and in a forked child that inherited the call.
    ///
    /// The source is the history that the reporter writes, ten times a second while calls run, so right after the
    /// end the last sample may be older than the end. `shared` covers the calls of this process at this moment; the
    /// record of the finished call covers those of all processes.
    pub fn gpu(&self) -> Option<GpuUse> {
        if self.epoch != epoch() {
            return None;
        }
        let ended = Some(self.ended.load(Relaxed)).filter(|ended| *ended > 0);
        let window = CallWindow {
            pid: std::process::id(),
            started: self.started,
            ended: ended.unwrap_or_else(clock::monotonic_nanos),
        };
        let registry = &self.series.registry;
        let own = match &self.storage {
            CallStorage::Slot(ticket) if ended.is_none() => Some(ticket.index),
            _ => None,
        };
        let meanwhile = |started: u64| ended.is_none_or(|ended| started < ended);
        let mut others = registry.segment().in_flight().read();
        let shared = others.any(|other| Some(other.index) != own && meanwhile(other.words[word::STARTED]));
        self.series.metrics.gpu.gpu_use(registry.dir()?, &window, shared)
    }

    /// Records a chunk of output with so many seconds of audio, see [`Call::chunk`](crate::Call::chunk).
    #[inline]
    pub fn chunk(&self, audio: Seconds) {
        let now = clock::monotonic_nanos();
        self.with_slot(|slot| self.record_chunk(slot, audio, now));
    }

    /// Adds audio of a result that is not handed over in chunks.
    pub fn audio(&self, audio: Seconds) {
        self.add_seconds(&[word::AUDIO], audio);
    }

    /// Adds silent audio of a result that is not handed over in chunks.
    pub fn silence(&self, audio: Seconds) {
        self.add_seconds(&[word::AUDIO, word::SILENCE], audio);
    }

    /// Forgets the length of the audio so far and of all later audio: a part of it has an unknown length.
    pub fn forget_length(&self) {
        self.with_slot(|slot| {
            slot[word::FLAGS].fetch_or(flag::UNKNOWN_LENGTH, Ordering::Relaxed);
            [word::AUDIO, word::SILENCE, word::UNDERRUN]
                .into_iter()
                .for_each(|word| slot[word].store(0, Ordering::Relaxed));
        });
    }

    /// Adds video of a result.
    pub fn video(&self, video: Seconds) {
        self.add_seconds(&[word::VIDEO], video);
    }

    fn add_seconds(&self, words: &[usize], seconds: Seconds) {
        self.with_slot(|slot| {
            let Some(seconds) = self.accepted(seconds) else { return };
            if slot[word::FLAGS].load(Ordering::Relaxed) & flag::UNKNOWN_LENGTH != 0 && words != [word::VIDEO]
            {
                return;
            }
            for word in words {
                let total = f64::from_bits(slot[*word].load(Ordering::Relaxed)) + seconds;
                slot[*word].store(total.to_bits(), Ordering::Relaxed);
            }
        });
    }

    /// Reports whether all audio so far is silent; true without audio.
    pub fn is_silent(&self) -> bool {
        let mut is_silent = true;
        self.with_slot(|slot| {
            let seconds = |word: usize| f64::from_bits(slot[word].load(Ordering::Relaxed));
            is_silent = seconds(word::SILENCE) >= seconds(word::AUDIO);
        });
        is_silent
    }

    /// Reports whether this is the first call of its operation in the process.
    pub fn is_cold(&self) -> bool {
        self.is_cold
    }

    /// Records levels, see [`Call::levels`](crate::Call::levels).
    pub(super) fn record_levels(&self, levels: &AudioLevels) {
        if levels.samples() == 0 || !self.is_active() {
            return;
        }
        self.field("audio_peak", levels.peak());
        self.field("audio_rms", levels.rms());
        self.field("audio_clipped_ratio", levels.clipped_ratio());
        self.field("audio_silence_ratio", levels.silence_ratio());
        if levels.non_finite() > 0 {
            self.field("audio_nonfinite_samples", levels.non_finite());
            self.mark(Outcome::Corrupt);
        }
        let mut is_counted = true;
        self.with_slot(|slot| is_counted = slot[word::FLAGS].load(Ordering::Relaxed) & flag::WARMUP == 0);
        if is_counted {
            self.series.record_levels(levels);
        }
    }

    /// Marks progress without output.
    pub fn progress(&self) {
        let now = clock::monotonic_nanos();
        self.with_slot(|slot| slot[word::PROGRESS].store(now, Ordering::Relaxed));
    }

    /// Sets a field: any value that belongs to this call alone. `char_count` also sets the number of characters.
    /// A field beyond 64 fields or 64 KiB is dropped and counted.
    pub fn field(&self, name: &str, value: impl Into<FieldValue>) {
        let (value, mut known) = (value.into(), KnownTexts::default());
        if let ("error", FieldValue::Text(text)) = (name, &value) {
            known = self.known_texts();
            failures::add(text, &known);
        }
        self.with_slot(|slot| {
            let (value, text) = field::redacted(&self.series.registry, name, value, &known);
            text.into_iter().for_each(|text| self.keep_text(text));
            if let ("char_count", FieldValue::Int(count)) = (name, &value) {
                slot[word::CHARACTERS].store(u64::try_from(*count).unwrap_or(0), Ordering::Relaxed);
            }
            let set = match &self.storage {
                CallStorage::Slot(ticket) => self
                    .series
                    .fields
                    .get_or_make(ticket.index)
                    .is_some_and(|mut buffer| buffer.set(ticket.sequence, name, value.as_ref())),
                CallStorage::Heap(call) => lock(&call.fields).set(HEAP_SEQUENCE, name, value.as_ref()),
            };
            if !set {
                self.series.registry.count_truncation(Truncation { fields_left: 1, shortened: 0 });
            }
        });
    }

    /// Adds a text to synthesise, which is in no record: log events and errors have its length instead. Also in a forked
    /// child that inherited the call.
    pub fn hide_text(&self, text: &str) {
        if !self.series.registry.redactor().hides("text") {
            return;
        }
        let text = text[..text.floor_char_boundary(field::KEPT_TEXT)].to_owned();
        match self.epoch == epoch() {
            true => self.with_slot(|_| self.keep_text(text)),
            false => self.keep_text(text),
        }
    }

    /// Returns the texts to synthesise of the call, which are in no record. Also in a forked child that inherited the
    /// call.
    pub fn known_texts(&self) -> KnownTexts {
        match &self.storage {
            CallStorage::Slot(ticket) => {
                let texts = |mut buffer: MutexGuard<'_, FieldBuffer>| buffer.known_texts(ticket.sequence);
                let mut known = self.series.fields.get(ticket.index).map(texts).unwrap_or_default();
                if self.epoch != epoch() {
                    let inherited = self.series.fields.inherited(ticket.index, self.epoch);
                    inherited.into_iter().for_each(|buffer| known.extend(&texts(buffer)));
                }
                known
            }
            CallStorage::Heap(call) => {
                self.heap_fields(call).map(|mut buffer| buffer.known_texts(HEAP_SEQUENCE)).unwrap_or_default()
            }
        }
    }

    /// Returns the fields of a call on the heap. A thread that does not exist in a forked child may have locked them.
    fn heap_fields<'a>(&self, call: &'a HeapCall) -> Option<MutexGuard<'a, FieldBuffer>> {
        if self.epoch == epoch() { Some(lock(&call.fields)) } else { try_lock(&call.fields) }
    }

    fn keep_text(&self, text: String) {
        let (buffer, sequence) = match &self.storage {
            CallStorage::Slot(ticket) => (self.series.fields.get_or_make(ticket.index), ticket.sequence),
            CallStorage::Heap(call) => (self.heap_fields(call), HEAP_SEQUENCE),
        };
        if let Some(mut buffer) = buffer {
            buffer.keep_text(sequence, text);
        }
    }

    /// Returns the fields set so far. Those of an ended call are available up to 4 KiB, until its slot is reused.
    pub fn fields(&self) -> Vec<(String, FieldValue)> {
        let mut fields = Vec::new();
        self.with_fields(|words| fields = decode(words));
        fields
    }

    pub(super) fn remove_error(&self) {
        self.with_slot(|_| {
            let remove = |buffer: &mut FieldBuffer, ticket: u64| {
                ["error_type", "error"].iter().for_each(|name| buffer.remove(ticket, name));
            };
            match &self.storage {
                CallStorage::Slot(ticket) => {
                    self.series
                        .fields
                        .get(ticket.index)
                        .iter_mut()
                        .for_each(|buffer| remove(buffer, ticket.sequence));
                }
                CallStorage::Heap(call) => remove(&mut lock(&call.fields), HEAP_SEQUENCE),
            }
        });
    }

    fn with_fields<R>(&self, use_words: impl FnOnce(&[u64]) -> R) -> R {
        match &self.storage {
            _ if self.epoch != epoch() => use_words(&[]),
            CallStorage::Slot(ticket) => match self.series.fields.get(ticket.index) {
                Some(buffer) => use_words(buffer.words(ticket.sequence)),
                None => use_words(&[]),
            },
            CallStorage::Heap(call) => use_words(lock(&call.fields).words(HEAP_SEQUENCE)),
        }
    }

    /// Ends the call with an outcome. Only the first end counts.
    pub fn end(&self, outcome: Outcome) {
        self.conclude(|_| outcome);
    }

    /// Reports whether this handle ended the call, which frees the slot.
    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed) > 0
    }

    /// Frees the slot after another thread ended the call; only the holder of the call may.
    pub(super) fn release(&self) {
        if let (CallStorage::Slot(ticket), true) = (&self.storage, self.epoch == epoch()) {
            self.series.registry.segment().in_flight().free(*ticket);
        }
    }

    pub(super) fn discard(&self) {
        if self.win_end() {
            InFlight::count(self.slot());
            self.slot()[word::RECORDED].store(1, Ordering::Relaxed);
            self.series.record_discarded();
            self.release();
        }
    }

    /// Wins the right to end the call, once. A forked child cannot end a call that it inherited.
    #[inline]
    fn win_end(&self) -> bool {
        self.epoch == epoch()
            && match &self.storage {
                CallStorage::Slot(ticket) => self.series.registry.segment().in_flight().end(*ticket),
                CallStorage::Heap(call) => call.words[word::STATE].swap(0, Ordering::AcqRel) == 1,
            }
    }

    #[inline]
    pub(super) fn conclude(&self, outcome: impl FnOnce(&dyn Fn(usize) -> u64) -> Outcome) {
        if !self.win_end() {
            return;
        }
        let slot = |word: usize| self.slot()[word].load(Ordering::Relaxed);
        let outcome = outcome(&slot);
        let end = CallEnd::new(slot, outcome, clock::monotonic_nanos(), self.id.words());
        self.ended.store(end.now, Relaxed);
        self.with_fields(|fields| self.series.append(self.slot(), &slot, &end, fields));
        if let CallStorage::Slot(ticket) = self.storage
            && let Some(mut fields) = self.series.fields.get(ticket.index)
        {
            fields.end(ticket.sequence);
        }
        self.series.record_end(slot, || InFlight::count(self.slot()), &end);
        if outcome == Outcome::Poisoned {
            self.series.set_unhealthy("poisoned");
        }
        self.release();
    }

    #[inline]
    pub(super) fn record_chunk(&self, slot: &[AtomicU64], audio: Seconds, now: u64) {
        let get = |word: usize| slot[word].load(Ordering::Relaxed);
        let set = |word: usize, value: u64| slot[word].store(value, Ordering::Relaxed);
        set(word::PROGRESS, now);
        set(word::CHUNKS, get(word::CHUNKS) + 1);
        let last = get(word::LAST_CHUNK);
        let flags = get(word::FLAGS);
        let is_counted = flags & flag::WARMUP == 0;
        if last > 0 && is_counted {
            self.series.record_chunk_gap(now.saturating_sub(last));
        }
        set(word::LAST_CHUNK, now);
        let Some(audio) = self.accepted(audio).filter(|audio| *audio > 0.0) else { return };
        let before = f64::from_bits(get(word::AUDIO));
        let first = get(word::FIRST_AUDIO);
        if first == 0 {
            set(word::FIRST_AUDIO, now);
            if is_counted {
                let waited = now.saturating_sub(get(word::STARTED));
                self.series.record_first_audio(waited, &self.id.words(), now);
            }
        }
        if flags & flag::UNKNOWN_LENGTH != 0 {
            return;
        }
        if first > 0 {
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
        self.series.registry.reject();
        None
    }

    /// Calls `use_slot` with the slot's words if the call runs and belongs to this process.
    #[inline]
    pub(super) fn with_slot(&self, use_slot: impl FnOnce(&[AtomicU64])) {
        if self.epoch != epoch() {
            return;
        }
        let active = match &self.storage {
            CallStorage::Slot(ticket) => self.series.registry.segment().in_flight().is_active(*ticket),
            CallStorage::Heap(call) => call.words[word::STATE].load(Ordering::Relaxed) == 1,
        };
        if active {
            use_slot(self.slot());
        }
    }

    #[inline]
    fn slot(&self) -> &[AtomicU64] {
        match &self.storage {
            CallStorage::Slot(ticket) => self.series.registry.segment().in_flight().slot(ticket.index),
            CallStorage::Heap(call) => &call.words,
        }
    }

    pub(super) fn series(&self) -> &OperationSeries {
        &self.series
    }
}

impl Clone for CallHandle {
    fn clone(&self) -> Self {
        Self {
            series: self.series.clone(),
            storage: self.storage.clone(),
            id: self.id,
            ended: LocalU64::new(self.ended.load(Relaxed)),
            ..*self
        }
    }
}

/// Adds the time since the call was resumed to its busy time, and stops it.
#[inline]
pub(super) fn suspend(slot: &[AtomicU64], now: u64) {
    let resumed = slot[word::RESUMED].load(Ordering::Relaxed);
    if resumed & SUSPENDED == 0 {
        slot[word::RESUMED].store(now | SUSPENDED, Ordering::Relaxed);
        let busy = slot[word::BUSY].load(Ordering::Relaxed) + now.saturating_sub(resumed);
        slot[word::BUSY].store(busy, Ordering::Relaxed);
    }
}
