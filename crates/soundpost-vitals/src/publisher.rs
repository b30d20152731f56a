//! The publisher: gauges of a source's last sample, and its history.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use soundpost_core::history::{HistoryWriter, Point};
use soundpost_core::{Counter, Error, Family, Gauge, Registry, Spec};

use crate::reading::{Quantity, Reading, Readings};

/// Gauges of one source. A series missing in a sample is retracted; it never becomes 0.
pub(crate) struct GaugePublisher {
    registry: Arc<Registry>,
    families: HashMap<&'static str, Option<Family>>,
    published: HashMap<Key, PublishedGauge>,
    rejected: Counter,
    history: Option<Arc<HistoryWriter>>,
    sample: u64,
}

type Key = (&'static Quantity, Vec<String>);

struct PublishedGauge {
    gauge: Gauge,
    sample: u64,
}

impl GaugePublisher {
    pub(crate) fn new(registry: &Arc<Registry>, history: Option<Arc<HistoryWriter>>) -> Result<Self, Error> {
        let rejected = Spec::counter("soundpost_observations_rejected")
            .help("Values rejected, by reason.")
            .labels(&["reason"]);
        let rejected = registry.family(rejected)?.counter(&["implausible"])?;
        let (families, published) = (HashMap::new(), HashMap::new());
        Ok(Self { registry: registry.clone(), families, published, rejected, history, sample: 0 })
    }

    pub(crate) fn publish(&mut self, readings: &Readings) {
        self.sample += 1;
        // Append first, so that a call that starts when the gauges change finds the sample in the history.
        self.append_history(readings, &[]);
        self.rejected.increment_by(readings.dropped.len() as f64);
        for reading in &readings.readings {
            let key = (reading.quantity, reading.labels.clone());
            let published = match self.published.entry(key) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let family = family(&self.registry, &mut self.families, reading.quantity);
                    let labels: Vec<&str> = reading.labels.iter().map(String::as_str).collect();
                    let Some(Ok(gauge)) = family.map(|family| family.gauge(&labels)) else { continue };
                    entry.insert(PublishedGauge { gauge, sample: 0 })
                }
            };
            published.gauge.set(reading.value);
            published.sample = self.sample;
        }
        let now = self.sample;
        let gone = self.retract(|published| published.sample != now);
        self.append_history(&Readings::default(), &gone);
    }

    /// Appends a fast sample to the history, without publishing it.
    pub(crate) fn fast_sample(&self, readings: &Readings) {
        self.rejected.increment_by(readings.dropped.len() as f64);
        self.append_history(readings, &[]);
    }

    pub(crate) fn clear(&mut self) {
        let gone = self.retract(|_| true);
        self.append_history(&Readings::default(), &gone);
    }

    /// Appends readings and retracted series to the history.
    fn append_history(&self, readings: &Readings, gone: &[Key]) {
        let Some(history) = &self.history else { return };
        let read = readings.readings.iter().chain(&readings.aside);
        let points = read.map(|Reading { quantity, labels, value }| point(quantity, labels, Some(*value)));
        let gone = gone.iter().map(|(quantity, labels)| point(quantity, labels, None));
        let mut points = points.chain(gone).peekable();
        if points.peek().is_some() {
            history.append(points);
        }
    }

    fn retract(&mut self, gone: impl Fn(&PublishedGauge) -> bool) -> Vec<Key> {
        let families = &self.families;
        let down = self.published.extract_if(|_, published| gone(published)).map(|(key, _)| key);
        down.inspect(|(quantity, labels)| {
            if let Some(Some(family)) = families.get(quantity.name) {
                let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
                let _ = family.remove(&labels);
            }
        })
        .collect()
    }
}

impl Drop for GaugePublisher {
    fn drop(&mut self) {
        self.clear();
    }
}

fn point<'a>(quantity: &'static Quantity, labels: &'a [String], value: Option<f64>) -> Point<'a> {
    Point { name: quantity.name, label_names: quantity.labels, label_values: labels, value }
}

/// Returns the family of a quantity; `None` when it cannot be registered, which is logged once.
fn family<'a>(
    registry: &Arc<Registry>,
    families: &'a mut HashMap<&'static str, Option<Family>>,
    quantity: &'static Quantity,
) -> Option<&'a Family> {
    let make = || {
        let family = registry.family(quantity.spec(registry.identity().prefix()));
        family.inspect_err(|error| registry.diagnostics().warn_once("vitals", &error.to_string())).ok()
    };
    families.entry(quantity.name).or_insert_with(make).as_ref()
}
