//! A family as it was defined, and what it is bound to while something is recorded.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use soundpost::{Error, Merge, Spec, Telemetry, Unit};

use super::metric::{Metric, texts};

use crate::state::{self, lock};

/// Every family that was defined, for `init` to bind. They live as long as the process, as metrics do.
static FAMILIES: Mutex<Vec<Arc<Family>>> = Mutex::new(Vec::new());

/// What a metric is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Counter,
    Gauge(Merge),
    Histogram {
        bounds: Vec<f64>,
        exemplars: bool,
    },
    Summary,
    /// Its labels are known when the facts are.
    Info,
    StateSet(Vec<String>),
}

/// A family of this process.
pub(crate) struct Family {
    /// Namespace, subsystem and name.
    pub(crate) name: String,
    help: String,
    unit: Unit,
    pub(crate) labels: Vec<String>,
    pub(crate) kind: Kind,
    bound: RwLock<Option<soundpost::Family>>,
    /// The one series of a family without labels.
    pub(crate) own: Slot,
    /// The label names, and the series made so far: by their value, or by a tuple of several.
    pub(crate) names: Py<PyTuple>,
    pub(crate) series: Py<PyDict>,
}

/// Where one series records to.
pub(crate) struct Slot(RwLock<Handle>);

/// What stands behind a series; for a state set, one gauge each state.
pub(crate) enum Handle {
    Off,
    Counter(soundpost::Counter),
    Gauge(soundpost::Gauge),
    Histogram(soundpost::Histogram),
    #[allow(clippy::box_collection)] // keeps a handle at two words, of which there are many
    States(Box<Vec<soundpost::Gauge>>),
}

/// What a metric is called and about.
pub(crate) struct About<'a> {
    pub(crate) name: &'a str,
    pub(crate) help: &'a str,
    pub(crate) labels: Vec<String>,
    pub(crate) namespace: &'a str,
    pub(crate) subsystem: &'a str,
    pub(crate) unit: &'a str,
}

impl Family {
    /// Defines a family; binds it if something is recorded already.
    ///
    /// # Errors
    /// `ValueError` when it cannot be exposed, or contradicts one of the same name.
    pub(crate) fn define(py: Python<'_>, about: About<'_>, kind: Kind) -> PyResult<Arc<Self>> {
        let parts = [about.namespace, about.subsystem, about.name];
        let mut name = parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("_");
        // A unit that is none of the base units is part of the name and nothing more.
        let unit = Unit::from_suffix(about.unit).unwrap_or(Unit::None);
        if unit == Unit::None && !about.unit.is_empty() {
            let suffix = format!("_{}", about.unit);
            if kind == Kind::Counter
                && let Some(base) = name.strip_suffix("_total")
            {
                name.truncate(base.len());
            }
            if !name.ends_with(&suffix) {
                name.push_str(&suffix);
            }
        }
        let family = Arc::new(Self {
            name,
            help: about.help.to_owned(),
            unit,
            names: PyTuple::new(py, &about.labels)?.unbind(),
            series: PyDict::new(py).unbind(),
            labels: about.labels,
            kind,
            bound: RwLock::new(None),
            own: Slot::new(Handle::Off),
        });
        family.check().map_err(refused)?;
        if let Some(telemetry) = state::telemetry() {
            family.bind(py, &telemetry).map_err(refused)?;
        }
        lock(&FAMILIES).push(family.clone());
        Ok(family)
    }

    /// Checks what can be checked without a registry.
    fn check(&self) -> Result<(), Error> {
        let families = lock(&FAMILIES);
        let Some(other) = families.iter().find(|other| other.name == self.name) else {
            return self.spec(&[]).check();
        };
        if other.kind == self.kind && other.labels == self.labels && other.unit == self.unit {
            return Ok(());
        }
        Err(Error::conflict(format!(
            "metric {:?}: defined before as {:?} with the labels {:?}; give it another name",
            self.name, other.kind, other.labels
        )))
    }

    /// As the core knows it; `more` are the labels that only an info has.
    fn spec(&self, more: &[&str]) -> Spec {
        let spec = match &self.kind {
            Kind::Counter => Spec::counter(&self.name),
            Kind::Gauge(merge) => Spec::gauge(&self.name).merge(*merge),
            Kind::Histogram { bounds, exemplars: false } => Spec::histogram(&self.name, bounds),
            Kind::Histogram { bounds, exemplars: true } => Spec::histogram(&self.name, bounds).exemplars(),
            Kind::Summary => Spec::summary(&self.name),
            Kind::Info => Spec::info(&self.name),
            Kind::StateSet(_) => Spec::state_set(&self.name),
        };
        let mut labels: Vec<&str> = self.labels.iter().map(String::as_str).collect();
        labels.extend(more);
        if let Kind::StateSet(_) = self.kind {
            labels.push(&self.name);
        }
        spec.help(&self.help).unit(self.unit).labels(&labels)
    }

