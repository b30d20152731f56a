//! What the benchmarks share: a service of its own directory, and the load that every peer gets.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auscult_core::snapshot::{Collector, Drain};
use auscult_core::{Calls, Error, Identity, Operation, Options, Place, Registry};
use metrics::{Key, Label, Level, Metadata, Recorder};
use tempfile::TempDir;

/// Metadata of every metric here.
pub const METADATA: Metadata<'static> = Metadata::new("bench", Level::INFO, None);
/// Bounds of the scraped histograms: 14, so that there are 15 buckets with `+Inf`.
pub const BOUNDS: [f64; 14] = [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// A service whose files are removed at the end.
pub struct Service {
    /// Recording.
    pub registry: Arc<Registry>,
    /// Calls.
    pub calls: Arc<Calls>,
    place: Place,
    root: TempDir,
}

impl Service {
    /// A service with room for `series` series a family.
    ///
    /// # Errors
    /// When its directory or segment cannot be made.
    pub fn new(series: usize) -> Result<Self, Error> {
        let root = tempfile::tempdir()
            .map_err(|error| Error::io("cannot create", &PathBuf::from("a directory"), error))?;
        let place = Place::open(root.path(), "bench")?;
        let names = |kind: &str| (0..10).map(|family| format!("{kind}_{family}")).collect::<Vec<_>>();
        let buckets = names("latency").into_iter().map(|name| (name, BOUNDS.to_vec())).collect();
        let options = Options { series_limit: series, buckets, ..Options::default() };
        let registry = Registry::open(&place, Identity::new("bench").version("1"), options)?;
        let calls = Calls::new(&registry)?;
        Ok(Self { registry, calls, place, root })
    }

    /// Reads the service.
    pub fn collector(&self) -> Collector {
        Collector::new(self.place.clone(), self.registry.clone())
    }

    /// Takes finished calls out of its event ring.
    pub fn drain(&self) -> Drain {
        Drain::new(self.place.clone(), self.registry.clone())
    }

    /// Where its files are.
    pub fn root(&self) -> &TempDir {
        &self.root
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.collector().end();
    }
}

/// Key number `index` of a kind: ten families, one label.
pub fn key(kind: &str, index: usize) -> Key {
    let label = Label::new("voice", format!("voice-{index:05}"));
    Key::from_parts(format!("{kind}_{}", index % 10), vec![label])
}

/// 10 families of counters and 10 of histograms with so many series in all, each recorded once.
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

/// Records a call as services make them, with 3 stages and 6 fields; `operation` has one label.
#[inline]
pub fn whole_call(operation: &Operation) {
    let call = operation.start([black_box("neutral")]);
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

/// Records that the ring takes between two drains.
pub const CHUNK: u64 = 2000;

/// How long so many runs of `record` take, each of which puts one record into the event ring; between them the ring is
/// emptied as the reporter would, which does not count.
///
/// # Panics
/// When the ring did not take them all.
pub fn drained(drain: &mut Drain, times: u64, record: impl Fn()) -> Duration {
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

/// Seconds of CPU of this process's threads, by their names, which the kernel cuts to 15 bytes.
pub fn threads_cpu() -> BTreeMap<String, f64> {
    let mut threads = BTreeMap::new();
    for entry in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let nanos = read("schedstat").split(' ').next().and_then(|text| text.parse::<f64>().ok());
        *threads.entry(read("comm").trim().to_owned()).or_insert(0.0) += nanos.unwrap_or(0.0) * 1e-9;
    }
    threads
}
