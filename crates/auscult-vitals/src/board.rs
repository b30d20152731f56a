//! The board: the gauges that show what a source read last.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use auscult_core::{Counter, Error, Family, Gauge, Registry, Spec};

use crate::reading::{Quantity, Readings};

/// Gauges of one source. What a sample does not mention is taken down: absence is absence.
pub(crate) struct Board {
    registry: Arc<Registry>,
    families: HashMap<&'static str, Option<Family>>,
    shown: HashMap<(&'static str, Vec<String>), Shown>,
    rejected: Counter,
    sample: u64,
}

struct Shown {
    gauge: Gauge,
    sample: u64,
}

impl Board {
    /// An empty board.
    ///
    /// # Errors
    /// When the name of its own counter is taken.
    pub(crate) fn new(registry: &Arc<Registry>) -> Result<Self, Error> {
        let rejected = Spec::counter("auscult_observations_rejected")
            .help("Values that were not recorded, by reason.")
            .labels(&["reason"]);
        let rejected = registry.family(rejected)?.counter(&["implausible"])?;
        let (families, shown) = (HashMap::new(), HashMap::new());
        Ok(Self { registry: registry.clone(), families, shown, rejected, sample: 0 })
    }

    /// Shows a sample.
    pub(crate) fn show(&mut self, readings: &Readings) {
        self.sample += 1;
        self.rejected.inc(readings.dropped.len() as f64);
        for reading in &readings.readings {
            let key = (reading.quantity.name, reading.labels.clone());
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
        self.take_down(|shown| shown.sample != now);
    }

    /// Shows nothing any more.
    pub(crate) fn clear(&mut self) {
        self.take_down(|_| true);
    }

    fn take_down(&mut self, gone: impl Fn(&Shown) -> bool) {
        let families = &self.families;
        self.shown.retain(|(name, labels), shown| {
            let gone = gone(shown);
            if let (true, Some(Some(family))) = (gone, families.get(name)) {
                let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
                let _ = family.remove(&labels);
            }
            !gone
        });
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The family of a quantity; `None` when it cannot be registered, which is said once.
fn family<'a>(
    registry: &Arc<Registry>,
    families: &'a mut HashMap<&'static str, Option<Family>>,
    quantity: &'static Quantity,
) -> Option<&'a Family> {
    let make = || {
        let family = registry.family(quantity.spec(registry.identity().prefix()));
        family.inspect_err(|error| registry.fault("vitals", &error.to_string())).ok()
    };
    families.entry(quantity.name).or_insert_with(make).as_ref()
}
