//! Families of metrics and their series, which are bound to the telemetry while it runs.

use std::mem::discriminant;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use soundpost::{Error, Merge, Spec, Telemetry, Unit};

use super::merge;
use crate::state::{self, lock};
use crate::value::{Text, Texts};

/// Every family that was defined, for `init` to bind. Families live as long as the process.
static FAMILIES: Mutex<Vec<Arc<Family>>> = Mutex::new(Vec::new());
/// Maximum number of series that a family keeps by their labels; a family of the core has the same limit.
const MAX_SERIES: usize = 2_000;

/// The kind of a metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Counter,
    Gauge(Merge),
    Histogram {
        bounds: Vec<f64>,
        exemplars: bool,
    },
    Summary,
    /// An info, whose label names are known once its facts are set.
    Info,
    StateSet(Vec<String>),
}

/// A family of this process.
pub(crate) struct Family {
    /// Namespace, subsystem and name, joined.
    pub(super) name: String,
    help: String,
    unit: Unit,
    pub(super) labels: Vec<String>,
    pub(super) kind: Kind,
    bound: RwLock<Option<soundpost::Family>>,
    /// The series made so far; the only one of a family without labels.
    series: Mutex<Vec<Arc<Series>>>,
}

/// One series of a family.
pub(crate) struct Series {
    pub(super) values: Box<[Box<str>]>,
    handle: RwLock<Handle>,
}

/// The core's handle behind a series; for a state set, one gauge per state.
pub(crate) enum Handle {
    Off,
    Counter(soundpost::Counter),
    Gauge(soundpost::Gauge),
    Histogram(soundpost::Histogram),
    #[allow(clippy::box_collection)] // keeps the many handles at two words each
    States(Box<Vec<soundpost::Gauge>>),
}

/// The arguments that the constructors of all metrics share.
pub(crate) struct Definition<'a, 'py> {
    pub(super) documentation: Text,
    pub(super) labelnames: Texts,
    pub(super) namespace: &'a str,
    pub(super) subsystem: &'a str,
    pub(super) unit: &'a str,
    pub(super) registry: Option<&'a Bound<'py, PyAny>>,
}

impl Family {
    /// Defines a family, and binds it if telemetry runs already.
    ///
    /// # Errors
    /// `ValueError` for a family that cannot be exposed, or that contradicts another one of its name.
    pub(super) fn define(name: &str, definition: Definition<'_, '_>, kind: Kind) -> PyResult<Arc<Self>> {
        let (Text(help), Texts(labels)) = (definition.documentation, definition.labelnames);
        let refusal = match kind {
            _ if definition.registry.is_some() => Some("registry: soundpost has one; leave it out"),
            Kind::Info if !definition.unit.is_empty() => Some("unit: an info has none"),
            Kind::StateSet(_) if !definition.unit.is_empty() => Some("unit: an enum has none"),
            Kind::StateSet(ref states) if states.is_empty() => Some("states: give at least one"),
            _ => None,
        };
        if let Some(refusal) = refusal {
            return Err(PyValueError::new_err(format!("metric {name:?}: {refusal}")));
        }
        let parts = [definition.namespace, definition.subsystem, name];
        let mut name = parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("_");
        // A unit that is no base unit is only a part of the name.
        let unit = Unit::from_suffix(definition.unit).unwrap_or(Unit::None);
        if unit == Unit::None && !definition.unit.is_empty() {
            let suffix = format!("_{}", definition.unit);
            if kind == Kind::Counter
                && let Some(base) = name.strip_suffix("_total")
            {
                name.truncate(base.len());
            }
            if !name.ends_with(&suffix) {
                name.push_str(&suffix);
            }
        }
        let series = if labels.is_empty() {
            vec![Arc::new(Series::new(Box::default(), Handle::Off))]
        } else {
            Vec::new()
        };
        let family = Arc::new(Self {
            name,
            help,
            unit,
            labels,
            kind,
            bound: RwLock::new(None),
            series: Mutex::new(series),
        });
        let refused = |error: Error| PyValueError::new_err(error.to_string());
        family.check().map_err(refused)?;
        if let Some(telemetry) = state::telemetry() {
            family.bind(&telemetry).map_err(refused)?;
        }
        lock(&FAMILIES).push(family.clone());
        Ok(family)
    }

