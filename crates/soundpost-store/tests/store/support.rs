//! Stores in temporary directories, and records for them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use soundpost_core::{FieldValue, FinishedCall, GpuUse, Level, LogEvent, Outcome, RecordOrigin, StageTime};
use soundpost_store::{
    Batch, CallFilter, CallRow, Limits, Now, Reader, Record, RecordBatch, RecordKinds, RingEvent, SinkState,
    Store,
};

use tempfile::TempDir;

pub(crate) const SECOND: u64 = 1_000_000_000;
/// 2026-01-02T03:04:05Z.
pub(crate) const NOW: u64 = 1_767_323_045 * SECOND;

/// Clocks that a test advances.
#[derive(Clone)]
pub(crate) struct Clock {
    unix: Arc<AtomicU64>,
    monotonic: Arc<AtomicU64>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { unix: Arc::new(AtomicU64::new(NOW)), monotonic: Arc::default() }
    }

    pub(crate) fn now(&self) -> u64 {
        self.unix.load(Ordering::Relaxed)
    }

    /// Advances both clocks.
    pub(crate) fn advance(&self, by: Duration) {
        self.unix.fetch_add(by.as_nanos() as u64, Ordering::Relaxed);
        self.monotonic.fetch_add(by.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Sets the wall clock.
    pub(crate) fn set(&self, unix_nanos: u64) {
        self.unix.store(unix_nanos, Ordering::Relaxed);
    }

    pub(crate) fn limits(&self) -> Limits {
        let clock = self.clone();
        let now = move || Now { unix: clock.now(), monotonic: clock.monotonic.load(Ordering::Relaxed) };
        Limits { clock: Arc::new(now), ..Limits::default() }
    }
}

/// Returns the number of random cases.
pub(crate) fn cases() -> u32 {
    std::env::var("SOUNDPOST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

/// Returns a temporary directory, in memory where possible, because a disk is slow.
pub(crate) fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Opens a store, which has no notice.
pub(crate) fn open(directory: &Path) -> Store {
    open_with(directory, Clock::new().limits())
}

pub(crate) fn open_with(directory: &Path, limits: Limits) -> Store {
    let (store, notice) = Store::open(directory, limits).unwrap();
    assert_eq!(notice, None);
    store
}

pub(crate) fn reader(directory: &Path) -> Reader {
    Reader::open(directory).unwrap().unwrap()
}

pub(crate) fn all_calls(directory: &Path) -> Vec<CallRow> {
    let (reader, mut calls, mut after) = (reader(directory), Vec::new(), 0);
    // A batch has some megabytes.
    loop {
        let batch = reader.records(after, RecordKinds::ALL, usize::MAX).unwrap();
        calls.extend(calls_of(&batch));
        if batch.through == after {
            return calls;
        }
        after = batch.through;
    }
}

/// Returns the calls of a batch.
pub(crate) fn calls_of(batch: &RecordBatch) -> Vec<CallRow> {
    let call = |record: &Record| if let Record::Call(call) = record { Some(call.clone()) } else { None };
    batch.records.iter().filter_map(call).collect()
}

/// Returns the sum of all records that a sink accounts for.
pub(crate) fn accounted(state: &SinkState) -> u64 {
    state.delivered + state.rejected.total() + state.dropped.total() + state.pending
}

/// Returns the calls as events of a ring.
pub(crate) fn recorded(calls: &[FinishedCall]) -> Vec<RingEvent> {
    calls.iter().cloned().map(RingEvent::Call).collect()
}

pub(crate) fn all_request_ids(directory: &Path) -> Vec<String> {
    all_calls(directory).into_iter().map(|row| row.call.request_id).collect()
}

pub(crate) fn write_calls(store: &mut Store, calls: &[FinishedCall]) {
    store.write(&Batch { records: &recorded(calls), ..Batch::default() }).unwrap();
}

/// Returns the origin of records of a version.
pub(crate) fn origin(version: &str) -> Option<Arc<RecordOrigin>> {
    Some(Arc::new(RecordOrigin { version: version.to_owned(), instance: "gpu-7".to_owned() }))
}

/// Returns a call with a value in each column.
pub(crate) fn call(request_id: &str) -> FinishedCall {
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let stage = |name: &str, nanos| StageTime { name: name.to_owned(), count: 1, failures: 0, nanos };
    FinishedCall {
        request_id: request_id.to_owned(),
        operation: "synthesize".to_owned(),
        labels: vec![text("emotion", "sad"), text("mode", "zero_shot")],
        outcome: Outcome::Ok,
        origin: origin("V1"),
        pid: 4711,
        segment: 0xFEDC_BA98_7654_3210,
        ended_unix: NOW,
        started: 1_000 * SECOND,
        ended: 1_000 * SECOND + 942_345_678,
        busy: 900_000_001,
        queued: Some(12_000_000),
        first_audio: Some(301_000_000),
        underrun: None,
        chunks: 7,
        audio_seconds: 4.2,
        characters: 128,
        video_seconds: 1.5,
        streaming: true,
        warmup: true,
        cold: true,
        died_in: None,
        stages: vec![
            stage("frontend", 12_345_678),
            StageTime { name: "llm".to_owned(), count: 3, failures: 1, nanos: 700_000_000 },
            stage("vocoder", 1),
        ],
        fields: vec![
            ("voice".to_owned(), FieldValue::Text("ä\"\\\u{0}\n'".to_owned())),
            ("seed".to_owned(), FieldValue::Int(-7)),
            ("speed".to_owned(), FieldValue::Float(1.0)),
            ("cached".to_owned(), FieldValue::Bool(true)),
        ],
        gpu: Some(GpuUse {
            memory_before: 6 << 30,
            memory_peak: 9 << 30,
            memory_delta: -5,
            utilization_mean: Some(0.75),
            shared: true,
            of_process: false,
        }),
    }
}

/// Returns a log event with a value in each column.
pub(crate) fn event(message: &str) -> LogEvent {
    LogEvent {
        unix_nanos: NOW,
        level: Level::Error,
        message: message.to_owned(),
        logger: "tts.engine".to_owned(),
        file: "engine.py".to_owned(),
        line: Some(47),
        thread: "worker-1".to_owned(),
        request_id: "00112233445566778899aabbccddeeff".to_owned(),
        operation: "synthesize".to_owned(),
        origin: origin("V1"),
        pid: 4711,
        segment: 0,
        fields: vec![("voice".to_owned(), "Käthe".into()), ("seed".to_owned(), (-7).into())],
    }
}

/// Returns the row that a call is stored as.
pub(crate) fn row(sequence: u64, call: &FinishedCall) -> CallRow {
    let call = FinishedCall { segment: 0, started: 0, ended: call.duration(), ..call.clone() };
    CallRow { sequence, call }
}

pub(crate) fn newest(directory: &Path, filter: CallFilter) -> Vec<String> {
    reader(directory).calls(&filter).unwrap().into_iter().map(|row| row.call.request_id).collect()
}
