//! Calls as plain data: what a store, a sink or a terminal is given.

use super::outcome::Outcome;
use crate::field::FieldValue;

/// A call that has ended. Times are nanoseconds; `started` and `ended` are of the monotonic clock, which is one
/// for all processes of a host.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedCall {
    /// The request id: the caller's, the trace's, or made.
    pub request_id: String,
    /// The operation's name.
    pub operation: String,
    /// The caller's labels of the call, by name.
    pub labels: Vec<(String, String)>,
    /// How it ended.
    pub outcome: Outcome,
    /// The process it ran in, as that process saw its id.
    pub pid: u32,
    /// The segment it was recorded in.
    pub segment: u64,
    /// When it ended, by the wall clock, since 1970.
    pub ended_unix: u64,
    /// When it started.
    pub started: u64,
    /// When it ended.
    pub ended: u64,
    /// Time in the service, without what the consumer of its chunks took.
    pub busy: u64,
    /// How long it had waited before its start.
    pub queued: Option<u64>,
    /// From its start to the first audio.
    pub first_audio: Option<u64>,
    /// How far playback would have run dry at worst; streaming calls with audio have it.
    pub underrun: Option<u64>,
    /// Chunks handed over.
    pub chunks: u64,
    /// Audio produced, seconds.
    pub audio_seconds: f64,
    /// Characters of input text.
    pub characters: u64,
    /// Whether the consumer took chunks as they were made.
    pub streaming: bool,
    /// The stage it was in when its process died.
    pub died_in: Option<String>,
    /// Its stages, in the order they were first met.
    pub stages: Vec<StageTime>,
    /// The caller's fields, and `error_type` and `error` of a failed call, in the order they were first set.
    pub fields: Vec<(String, FieldValue)>,
    /// What it did to GPU memory, where that was sampled.
    pub gpu: Option<GpuUse>,
}

impl FinishedCall {
    /// From start to finish, nanoseconds.
    pub fn duration(&self) -> u64 {
        self.ended.saturating_sub(self.started)
    }

    /// Busy seconds per second of audio; `None` without audio.
    pub fn real_time_factor(&self) -> Option<f64> {
        (self.audio_seconds > 0.0).then(|| self.busy as f64 * 1e-9 / self.audio_seconds)
    }
}

/// Time a call spent in stages of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageTime {
    /// The stage.
    pub name: String,
    /// How many there were.
    pub count: u32,
    /// How many of them ended in an error.
    pub failures: u32,
    /// Their wall time, summed, nanoseconds. Stages may overlap: the sum over stages is no share of the call.
    pub nanos: u64,
}

/// GPU memory around a call, from samples; bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GpuUse {
    /// Of the last sample before the call.
    pub memory_before: u64,
    /// The most that was seen from its start to its end.
    pub memory_peak: u64,
    /// After the call less before it.
    pub memory_delta: i64,
    /// Mean utilization during the call, 0 to 1.
    pub utilization_mean: Option<f64>,
    /// Whether another call ran at the same time, so that the figures are of all of them.
    pub shared: bool,
    /// Whether the memory is that of the call's own process, and not of everybody on the device.
    pub of_process: bool,
}

/// A call in flight, as its segment shows it. Times are nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct InFlightCall {
    /// The request id.
    pub request_id: String,
    /// The operation's name.
    pub operation: String,
    /// The caller's labels of the call, by name.
    pub labels: Vec<(String, String)>,
    /// The process it runs in, as that process sees its id.
    pub pid: u32,
    /// When it started, monotonic.
    pub started: u64,
    /// How long it has been running.
    pub age: u64,
    /// How long ago it last moved.
    pub since_progress: u64,
    /// The stage it is in.
    pub stage: Option<String>,
    /// Chunks handed over.
    pub chunks: u64,
    /// Audio produced, seconds.
    pub audio_seconds: f64,
}
