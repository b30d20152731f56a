//! The board: the gauges that show what a source read last, and the history that keeps it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use soundpost_core::history::{HistoryWriter, Point};
use soundpost_core::{Counter, Error, Family, Gauge, Registry, Spec};

use crate::reading::{Quantity, Reading, Readings};

/// Gauges of one source. What a sample does not mention is taken down: absence is absence.
pub(crate) struct Board {
    registry: Arc<Registry>,
    families: HashMap<&'static str, Option<Family>>,
    shown: HashMap<Key, Shown>,
    rejected: Counter,
    history: Option<Arc<HistoryWriter>>,
    sample: u64,
}

/// A quantity and the values of its labels.
type Key = (&'static Quantity, Vec<String>);

struct Shown {
    gauge: Gauge,
    sample: u64,
}

impl Board {
    /// An empty board.
    ///
    /// # Errors
    /// When the name of its own counter is taken.
    pub(crate) fn new(registry: &Arc<Registry>, history: Option<Arc<HistoryWriter>>) -> Result<Self, Error> {
        let rejected = Spec::counter("soundpost_observations_rejected")
            .help("Values rejected, by reason.")
            .labels(&["reason"]);
        let rejected = registry.family(rejected)?.counter(&["implausible"])?;
        let (families, shown) = (HashMap::new(), HashMap::new());
        Ok(Self { registry: registry.clone(), families, shown, rejected, history, sample: 0 })
    }

    /// Shows a sample.
    pub(crate) fn show(&mut self, readings: &Readings) {
        self.sample += 1;
        // First of all: a call that starts when the values are shown finds them there.
        self.keep(readings, &[]);
        self.rejected.increment_by(readings.dropped.len() as f64);
        for reading in &readings.readings {
            let key = (reading.quantity, reading.labels.clone());
            let shown = match self.shown.entry(key) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let family = family(&self.registry, &mut self.families, reading.quantity);
                    let labels: Vec<&str> = reading.labels.iter().map(String::as_str).collect();
                    let Some(Ok(gauge)) = family.map(|family| family.gauge(&labels)) else { continue };
                    entry.insert(Shown { gauge, sample: 0 })
                }
            };
            shown.gauge.set(reading.value);
            shown.sample = self.sample;
        }
        let now = self.sample;
        let gone = self.take_down(|shown| shown.sample != now);
        self.keep(&Readings::default(), &gone);
    }

    /// Keeps a glance, which is not shown.
    pub(crate) fn glance(&self, readings: &Readings) {
        self.rejected.increment_by(readings.dropped.len() as f64);
        self.keep(readings, &[]);
    }

    /// Shows nothing any more.
    pub(crate) fn clear(&mut self) {
        let gone = self.take_down(|_| true);
        self.keep(&Readings::default(), &gone);
    }

    /// Appends to the history what was read, and what is there no more.
    fn keep(&self, readings: &Readings, gone: &[Key]) {
        let Some(history) = &self.history else { return };
        let read = readings.readings.iter().chain(&readings.aside);
        let points = read.map(|Reading { quantity, labels, value }| point(quantity, labels, Some(*value)));
        let gone = gone.iter().map(|(quantity, labels)| point(quantity, labels, None));
        let mut points = points.chain(gone).peekable();
        if points.peek().is_some() {
            history.append(points);
        }
    }

    fn take_down(&mut self, gone: impl Fn(&Shown) -> bool) -> Vec<Key> {
        let families = &self.families;
        let down = self.shown.extract_if(|_, shown| gone(shown)).map(|(key, _)| key);
        down.inspect(|(quantity, labels)| {
            if let Some(Some(family)) = families.get(quantity.name) {
                let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
                let _ = family.remove(&labels);
            }
        })
        .collect()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.clear();
    }
}

fn point<'a>(quantity: &'static Quantity, labels: &'a [String], value: Option<f64>) -> Point<'a> {
    Point { name: quantity.name, label_names: quantity.labels, label_values: labels, value }
}

/// The family of a quantity; `None` when it cannot be registered, which is said once.
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
