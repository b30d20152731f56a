//! The recorder of the `metrics` facade, for what the host and its dependencies record by its macros.
//!
//! The facade cannot return an error. A metric that cannot be exposed gets a handle that does nothing; it is
//! counted in `soundpost_errors_total{part="facade"}` and logged once. Characters that cannot be exposed
//! (`http.requests`) become `_`, unless another metric has the resulting name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use metrics::{Key, KeyName, Metadata, SharedString};

use super::append_map::AppendMap;
use super::core::{FamilyCore, SeriesCore};
use super::kind::MetricKind;
use super::record::LabelPairs;
use super::spec::{BYTES_BUCKETS, LATENCY_BUCKETS, RATIO_BUCKETS};
use super::unit::{self, Scale};
use super::{Counter, Found, Gauge, Histogram, Registry, Spec, Unit, name};
use crate::error::Error;
use crate::segment::{Payload, RecordKind, slow_path};
use crate::thread::lock;

/// Maximum number of rejected keys that are remembered.
const REFUSED_KEYS: usize = 4096;

/// A [`metrics::Recorder`]; install it with [`metrics::set_global_recorder`] or use it locally.
pub struct MetricsRecorder {
    registry: Arc<Registry>,
    counters: AppendMap<Known, ()>,
    gauges: AppendMap<Known, metrics::Gauge>,
    histograms: AppendMap<Known, metrics::Histogram>,
    /// Keys that cannot be exposed, so that each is reported once.
    refused: AppendMap<(MetricKind, Key), ()>,
    described: Mutex<HashMap<String, Described>>,
}

/// A known key, identified by what the registry keeps anyway.
struct Known {
    family: Arc<FamilyCore>,
    series: Arc<SeriesCore>,
}

impl Known {
    /// Reports whether `key` has exactly this name and these labels. A key that was changed for the
    /// exposition is looked up anew each time.
    fn is(&self, key: &Key) -> bool {
        self.family.record.given == key.name()
            && self.series.labels.len() == key.labels().len()
            && key.labels().all(|label| self.series.labels.contains(label.key(), label.value()))
    }
}

#[derive(Clone)]
struct Described {
    unit: Option<metrics::Unit>,
    help: String,
}

impl MetricsRecorder {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            counters: AppendMap::new(),
            gauges: AppendMap::new(),
            histograms: AppendMap::new(),
            refused: AppendMap::new(),
            described: Mutex::new(HashMap::new()),
        }
    }

    /// Makes a handle and remembers it, unless its labels use the overflow series, whose number is unbounded.
    fn register<H, S>(
        &self,
        known: &AppendMap<Known, S>,
        key: &Key,
        kind: MetricKind,
        make: impl Fn(&Arc<FamilyCore>, Option<Arc<SeriesCore>>) -> H,
        stored: impl Fn(&H) -> S,
        restored: impl Fn(&Known, &S) -> H,
    ) -> Option<H> {
        let hash = key.get_hash();
        let find =
            || known.get_entry(hash, |known| known.is(key)).map(|(known, stored)| restored(known, stored));
        if let Some(handle) = find() {
            return Some(handle);
        }
        let is_refused = |(of, refused): &(MetricKind, Key)| *of == kind && refused == key;
        if self.refused.get(hash, is_refused).is_some() {
            return None;
        }
        match self.series(key, kind) {
            Ok((family, found)) => {
                let handle = make(&family, found.series.clone());
                let own = found.series.filter(|_| found.own).map(|series| Known { family, series });
                if let Some(own) = own.filter(|known| known.is(key)) {
                    let slow = slow_path();
                    if known.get(hash, |known| known.is(key)).is_none() {
                        known.insert(&slow, hash, own, stored(&handle));
                    }
                }
                Some(handle)
            }
            Err(error) => {
                self.registry.diagnostics().warn_once("facade", &error.to_string());
                let slow = slow_path();
                if self.refused.len() < REFUSED_KEYS && self.refused.get(hash, is_refused).is_none() {
                    self.refused.insert(&slow, hash, (kind, key.to_retained()), ());
                }
                None
            }
        }
    }

    fn series(&self, key: &Key, kind: MetricKind) -> Result<(Arc<FamilyCore>, Found), Error> {
        let family = self.registry.family_core(&self.spec(key.name(), kind)?)?;
        self.registry.count_cut(key.labels().map(metrics::Label::value));
        let labels = self.registry.redacted_labels(&labels(key)?);
        let found = self.registry.series_or_overflow(&family, labels);
        Ok((family, found))
    }

    fn spec(&self, given: &str, kind: MetricKind) -> Result<Spec, Error> {
        let described = {
            let _slow = slow_path();
            lock(&self.described).get(given).cloned()
        };
        let mut spec = match kind {
            MetricKind::Counter => Spec::whole_counter(given),
            MetricKind::Gauge => Spec::gauge(given),
            _ => Spec::histogram(given, &[]),
        };
        let record = &mut spec.record;
        record.name = name::sanitized(given, true);
        if let Some(described) = described {
            record.help = described.help;
            if let Some((unit, scale, own_suffix)) = described.unit.map(unit::of_facade) {
                (record.unit, record.scale) = (unit, scale);
                let base = record.name.strip_suffix("_total").unwrap_or(&record.name);
                let stem = base.strip_suffix(own_suffix).and_then(|stem| stem.strip_suffix('_'));
                if let Some(stem) = stem.filter(|_| !scale.is_one()) {
                    record.name = stem.to_owned();
                }
            }
        }
        // Counters and gauges are scaled when read; histograms need their buckets now.
        if kind == MetricKind::Histogram {
            let own = self.registry.options.buckets.iter().find(|(name, _)| name == given);
            record.bounds = match (own, record.unit) {
                (Some((_, bounds)), _) => bounds.clone(),
                (None, Unit::Bytes) => BYTES_BUCKETS.to_vec(),
                (None, Unit::Ratio) => RATIO_BUCKETS.to_vec(),
                (None, _) => LATENCY_BUCKETS.to_vec(),
            };
        }
        spec.checked()
    }

    fn describe(&self, given: &KeyName, kind: MetricKind, unit: Option<metrics::Unit>, help: SharedString) {
        let given = given.as_str();
        let spec = self.spec(given, kind).ok();
        let family = spec.and_then(|spec| self.registry.find_family(&spec.record.name).cloned());
        let family = family.filter(|family| family.record.given == given);
        let (base, scale, _) = unit.map_or((Unit::None, Scale::ONE, ""), unit::of_facade);
        let late = family
            .as_ref()
            .is_some_and(|f| unit.is_some() && (f.record.unit, f.record.scale) != (base, scale));
        let known;
        {
            let _slow = slow_path();
            let mut all = lock(&self.described);
            let before = all.get(given);
            known = before.is_some_and(|before| before.help == *help);
            let before = before.and_then(|described| described.unit);
            let unit = if late { before } else { unit.or(before) };
            all.insert(given.to_owned(), Described { unit, help: help.to_string() });
        }
        // A repeated description takes no more room in the segment.
        if let Some(family) = family.filter(|_| !known) {
            self.registry.describe(&family, &help);
        }
        if late {
            let message =
                format!("metric {given:?}: its unit was described after its first use; describe it before");
            self.registry.diagnostics().warn_once("facade", &message);
        }
    }
}

