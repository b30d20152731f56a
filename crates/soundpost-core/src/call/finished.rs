//! Calls as plain data: input of the store, the sinks and the terminal.

use std::sync::Arc;

use super::outcome::Outcome;
use super::record::CallRecord;
use crate::field::FieldValue;
use crate::history::GpuUse;
use crate::registry::RecordOrigin;
use crate::segment::{flag, word};

/// A call that has ended. Times are nanoseconds; `started` and `ended` are of the monotonic clock, which all
/// processes of a host share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FinishedCall {
    /// Request id: the caller's, the trace's, or generated.
    pub request_id: String,
    /// Name of the operation.
    pub operation: String,
    /// The caller's labels, by name.
    pub labels: Vec<(String, String)>,
    /// How the call ended.
    pub outcome: Outcome,
    /// Version and instance of the service; `None` in a store of an older build.
    pub origin: Option<Arc<RecordOrigin>>,
    /// Process id, as the process itself saw it.
    pub pid: u32,
    /// Segment that recorded the call.
    pub segment: u64,
    /// End by the wall clock, nanoseconds since 1970.
    pub ended_unix: u64,
    /// Start.
    pub started: u64,
    /// End.
    pub ended: u64,
    /// Time in the service, without the time its consumer took.
    pub busy: u64,
    /// Time in the queue before the start.
    pub queued: Option<u64>,
    /// Time from the start to the first audio.
    pub first_audio: Option<u64>,
    /// Worst underrun of playback at real time; only streaming calls with audio have one.
    pub underrun: Option<u64>,
    /// Chunks handed over.
    pub chunks: u64,
    /// Audio produced, seconds.
    pub audio_seconds: f64,
    /// Characters of input text.
    pub characters: u64,
    /// Video produced, seconds.
    pub video_seconds: f64,
    /// Whether the consumer took chunks while they were made.
    pub streaming: bool,
    /// Whether the call prepared the service, and is not counted.
    pub warmup: bool,
    /// Whether this was the first call of its operation in the process.
    pub cold: bool,
    /// Stage in which the process died.
    pub died_in: Option<String>,
    /// Stages, in the order in which each name first occurred.
    pub stages: Vec<StageTime>,
    /// The caller's fields, and `error_type` and `error` of a failed call, in the order of their first set.
    pub fields: Vec<(String, FieldValue)>,
    /// GPU memory around the call, where it was sampled.
    pub gpu: Option<GpuUse>,
}

/// Names that a call's record holds as positions, and the segment it comes from.
pub(crate) struct CallOrigin {
    pub(crate) operation: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) stages: Vec<StageTime>,
    pub(crate) died_in: Option<String>,
    pub(crate) origin: Option<Arc<RecordOrigin>>,
    pub(crate) pid: u32,
    pub(crate) segment: u64,
    /// Wall clock minus monotonic clock, nanoseconds.
    pub(crate) wall_offset: u64,
}

impl FinishedCall {
    /// Makes the call from its record. A new number of a call is added here, to the struct, and to the slot's words.
    pub(crate) fn new(record: CallRecord, origin: CallOrigin) -> Self {
        let get = |word: usize| record.words[word];
        let (started, first_audio) = (get(word::STARTED), get(word::FIRST_AUDIO));
        let is = |bit: u64| get(word::FLAGS) & bit != 0;
        let streaming = is(flag::STREAMING);
        let audible = first_audio > 0;
        Self {
            request_id: record.request_id,
            operation: origin.operation,
            labels: origin.labels,
            outcome: record.outcome,
            origin: origin.origin,
            pid: origin.pid,
            segment: origin.segment,
            ended_unix: record.ended.wrapping_add(origin.wall_offset),
            started,
            ended: record.ended,
            busy: record.busy,
            queued: Some(get(word::QUEUED)).filter(|queued| *queued > 0),
            first_audio: audible.then(|| first_audio.saturating_sub(started)),
            underrun: (audible && streaming).then(|| get(word::UNDERRUN)),
            chunks: get(word::CHUNKS),
            audio_seconds: f64::from_bits(get(word::AUDIO)),
            characters: get(word::CHARACTERS),
            video_seconds: f64::from_bits(get(word::VIDEO)),
            streaming,
            warmup: is(flag::WARMUP),
            cold: is(flag::COLD),
            died_in: origin.died_in,
            stages: origin.stages,
            fields: record.fields,
            gpu: None,
        }
    }

    /// Returns seconds of audio per character of input text; `None` without either.
    pub fn seconds_per_character(&self) -> Option<f64> {
        (self.audio_seconds > 0.0 && self.characters > 0).then(|| self.audio_seconds / self.characters as f64)
    }

    /// Returns the time from start to end, nanoseconds.
    pub fn duration(&self) -> u64 {
        self.ended.saturating_sub(self.started)
    }

    /// Returns busy seconds per second of audio; `None` without audio.
    pub fn real_time_factor(&self) -> Option<f64> {
        (self.audio_seconds > 0.0).then(|| self.busy as f64 * 1e-9 / self.audio_seconds)
    }
}

/// Time that a call spent in stages of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageTime {
    /// Name of the stage.
    pub name: String,
    /// Number of such stages.
    pub count: u32,
    /// Number of them that ended in an error.
    pub failures: u32,
    /// Sum of their wall time, nanoseconds. Stages may overlap, so the sum over all stages can exceed the duration.
    pub nanos: u64,
}

/// A call in flight, as its segment shows it. Times are nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct InFlightCall {
    /// Request id.
    pub request_id: String,
    /// Name of the operation.
    pub operation: String,
    /// The caller's labels, by name.
    pub labels: Vec<(String, String)>,
    /// Process id, as the process itself sees it.
    pub pid: u32,
    /// Start by the monotonic clock.
    pub started: u64,
    /// Time since the start.
    pub age: u64,
    /// Time since the last progress.
    pub since_progress: u64,
    /// Current stage.
    pub stage: Option<String>,
    /// Chunks handed over.
    pub chunks: u64,
    /// Audio produced, seconds.
    pub audio_seconds: f64,
}
