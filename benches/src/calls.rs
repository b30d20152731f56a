//! Calls as services record them, and as the store holds them.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::{Duration, Instant};

use soundpost_core::snapshot::RingReader;
use soundpost_core::{FieldValue, Operation, StageTime};

/// Records a call as services make them, with 3 stages and 6 fields; `operation` has one label.
#[inline]
pub fn whole_call(operation: &Operation) {
    let call = operation.start_with([black_box("neutral")]);
    for stage in ["frontend", "llm", "vocoder"] {
        drop(call.stage(stage));
    }
    call.field("char_count", 128);
    call.field("model_version", "V23");
    call.field("emotion_mode", "vector");
    call.field("beams", 3);
    call.field("speed", 1.25);
    call.field("cache_hit", true);
    call.finish();
}

/// Number of records between two drains of the ring.
pub const CHUNK: u64 = 2000;

/// Returns the time of so many runs of `record`, each of which adds one record to the event ring. The ring is drained in
/// between, outside the measured time.
///
/// # Panics
/// If the ring drops a record.
pub fn drained(drain: &mut RingReader, times: u64, record: impl Fn()) -> Duration {
    let mut took = Duration::ZERO;
    let mut left = times;
    while left > 0 {
        let chunk = left.min(CHUNK);
        let started = Instant::now();
        (0..chunk).for_each(|_| record());
        took += started.elapsed();
        let Ok(_) = drain.attach(|_| Ok::<_, Infallible>(None));
        let drained = drain.read(usize::MAX, |_| true);
        drain.stored(&drained.positions);
        assert_eq!(drained.records.len() as u64, chunk, "the ring took them all");
        left -= chunk;
    }
    took
}

/// Returns a value that differs for each number and is reproducible.
pub fn mixed(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Returns a request id made of [`mixed`].
pub fn request_id(mixed: u64) -> String {
    format!("{mixed:016x}{:016x}", !mixed)
}

/// Returns 3 stages made of [`mixed`], as stored.
pub fn stages(mixed: u64) -> Vec<StageTime> {
    let stage = |name: &str, nanos| StageTime { name: name.to_owned(), count: 1, failures: 0, nanos };
    vec![
        stage("frontend", 12_000_000 + mixed % 1_000_000),
        stage("llm", 500_000_000 + mixed % 100_000_000),
        stage("vocoder", 200_000_000 + mixed % 100_000_000),
    ]
}

/// Returns 6 fields made of [`mixed`], as stored.
pub fn fields(mixed: u64) -> Vec<(String, FieldValue)> {
    vec![
        ("voice".to_owned(), FieldValue::Text(format!("voice-{}", mixed % 50))),
        ("model_version".to_owned(), FieldValue::Text("V23".to_owned())),
        ("user".to_owned(), FieldValue::Text(format!("user-{}", mixed % 10_000))),
        ("seed".to_owned(), FieldValue::Int((mixed % 100_000) as i64)),
        ("speed".to_owned(), FieldValue::Float(1.0 + (mixed % 100) as f64 / 100.0)),
        ("cached".to_owned(), FieldValue::Bool(mixed.is_multiple_of(2))),
    ]
}
