//! A family as it was defined, and what it is bound to while something is recorded.

use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use auscult::{Error, Merge, Spec, Telemetry, Unit};

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
    bound: RwLock<Option<auscult::Family>>,
    children: Mutex<Vec<Weak<Child>>>,
}

/// One series of a family; for a state set, one of each state.
pub(crate) struct Child {
    pub(crate) values: Vec<String>,
    handle: RwLock<Handle>,
}

/// Where a child records to.
pub(crate) enum Handle {
    Off,
    Counter(auscult::Counter),
    Gauge(auscult::Gauge),
    Histogram(auscult::Histogram),
    States(Vec<auscult::Gauge>),
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
    /// When it cannot be exposed, or contradicts one of the same name.
    pub(crate) fn define(about: About<'_>, kind: Kind) -> Result<Arc<Self>, Error> {
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
            labels: about.labels,
            kind,
            bound: RwLock::new(None),
            children: Mutex::new(Vec::new()),
        });
        family.check()?;
        if let Some(telemetry) = state::telemetry() {
            family.bind(&telemetry)?;
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

    fn bind(&self, telemetry: &Telemetry) -> Result<(), Error> {
        if self.kind == Kind::Info {
            return Ok(());
        }
        let bound = telemetry.family(self.spec(&[]))?;
        let children: Vec<_> = lock(&self.children).iter().filter_map(Weak::upgrade).collect();
        for child in children {
            child.set(self.handle(&bound, &child.values)?);
        }
        *self.bound.write().unwrap_or_else(PoisonError::into_inner) = Some(bound);
        Ok(())
    }

    fn unbind(&self) {
        *self.bound.write().unwrap_or_else(PoisonError::into_inner) = None;
        lock(&self.children)
            .retain(|child| child.upgrade().inspect(|child| child.set(Handle::Off)).is_some());
    }

    /// The family an info with these facts belongs to, while something is recorded.
    pub(crate) fn of_facts(&self, names: &[&str]) -> Result<Option<auscult::Family>, Error> {
        state::telemetry().map(|telemetry| telemetry.family(self.spec(names))).transpose()
    }

    /// A series of this family.
    ///
    /// # Errors
    /// When the core does not take its labels.
    pub(crate) fn child(&self, values: Vec<String>) -> Result<Arc<Child>, Error> {
        let bound = self.bound.read().unwrap_or_else(PoisonError::into_inner).clone();
        let handle = bound.map_or(Ok(Handle::Off), |bound| self.handle(&bound, &values))?;
        let child = Arc::new(Child { values, handle: RwLock::new(handle) });
        let mut children = lock(&self.children);
        if children.len() == children.capacity() {
            children.retain(|child| child.strong_count() > 0);
        }
        children.push(Arc::downgrade(&child));
        Ok(child)
    }

    fn handle(&self, bound: &auscult::Family, values: &[String]) -> Result<Handle, Error> {
        let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
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
                Handle::States(gauges)
            }
        })
    }

    /// Takes one series out of the exposition.
    pub(crate) fn remove(&self, values: &[String]) -> Result<(), Error> {
        let bound = self.bound.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(bound) = bound else { return Ok(()) };
        let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
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
        bound.inspect(auscult::Family::clear);
    }
}

impl Child {
    /// A series that takes updates and drops them.
    pub(crate) fn lost() -> Arc<Self> {
        Arc::new(Self { values: Vec::new(), handle: RwLock::new(Handle::Off) })
    }

    fn set(&self, handle: Handle) {
        *self.handle.write().unwrap_or_else(PoisonError::into_inner) = handle;
    }

    /// Records through the handle. `record` runs no Python.
    #[inline]
    pub(crate) fn with(&self, record: impl FnOnce(&Handle)) {
        record(&self.handle.read().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Binds everything that was defined; gives what was refused.
pub(crate) fn bind_all(telemetry: &Telemetry) -> Vec<String> {
    let families = lock(&FAMILIES).clone();
    families.iter().filter_map(|family| family.bind(telemetry).err()).map(|error| error.to_string()).collect()
}

/// Has everything that was defined record to nothing.
pub(crate) fn unbind_all() {
    let families = lock(&FAMILIES).clone();
    families.iter().for_each(|family| family.unbind());
}
