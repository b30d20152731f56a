//! Fixtures of the core's tests: directories of their own, and values of a snapshot.
#![allow(dead_code)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use soundpost_core::snapshot::{Collector, Distribution, MetricFamily, MetricSeries, MetricValue, Snapshot};
use soundpost_core::{Calls, MIN_SEGMENT_BYTES, Options, Registry, ServiceDir, ServiceIdentity};

/// Directories of one test; removed with what is in them.
pub(crate) struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("shm")).expect("a directory in it");
        Self { directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn place(&self, service: &str) -> ServiceDir {
        place_at(self.path(), service)
    }

    /// A registry of the service `svc`.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.registry_with(Options::default())
    }

    pub(crate) fn registry_with(&self, options: Options) -> Arc<Registry> {
        registry_at(self.path(), options)
    }

    pub(crate) fn collector(&self, registry: &Arc<Registry>) -> Collector {
        Collector::new(self.place("svc"), registry.clone())
    }

    pub(crate) fn snapshot(&self, registry: &Arc<Registry>) -> Snapshot {
        self.collector(registry).snapshot()
    }

    pub(crate) fn calls(&self) -> Arc<Calls> {
        Calls::new(&self.registry()).expect("request metrics")
    }

    /// Segment files of the service `svc`, wherever they lie.
    pub(crate) fn segment_files(&self) -> Vec<std::path::PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.path().to_path_buf()];
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => open.push(entry.path()),
                    _ if entry.path().extension().is_some_and(|extension| extension == "segment") => {
                        found.push(entry.path());
                    }
                    _ => {}
                }
            }
        }
        found
    }
}

pub(crate) fn place_at(root: &Path, service: &str) -> ServiceDir {
    ServiceDir::open_with_shared_memory(&root.join("state"), service, &root.join("shm")).expect("a place")
}

pub(crate) fn registry_at(root: &Path, options: Options) -> Arc<Registry> {
    Registry::open(&place_at(root, "svc"), ServiceIdentity::new("svc"), options).expect("a registry")
}

/// Options of the smallest segment.
pub(crate) fn small() -> Options {
    Options { segment_bytes: MIN_SEGMENT_BYTES, ..Options::default() }
}

pub(crate) fn family<'a>(snapshot: &'a Snapshot, name: &str) -> &'a MetricFamily {
    find_family(snapshot, name).unwrap_or_else(|| panic!("no family {name}"))
}

pub(crate) fn find_family<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a MetricFamily> {
    snapshot.families.iter().find(|family| *family.name == *name)
}

/// The series with exactly these labels.
pub(crate) fn series<'a>(
    snapshot: &'a Snapshot,
    name: &str,
    labels: &[(&str, &str)],
) -> Option<&'a MetricSeries> {
    find_family(snapshot, name)?.series.iter().find(|series| {
        series.labels.len() == labels.len()
            && labels.iter().all(|(name, value)| {
                series.labels.iter().any(|(label, given)| **label == **name && **given == **value)
            })
    })
}

/// The value of a counter or gauge; `None` when there is no such series.
pub(crate) fn value(snapshot: &Snapshot, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    match &series(snapshot, name, labels)?.value {
        MetricValue::Int(value) => Some(*value as f64),
        MetricValue::Float(value) => Some(*value),
        MetricValue::Distribution(_) => panic!("{name} is a distribution"),
    }
}

pub(crate) fn distribution<'a>(
    snapshot: &'a Snapshot,
    name: &str,
    labels: &[(&str, &str)],
) -> &'a Distribution {
    match series(snapshot, name, labels).map(|series| &series.value) {
        Some(MetricValue::Distribution(distribution)) => distribution,
        other => panic!("{name}{labels:?}: {other:?}"),
    }
}

/// Sum of a counter family over the series that have all these labels.
pub(crate) fn total(snapshot: &Snapshot, name: &str, labels: &[(&str, &str)]) -> f64 {
    let has = |series: &&MetricSeries| {
        labels.iter().all(|(name, value)| {
            series.labels.iter().any(|(label, given)| **label == **name && **given == **value)
        })
    };
    let values = find_family(snapshot, name).into_iter().flat_map(|family| family.series.iter().filter(has));
    values
        .map(|series| match &series.value {
            MetricValue::Int(value) => *value as f64,
            MetricValue::Float(value) => *value,
            MetricValue::Distribution(distribution) => distribution.count() as f64,
        })
        .sum()
}

/// Faults counted for a part.
pub(crate) fn errors(snapshot: &Snapshot, part: &str) -> f64 {
    value(snapshot, "soundpost_errors", &[("part", part)]).unwrap_or(0.0)
}

pub(crate) fn rejected(snapshot: &Snapshot) -> f64 {
    value(snapshot, "soundpost_observations_rejected", &[("reason", "non_finite")]).expect("always there")
}

/// Checks that a snapshot is sorted and has nothing twice.
pub(crate) fn assert_well_formed(snapshot: &Snapshot) {
    assert!(snapshot.families.windows(2).all(|pair| pair[0].name < pair[1].name), "families sorted");
    for family in &snapshot.families {
        assert!(
            family.series.windows(2).all(|pair| pair[0].labels < pair[1].labels),
            "{}: series sorted and unique: {:?}",
            family.name,
            family.series
        );
        for series in &family.series {
            assert!(series.labels.windows(2).all(|pair| pair[0].0 < pair[1].0), "{}", family.name);
            if let MetricValue::Distribution(distribution) = &series.value {
                assert_eq!(distribution.counts.len(), distribution.bounds.len() + 1);
            }
        }
    }
}

/// Polls until `check` gives something; fails after `seconds`.
pub(crate) fn eventually<T>(what: &str, seconds: u64, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what} did not happen within {seconds} s");
        std::thread::yield_now();
    }
}
