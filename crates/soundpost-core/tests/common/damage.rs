//! A segment with one of everything, and what its readers make of it when it is damaged.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use soundpost_core::snapshot::{Collector, MetricValue, Snapshot};
use soundpost_core::{Calls, MIN_SEGMENT_BYTES, Merge, Options, Registry, Seconds, Spec};

use super::{Home, errors};

/// High half-word of the first word of a record.
const MARK: u64 = 0xA5C1;

/// The bytes of a segment that a process left, with calls in flight.
pub(crate) fn specimen(segment_bytes: usize) -> Vec<u8> {
    let home = Home::new();
    let registry = home.registry_with(Options { segment_bytes, ..Options::default() });
    let calls = Calls::new(&registry).expect("request metrics");
    for language in ["en", "zh", "de"] {
        let counter = registry.family(Spec::counter("voices").labels(&["language"]).help("Voices."));
        counter.expect("a family").counter(&[language]).expect("a counter").increment_by(3.0);
    }
    let gauge = registry.family(Spec::gauge("level").merge(Merge::Last)).expect("a family");
    gauge.gauge(&[]).expect("a gauge").set(5.0);
    let histogram = registry.family(Spec::histogram("sizes", &[1.0, 2.0]).exemplars()).expect("a family");
    histogram.histogram(&[]).expect("a histogram").observe_with_exemplar(1.5, "req-1");
    let facade = registry.metrics_recorder();
    let metadata = metrics::Metadata::new("test", metrics::Level::INFO, None);
    metrics::Recorder::register_counter(&facade, &metrics::Key::from_name("hits"), &metadata).increment(7);
    let operation = calls.operation("op").labels(["voice"]).expect("labels");
    for voice in ["anna", "ben"] {
        let call = operation.start_with([voice]);
        call.chunk(Seconds(1.0));
        drop(call.stage("llm"));
        call.finish();
    }
    let running: Vec<_> = (0..3).map(|_| operation.start_with(["anna"])).collect();
    let file = home.segment_files().pop().expect("a segment");
    let bytes = std::fs::read(file).expect("read");
    drop(running);
    bytes
}

/// First and last byte, exclusive, of the records in a segment.
pub(crate) fn records(specimen: &[u8]) -> std::ops::Range<usize> {
    let (words, _) = specimen.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let heads = words.iter().enumerate().filter(|(_, word)| **word >> 48 == MARK);
    let heads: Vec<(usize, u64)> = heads.map(|(at, word)| (at, *word)).collect();
    let (first, (last, head)) = (heads[0].0, heads[heads.len() - 1]);
    first * 8..(last + (head & 0xFFFF_FFFF) as usize) * 8
}

/// Series and what they hold, without what changes by itself and without exemplars.
pub(crate) type Shown = BTreeMap<String, String>;

fn shown(snapshot: &Snapshot) -> Shown {
    let families = snapshot.families.iter().filter(|family| !family.name.starts_with("soundpost_"));
    let series = families.flat_map(|family| family.series.iter().map(move |series| (family, series)));
    series
        .map(|(family, series)| {
            let value = match &series.value {
                MetricValue::Distribution(distribution) => {
                    format!("{:?} {}", distribution.counts, distribution.sum)
                }
                other => format!("{other:?}"),
            };
            (format!("{}{:?}", family.name, series.labels), value)
        })
        .collect()
}

/// A service in whose directory damaged segments are laid.
pub(crate) struct Bench {
    home: Home,
    registry: Arc<Registry>,
    file: PathBuf,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let home = Home::new();
        let options = Options { segment_bytes: MIN_SEGMENT_BYTES, ..Options::default() };
        let registry = home.registry_with(options);
        let file = home.segment_files().pop().expect("a segment").with_file_name("specimen.segment");
        Self { home, registry, file }
    }

    pub(crate) fn file(&self) -> &PathBuf {
        &self.file
    }

    pub(crate) fn lay(&self, bytes: &[u8]) {
        std::fs::write(&self.file, bytes).expect("written");
    }

    /// Returns the values that a new reader shows, and the damage that it counted.
    pub(crate) fn read(&self) -> (Shown, f64) {
        let mut collector = self.collector();
        let before = self.damage(&mut Collector::new(self.home.place("nobody"), self.registry.clone()));
        let snapshot = collector.snapshot();
        super::assert_well_formed(&snapshot);
        let shown = shown(&snapshot);
        let after = self.damage(&mut Collector::new(self.home.place("nobody"), self.registry.clone()));
        (shown, after - before)
    }

    pub(crate) fn collector(&self) -> Collector {
        self.home.collector(&self.registry)
    }

    fn damage(&self, collector: &mut Collector) -> f64 {
        errors(&collector.snapshot(), "segment_damaged")
    }
}

/// Flips these bits one after the other; gives how many flips changed what is shown.
pub(crate) fn flip(bits: impl Iterator<Item = usize>) -> usize {
    let mut bytes = specimen(MIN_SEGMENT_BYTES);
    let records = records(&bytes);
    let bench = Bench::new();
    bench.lay(&bytes);
    let (sound, damage) = bench.read();
    assert_eq!(damage, 0.0, "a sound segment");
    assert!(sound.keys().any(|key| key.contains("died")), "calls in flight have died: {sound:?}");
    let mut effects = 0;
    let file = std::fs::File::options().write(true).open(bench.file()).expect("the file");
    for bit in bits {
        let (byte, mask) = (bit / 8, 1 << (bit % 8));
        bytes[byte] ^= mask;
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes[byte..=byte], byte as u64).expect("written");
        let (seen, damage) = bench.read();
        let lost = sound.keys().filter(|key| !seen.contains_key(*key)).count();
        let new: Vec<&String> = seen.keys().filter(|key| !sound.contains_key(*key)).collect();
        let changed = sound.iter().filter(|(key, value)| seen.get(*key).is_some_and(|now| now != *value));
        let changed: Vec<(&String, &String)> = changed.collect();
        let died = |key: &String| key.contains("\"died\"");
        let what = format!("bit {bit}, byte {byte} of records {records:?}");
        if records.contains(&byte) {
            assert!(damage >= 1.0, "{what}: damage is counted");
            assert!(new.is_empty(), "{what}: {new:?}");
            assert!(changed.iter().all(|(key, _)| died(key)), "{what}: others are as they were: {changed:?}");
        } else {
            assert!(lost + changed.len() <= 1, "{what}: one series at most: {changed:?}, {lost} lost");
            assert!(new.iter().all(|key| died(key)), "{what}: {new:?}");
        }
        effects += usize::from(seen != sound);
        bytes[byte] ^= mask;
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes[byte..=byte], byte as u64).expect("written");
    }
    assert_eq!(bench.read().0, sound, "and back again");
    effects
}
