//! Metrics recorded with every peer.

use metrics::{Key, Label, Level, Metadata, Recorder};

/// Metadata of every metric here.
pub const METADATA: Metadata<'static> = Metadata::new("bench", Level::INFO, None);
/// Bounds of the scraped histograms: 14, which is 15 buckets with `+Inf`.
pub const BOUNDS: [f64; 14] = [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// Returns key number `index` of a kind: ten families, one label.
pub fn key(kind: &str, index: usize) -> Key {
    let label = Label::new("voice", format!("voice-{index:05}"));
    Key::from_parts(format!("{kind}_{}", index % 10), vec![label])
}

/// Records 10 families of counters and 10 of histograms, with so many series in all, once each.
pub fn fill(recorder: &impl Recorder, counters: usize, histograms: usize) {
    for index in 0..counters {
        recorder.register_counter(&key("requests", index), &METADATA).increment(index as u64);
    }
    for index in 0..histograms {
        let histogram = recorder.register_histogram(&key("latency", index), &METADATA);
        for bound in BOUNDS {
            histogram.record(bound);
        }
    }
}
