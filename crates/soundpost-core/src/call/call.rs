//! A call: one request for generated output, from its start to its single end.

use std::sync::Arc;
use std::time::Duration;

use super::end::judge;
use super::handle::{CallHandle, Seconds, suspend};
use super::levels::AudioLevels;
use super::outcome::Outcome;
use super::request_id::RequestId;
use super::series::OperationSeries;
use super::stage::Stage;
use crate::clock;
use crate::field::FieldValue;
use crate::history::GpuUse;
use crate::segment::{Begin, SUSPENDED, flag, word};
use crate::sync::Ordering;

/// A running call.
///
/// Methods of a call that has ended do nothing, and the first end counts. A call that is dropped before its end is
/// `abandoned`, or `error` while the thread unwinds.
#[must_use = "a call lasts as long as this value; dropped at once it is counted as abandoned"]
pub struct Call {
    handle: CallHandle,
}

impl Call {
    /// Returns the request id: the caller's, the trace's, or a generated one.
    pub fn request_id(&self) -> &str {
        self.handle.request_id()
    }

    /// Returns the name of the operation.
    pub fn operation(&self) -> &str {
        self.handle.operation()
    }

    /// Reports whether the call has not ended.
    pub fn is_active(&self) -> bool {
        self.handle.is_active()
    }

    /// Returns the GPU memory around the call, see [`CallHandle::gpu`].
    pub fn gpu(&self) -> Option<GpuUse> {
        self.handle.gpu()
    }

    /// Runs `body` with this call as the current one of the thread, so that log events and functions with
    /// `#[instrument]` belong to it.
    pub fn in_scope<T>(&self, body: impl FnOnce() -> T) -> T {
        self.handle.in_scope(body)
    }

    /// Begins a stage of this call.
    pub fn stage(&self, name: &str) -> Stage {
        self.handle.stage(name)
    }

    /// Records a chunk of output with so many seconds of audio; 0 for a chunk without audio, such as a header.
    /// The first chunk with audio sets the time to first audio.
    #[inline]
    pub fn chunk(&self, audio: Seconds) {
        self.handle.chunk(audio);
    }

    /// Records a chunk and suspends the call, see [`Call::suspend`].
    #[inline]
    pub fn hand_over(&self, audio: Seconds) {
        let now = clock::monotonic_nanos();
        self.handle.with_slot(|slot| {
            self.handle.record_chunk(slot, audio, now);
            suspend(slot, now);
        });
    }

    /// Adds audio of a result that is not handed over in chunks.
    pub fn audio(&self, audio: Seconds) {
        self.handle.audio(audio);
    }

    /// Records a chunk of silence, which has a length and is not the first audio. A call with nothing else is `silent`.
    pub fn silence(&self, audio: Seconds) {
        self.chunk(Seconds(0.0));
        self.handle.silence(audio);
    }

    /// Adds video of a result.
    pub fn video(&self, video: Seconds) {
        self.handle.video(video);
    }

    /// Records output of unknown length.
    #[inline]
    pub fn output(&self) {
        self.set_flag(flag::OUTPUT);
    }

    /// Forgets the length of the audio: a part of the output has an unknown one. The call has no seconds of audio then.
    pub fn forget_length(&self) {
        self.handle.forget_length();
    }

    /// Records an item without output. A consumer who leaves after nothing else leaves an `empty` call.
    pub fn nothing(&self) {
        self.progress();
        self.set_flag(flag::NOTHING);
    }

    /// Records that the last item is handed over: a consumer who leaves now has all of it.
    pub fn last(&self) {
        self.set_flag(flag::LAST);
    }

    /// Records the levels of all audio of the call, as fields and metrics. Samples that are not finite mark the call
    /// as `corrupt`.
    pub fn levels(&self, levels: &AudioLevels) {
        self.handle.record_levels(levels);
    }

    /// Reports whether this is the first call of its operation in the process.
    pub fn is_cold(&self) -> bool {
        self.handle.is_cold()
    }

    #[inline]
    fn set_flag(&self, bit: u64) {
        self.handle.with_slot(|slot| {
            if slot[word::FLAGS].load(Ordering::Relaxed) & bit == 0 {
                slot[word::FLAGS].fetch_or(bit, Ordering::Relaxed);
            }
        });
    }

    /// Marks progress without output.
    pub fn progress(&self) {
        self.handle.progress();
    }

    /// Stops the busy time: from now on the call waits for its consumer.
    #[inline]
    pub fn suspend(&self) {
        let now = clock::monotonic_nanos();
        self.handle.with_slot(|slot| suspend(slot, now));
    }

    /// Starts the busy time again.
    #[inline]
    pub fn resume(&self) {
        let now = clock::monotonic_nanos();
        self.handle.with_slot(|slot| {
            if slot[word::RESUMED].load(Ordering::Relaxed) & SUSPENDED != 0 {
                slot[word::RESUMED].store(now, Ordering::Relaxed);
            }
            slot[word::PROGRESS].store(now, Ordering::Relaxed);
        });
    }

    /// Sets the number of characters of input text.
    pub fn characters(&self, count: u64) {
        self.handle.with_slot(|slot| slot[word::CHARACTERS].store(count, Ordering::Relaxed));
    }