impl Registry {
    /// Records the help of a family that has none.
    fn describe(&self, family: &FamilyCore, help: &str) {
        if family.record.help.is_empty() && !help.is_empty() {
            self.append(RecordKind::Describe, &Payload::default().word(u64::from(family.at)).text(help));
        }
    }
}

/// Returns the labels of a key as they will be exposed, sorted by name.
fn labels(key: &Key) -> Result<LabelPairs, Error> {
    let mut labels: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(key.labels().len());
    for label in key.labels() {
        let exposed = name::sanitized(label.key(), false);
        name::check_label(key.name(), &exposed)?;
        labels.push((exposed.into(), name::label_value(label.value()).into()));
    }
    labels.sort();
    if let Some(twice) = labels.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::config(format!(
            "metric {:?}: two labels are both exposed as {:?}; rename one of them",
            key.name(),
            twice[0].0
        )));
    }
    Ok(labels.into())
}

impl metrics::Recorder for MetricsRecorder {
    fn describe_counter(&self, key: KeyName, unit: Option<metrics::Unit>, description: SharedString) {
        self.describe(&key, MetricKind::Counter, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<metrics::Unit>, description: SharedString) {
        self.describe(&key, MetricKind::Gauge, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<metrics::Unit>, description: SharedString) {
        self.describe(&key, MetricKind::Histogram, unit, description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        let make =
            |family: &Arc<FamilyCore>, series| Counter::new(&self.registry, family, series).into_shared();
        // The series is the handle, so nothing else has to be kept.
        let restored = |known: &Known, &(): &()| make(&known.family, Some(known.series.clone()));
        let handle = self.register(&self.counters, key, MetricKind::Counter, make, |_| (), restored);
        handle.unwrap_or(metrics::Counter::noop())
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        let make =
            |family: &Arc<FamilyCore>, series| Gauge::new(&self.registry, family, series).into_shared();
        let (stored, restored) = (metrics::Gauge::clone, |_: &Known, handle: &metrics::Gauge| handle.clone());
        let handle = self.register(&self.gauges, key, MetricKind::Gauge, make, stored, restored);
        handle.unwrap_or(metrics::Gauge::noop())
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        let make =
            |family: &Arc<FamilyCore>, series| Histogram::new(&self.registry, family, series).into_shared();
        let stored = metrics::Histogram::clone;
        let restored = |_: &Known, handle: &metrics::Histogram| handle.clone();
        let handle = self.register(&self.histograms, key, MetricKind::Histogram, make, stored, restored);
        handle.unwrap_or(metrics::Histogram::noop())
    }
}