    fn bind(&self, py: Python<'_>, telemetry: &Telemetry) -> Result<(), Error> {
        if self.kind == Kind::Info {
            return Ok(());
        }
        let bound = telemetry.family(self.spec(&[]))?;
        if self.labels.is_empty() {
            self.own.set(self.handle(&bound, &[])?);
        }
        for (key, series) in self.series.bind(py) {
            if let (Ok(values), Ok(series)) = (texts(&key), series.cast::<Metric>()) {
                let slot = series.get().slot();
                if let Some(slot) = slot {
                    slot.set(self.handle(&bound, &values)?);
                }
            }
        }
        *self.bound.write().unwrap_or_else(PoisonError::into_inner) = Some(bound);
        Ok(())
    }

    fn unbind(&self, py: Python<'_>) {
        *self.bound.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.own.set(Handle::Off);
        for series in self.series.bind(py).values() {
            if let Some(slot) = series.cast::<Metric>().ok().and_then(|series| series.get().slot()) {
                slot.set(Handle::Off);
            }
        }
    }

    /// The family an info with these facts belongs to, while something is recorded.
    pub(crate) fn of_facts(&self, names: &[&str]) -> Result<Option<soundpost::Family>, Error> {
        state::telemetry().map(|telemetry| telemetry.family(self.spec(names))).transpose()
    }

    /// Where the series of these label values records to.
    ///
    /// # Errors
    /// When the core does not take its labels.
    pub(crate) fn slot(&self, values: &[Box<str>]) -> Result<Slot, Error> {
        let bound = self.bound.read().unwrap_or_else(PoisonError::into_inner).clone();
        bound.map_or(Ok(Handle::Off), |bound| self.handle(&bound, values)).map(Slot::new)
    }

    fn handle(&self, bound: &soundpost::Family, values: &[Box<str>]) -> Result<Handle, Error> {
        let mut values: Vec<&str> = values.iter().map(|value| &**value).collect();
        Ok(match &self.kind {
            Kind::Counter => Handle::Counter(bound.counter(&values)?),
            Kind::Gauge(_) => Handle::Gauge(bound.gauge(&values)?),
            Kind::Histogram { .. } | Kind::Summary => Handle::Histogram(bound.histogram(&values)?),
            Kind::Info => Handle::Off,
            Kind::StateSet(states) => {
                values.push("");
                let last = values.len() - 1;
                let mut gauges = Vec::with_capacity(states.len());
                for (index, state) in states.iter().enumerate() {
                    values[last] = state;
                    let gauge = bound.gauge(&values)?;
                    gauge.set(f64::from(u8::from(index == 0)));
                    gauges.push(gauge);
                }
                Handle::States(Box::new(gauges))
            }
        })
    }

    /// Takes one series out of the exposition.
    pub(crate) fn remove(&self, values: &[Box<str>]) -> Result<(), Error> {
        let bound = self.bound.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(bound) = bound else { return Ok(()) };
        let mut values: Vec<&str> = values.iter().map(|value| &**value).collect();
        let Kind::StateSet(states) = &self.kind else { return bound.remove(&values) };
        for state in states {
            values.push(state);
            bound.remove(&values)?;
            values.pop();
        }
        Ok(())
    }

    /// Takes all of them out.
    pub(crate) fn clear(&self) {
        let bound = self.bound.read().unwrap_or_else(PoisonError::into_inner).clone();
        bound.inspect(soundpost::Family::clear);
    }
}

impl Slot {
    pub(crate) fn new(handle: Handle) -> Self {
        Self(RwLock::new(handle))
    }

    fn set(&self, handle: Handle) {
        let before = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), handle);
        drop(before);
    }

    /// Records through the handle. `record` runs no Python.
    #[inline]
    pub(crate) fn with(&self, record: impl FnOnce(&Handle)) {
        record(&self.0.read().unwrap_or_else(PoisonError::into_inner));
    }
}

fn refused(error: Error) -> PyErr {
    pyo3::exceptions::PyValueError::new_err(error.to_string())
}

/// Binds everything that was defined; gives what was refused.
pub(crate) fn bind_all(py: Python<'_>, telemetry: &Telemetry) -> Vec<String> {
    let families = lock(&FAMILIES).clone();
    families
        .iter()
        .filter_map(|family| family.bind(py, telemetry).err())
        .map(|error| error.to_string())
        .collect()
}

/// Has everything that was defined record to nothing.
pub(crate) fn unbind_all(py: Python<'_>) {
    let families = lock(&FAMILIES).clone();
    families.iter().for_each(|family| family.unbind(py));
}