    /// Sets whether the consumer takes chunks while they are made.
    pub fn streaming(&self, streaming: bool) {
        self.handle.with_slot(|slot| {
            let flags = slot[word::FLAGS].load(Ordering::Relaxed);
            slot[word::FLAGS].store(flag::with(flags, flag::STREAMING, streaming), Ordering::Relaxed);
        });
    }

    /// Declares that the call has output: without any it ends as `empty`.
    pub fn expects_output(&self) {
        self.set_flag(flag::EXPECTS_OUTPUT);
    }

    /// Sets a field, see [`CallHandle::field`].
    pub fn field(&self, name: &str, value: impl Into<FieldValue>) {
        self.handle.field(name, value);
    }

    /// Returns the fields set so far, see [`CallHandle::fields`].
    pub fn fields(&self) -> Vec<(String, FieldValue)> {
        self.handle.fields()
    }

    /// Ends the call as it was marked, or else as `ok`; as `empty` when output was expected and none came, and as
    /// `silent` when all of it was.
    #[inline]
    pub fn finish(&self) {
        self.handle.conclude(|slot| judge(slot, false));
    }

    /// Ends the call with the outcome of an error: `oom`, `poisoned`, `timeout` or `error`.
    pub fn fail(&self, error: &(dyn std::error::Error + 'static)) {
        self.end_with(Outcome::of_error(error), "", &error.to_string());
    }

    /// Ends the call with an outcome.
    pub fn end(&self, outcome: Outcome) {
        self.handle.end(outcome);
    }

    /// Ends the call with an outcome and an error, whose type and text become the fields `error_type` and `error`.
    pub fn end_with(&self, outcome: Outcome, error_type: &str, text: &str) {
        self.handle.set_error(error_type, text);
        self.end(outcome);
    }

    /// Ends the call with an error that left it. If a failure was marked before, that is the cause and the outcome.
    pub fn end_raised(&self, outcome: Outcome, error_type: &str, text: &str) {
        match self.handle.marked_failure() {
            Some(cause) => self.end(cause),
            None => self.end_with(outcome, error_type, text),
        }
    }

    /// Marks the call with an outcome without ending it, see [`CallHandle::mark`].
    pub fn mark(&self, outcome: Outcome) {
        self.handle.mark(outcome);
    }

    /// Marks the call as failed with an error, see [`CallHandle::mark`].
    pub fn mark_error(&self, error: &(dyn std::error::Error + 'static)) {
        self.handle.mark_error(error);
    }

    /// Ends the call because its consumer dropped it.
    ///
    /// The outcome is `abandoned`, unless the call was marked, has handed over its last item, only silence or only
    /// items without output, or does not stream and handed over audio.
    pub fn abandon(&self) {
        self.handle.conclude(|slot| judge(slot, true));
    }

    /// Removes the call without a record, for a generator that was made and never started.
    pub fn discard(&self) {
        self.handle.discard();
    }

    /// Returns the handle that stages, other threads and the current call use.
    pub fn handle(&self) -> &CallHandle {
        &self.handle
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.handle.has_ended() {
            return;
        }
        if std::thread::panicking() {
            self.end(Outcome::Error);
        } else {
            self.abandon();
        }
        self.handle.release();
    }
}

/// A call that is about to start.
#[must_use = "nothing is recorded before the call is started"]
pub struct CallBuilder {
    series: Arc<OperationSeries>,
    id: Option<RequestId>,
    queued: u64,
    flags: u64,
}

impl CallBuilder {
    #[inline]
    pub(super) fn new(series: Arc<OperationSeries>) -> Self {
        Self { series, id: None, queued: 0, flags: flag::STREAMING }
    }

    /// Sets the caller's request id; a blank one is ignored.
    pub fn request_id(mut self, id: &str) -> Self {
        self.id = RequestId::new(id).or(self.id);
        self
    }

    /// Takes the request id from a W3C `traceparent`, unless one is set.
    pub fn traceparent(mut self, header: &str) -> Self {
        self.id = self.id.or_else(|| RequestId::from_traceparent(header));
        self
    }

    /// Sets the time that the request waited before the start.
    pub fn queued(mut self, waited: Duration) -> Self {
        self.queued = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX).max(1);
        self
    }

    /// Sets whether the consumer takes chunks while they are made; default: yes.
    pub fn streaming(mut self, streaming: bool) -> Self {
        self.flags = flag::with(self.flags, flag::STREAMING, streaming);
        self
    }

    /// Sets whether the call has output, so that without any it ends as `empty`.
    pub fn expects_output(mut self, expects: bool) -> Self {
        self.flags = flag::with(self.flags, flag::EXPECTS_OUTPUT, expects);
        self
    }

    /// Sets whether the call prepares the service: it is stored and marked, and not counted.
    pub fn warmup(mut self, warmup: bool) -> Self {
        self.flags = flag::with(self.flags, flag::WARMUP, warmup);
        self
    }

    /// Starts the call.
    #[inline]
    pub fn start(mut self) -> Call {
        if self.series.is_first_call() {
            self.flags |= flag::COLD;
        }
        let id = self.id.unwrap_or_else(RequestId::random);
        let begin = Begin {
            owner: self.series.registry.segment().owner(),
            operation_at: self.series.at,
            now: clock::monotonic_nanos(),
            queued: self.queued,
            flags: self.flags,
            id: id.words(),
        };
        Call { handle: CallHandle::begin(self.series, id, &begin) }
    }
}