    /// Returns the arguments by which the class makes this family again.
    pub(super) fn arguments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let arguments = PyDict::new(py);
        arguments.set_item("name", &self.name)?;
        arguments.set_item("documentation", &self.help)?;
        arguments.set_item("labelnames", &self.labels)?;
        match &self.kind {
            Kind::Counter | Kind::Summary | Kind::Info => {}
            Kind::Gauge(rule) => arguments.set_item("multiprocess_mode", merge::mode(*rule))?,
            Kind::Histogram { bounds, exemplars } => {
                arguments.set_item("buckets", bounds)?;
                arguments.set_item("exemplars", exemplars)?;
            }
            Kind::StateSet(states) => arguments.set_item("states", states)?,
        }
        if self.unit != Unit::None {
            arguments.set_item("unit", self.unit.suffix())?;
        }
        Ok(arguments)
    }

    /// Checks the definition without a registry.
    fn check(&self) -> Result<(), Error> {
        let families = lock(&FAMILIES);
        let Some(first) = families.iter().find(|first| first.name == self.name) else {
            return self.spec(&[]).check();
        };
        let sorted = |family: &Self| {
            let mut labels = family.labels.clone();
            labels.sort();
            labels
        };
        if discriminant(&first.kind) == discriminant(&self.kind) && sorted(first) == sorted(self) {
            // Of all other traits the first definition counts, which the core reports.
            return self.spec(&[]).check();
        }
        Err(Error::conflict(format!(
            "metric {:?}: defined before as {:?} with the labels {:?}; give it another name",
            self.name, first.kind, first.labels
        )))
    }

    /// Returns the definition for the core; `more` are the label names of an info's facts.
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

    fn bind(&self, telemetry: &Telemetry) -> Result<(), Error> {
        if self.kind == Kind::Info {
            return Ok(());
        }
        let bound = telemetry.family(self.spec(&[]))?;
        let series = lock(&self.series);
        for series in &*series {
            series.set(self.handle(&bound, &series.values)?);
        }
        *self.bound.write().unwrap_or_else(PoisonError::into_inner) = Some(bound);
        Ok(())
    }

    fn unbind(&self) {
        let series = lock(&self.series);
        *self.bound.write().unwrap_or_else(PoisonError::into_inner) = None;
        series.iter().for_each(|series| series.set(Handle::Off));
    }

    fn bound(&self) -> Option<soundpost::Family> {
        self.bound.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the family of an info with these facts, while telemetry runs.
    pub(super) fn with_facts(&self, names: &[&str]) -> Result<Option<soundpost::Family>, Error> {
        state::telemetry().map(|telemetry| telemetry.family(self.spec(names))).transpose()
    }

    /// Returns the only series of a family without labels.
    pub(super) fn only_series(&self) -> Option<Arc<Series>> {
        if self.labels.is_empty() { lock(&self.series).first().cloned() } else { None }
    }

    /// Adds a series. Returns it and whether the family keeps it: further ones share the overflow series.
    ///
    /// # Errors
    /// When the core rejects the label values.
    pub(super) fn add_series(&self, values: Box<[Box<str>]>) -> Result<(Arc<Series>, bool), Error> {
        let mut series = lock(&self.series);
        let handle = self.bound().map_or(Ok(Handle::Off), |bound| self.handle(&bound, &values))?;
        let added = Arc::new(Series::new(values, handle));
        let is_kept = series.len() < MAX_SERIES;
        if is_kept {
            series.push(added.clone());
        }
        Ok((added, is_kept))
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

    /// Removes one series from the exposition.
    pub(super) fn remove(&self, values: &[Box<str>]) -> Result<(), Error> {
        lock(&self.series).retain(|series| *series.values != *values);
        let Some(bound) = self.bound() else { return Ok(()) };
        let mut values: Vec<&str> = values.iter().map(|value| &**value).collect();
        let Kind::StateSet(states) = &self.kind else { return bound.remove(&values) };
        for state in states {
            values.push(state);
            bound.remove(&values)?;
            values.pop();
        }
        Ok(())
    }

    /// Removes all series from the exposition.
    pub(super) fn clear(&self) {
        if !self.labels.is_empty() {
            lock(&self.series).clear();
        }
        self.bound().inspect(soundpost::Family::clear);
    }
}

impl Series {
    fn new(values: Box<[Box<str>]>, handle: Handle) -> Self {
        Self { values, handle: RwLock::new(handle) }
    }

    fn set(&self, handle: Handle) {
        let before =
            std::mem::replace(&mut *self.handle.write().unwrap_or_else(PoisonError::into_inner), handle);
        drop(before);
    }

    /// Records through the handle. `record` must not run Python.
    #[inline]
    pub(super) fn with_handle(&self, record: impl FnOnce(&Handle)) {
        record(&self.handle.read().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Handle {
    /// Adds to a counter or gauge.
    #[inline]
    pub(super) fn add(&self, amount: f64) {
        match self {
            Self::Counter(counter) => counter.increment_by(amount),
            Self::Gauge(gauge) => gauge.increment_by(amount),
            Self::Histogram(_) | Self::States(_) | Self::Off => {}
        }
    }

    /// Observes a value in a histogram or summary, or sets a gauge.
    #[inline]
    pub(super) fn observe_or_set(&self, value: f64) {
        match self {
            Self::Histogram(histogram) => histogram.observe(value),
            Self::Gauge(gauge) => gauge.set(value),
            Self::Counter(_) | Self::States(_) | Self::Off => {}
        }
    }
}

/// Binds all families. Returns the errors of those that were refused.
pub(crate) fn bind_all(telemetry: &Telemetry) -> Vec<String> {
    let families = lock(&FAMILIES).clone();
    let errors = families.iter().filter_map(|family| family.bind(telemetry).err());
    errors.map(|error| error.to_string()).collect()
}

/// Unbinds all families, so that they record nothing.
pub(crate) fn unbind_all() {
    let families = lock(&FAMILIES).clone();
    families.iter().for_each(|family| family.unbind());
}
