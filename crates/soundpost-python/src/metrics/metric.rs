//! What all metrics share: a family, its label names, and its series by label values.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::family::{About, Family, Handle, Kind, Slot};
use super::{Counter, Enum, Gauge, Histogram, Info, Summary};
use crate::fault::{self, Part};
use crate::value;

/// Series kept by their labels; a family of the core has no more of its own.
const MAX_SERIES: usize = 2_000;

/// A metric: a family with label names, or one series of it.
#[pyclass(frozen, subclass, module = "soundpost")]
pub(crate) struct Metric {
    pub(crate) family: Arc<Family>,
    role: Role,
}

enum Role {
    /// As it was defined; where it has labels, their values are to be given first.
    Family,
    /// The label value, or the tuple of them, and where it records to.
    Series(Py<PyAny>, Slot),
    /// Takes the place of a series that could not be had.
    Lost,
}

impl Metric {
    /// Defines a metric.
    ///
    /// # Errors
    /// `ValueError` that names the metric and what to change.
    pub(crate) fn define(
        py: Python<'_>,
        about: About<'_>,
        registry: Option<&Bound<'_, PyAny>>,
        kind: Kind,
    ) -> PyResult<Self> {
        if registry.is_some() {
            return Err(PyValueError::new_err(format!(
                "metric {:?}: registry: soundpost has one; leave it out",
                about.name
            )));
        }
        Ok(Self { family: Family::define(py, about, kind)?, role: Role::Family })
    }

    /// Where it records to, unless there are label values to give.
    #[inline]
    pub(crate) fn slot(&self) -> Option<&Slot> {
        match &self.role {
            Role::Series(_, slot) => Some(slot),
            Role::Family | Role::Lost => self.family.labels.is_empty().then_some(&self.family.own),
        }
    }

    /// The label values of a series.
    pub(crate) fn values(&self, py: Python<'_>) -> PyResult<Option<Box<[Box<str>]>>> {
        match &self.role {
            Role::Series(key, _) => texts(key.bind(py)).map(Some),
            Role::Family if self.family.labels.is_empty() => Ok(Some(Box::default())),
            Role::Family | Role::Lost => Ok(None),
        }
    }

    /// Records to the series; a family with labels has none, which is a fault.
    #[inline]
    pub(crate) fn record(&self, py: Python<'_>, record: impl FnOnce(&Handle)) -> PyResult<()> {
        match (self.slot(), &self.role) {
            (Some(slot), _) => {
                slot.with(record);
                Ok(())
            }
            (None, Role::Lost) => Ok(()),
            (None, _) => self.fault(py, "labels are missing; use .labels(...)"),
        }
    }

    #[cold]
    pub(crate) fn fault(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        fault::report(
            py,
            Part::Metric,
            &self.family.name,
            None,
            &format!("metric {:?}: {text}", self.family.name),
        )
    }

    fn wrong_labels(&self, py: Python<'_>) -> PyResult<()> {
        let text = match &self.role {
            Role::Series(..) => "it has its labels already".to_owned(),
            Role::Family | Role::Lost => {
                format!("give values for the labels {:?}, by position or by name", self.family.labels)
            }
        };
        self.fault(py, &text)
    }

    /// A series of this metric: an object of the metric's own class.
    fn object<'py>(&self, py: Python<'py>, role: Role) -> PyResult<Bound<'py, PyAny>> {
        let base = PyClassInitializer::from(Self { family: self.family.clone(), role });
        Ok(match &self.family.kind {
            Kind::Counter => Bound::new(py, base.add_subclass(Counter))?.into_any(),
            Kind::Gauge(_) => Bound::new(py, base.add_subclass(Gauge))?.into_any(),
            Kind::Histogram { .. } => Bound::new(py, base.add_subclass(Histogram))?.into_any(),
            Kind::Summary => Bound::new(py, base.add_subclass(Summary))?.into_any(),
            Kind::Info => Bound::new(py, base.add_subclass(Info::default()))?.into_any(),
            Kind::StateSet(_) => Bound::new(py, base.add_subclass(Enum))?.into_any(),
        })
    }

    #[inline]
    fn find<'py>(&self, values: &Bound<'py, PyTuple>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.family.series.bind(values.py()).get_item(key(values)?)
    }

    fn make<'py>(&self, values: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let (py, key) = (values.py(), key(values)?);
        match self.family.slot(&texts(&key)?) {
            Ok(slot) => {
                let series = self.object(py, Role::Series(key.clone().unbind(), slot))?;
                let known = self.family.series.bind(py);
                // What is beyond shares the overflow series: to keep them all would cost memory and gain nothing.
                if known.len() < MAX_SERIES {
                    known.set_item(key, &series)?;
                }
                Ok(series)
            }
            Err(error) => {
                self.fault(py, &error.to_string())?;
                self.object(py, Role::Lost)
            }
        }
    }

    /// Has the functions that give the values of a gauge, of one series or of all, be asked no longer.
    fn forget(&self, py: Python<'_>, values: Option<&Bound<'_, PyTuple>>) -> PyResult<()> {
        if let Kind::Gauge(_) = self.family.kind {
            py.import(intern!(py, "soundpost._polling"))?
                .call_method1(intern!(py, "forget"), (&self.family.name, values))?;
        }
        Ok(())
    }

    /// The given label values as texts, in order; `None` when they are not those of the names.
    fn ordered<'py>(
        &self,
        values: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let py = values.py();
        let names = self.family.names.bind(py);
        let given = named.map_or(values.len(), |named| named.len() + values.len());
        let mixed = named.is_some() && !values.is_empty();
        if mixed || given != names.len() || given == 0 || !matches!(self.role, Role::Family) {
            return Ok(None);
        }
        let mut texts = Vec::with_capacity(given);
        for (index, name) in names.iter().enumerate() {
            let value = match named {
                None => Some(values.get_item(index)?),
                Some(named) => named.get_item(name)?,
            };
            match value {
                Some(value) => texts.push(value::text(value)?),
                None => return Ok(None),
            }
        }
        PyTuple::new(py, texts).map(Some)
    }
}

/// What a series is kept under: its label value, or the tuple of several.
#[inline]
fn key<'py>(values: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    if values.len() == 1 { values.get_item(0) } else { Ok(values.clone().into_any()) }
}

/// The label values of a key.
pub(crate) fn texts(key: &Bound<'_, PyAny>) -> PyResult<Box<[Box<str>]>> {
    let text = |value: &Bound<'_, PyAny>| Ok(value.cast::<PyString>()?.to_string_lossy().into());
    match key.cast::<PyTuple>() {
        Ok(values) => values.iter().map(|value| text(&value)).collect(),
        Err(_) => Ok(Box::new([text(key)?])),
    }
}

#[pymethods]
impl Metric {
    /// The series of these label values, given by position or by name; any value is taken as its text.
    #[pyo3(signature = (*labelvalues, **labelkwargs))]
    fn labels<'py>(
        &self,
        py: Python<'py>,
        labelvalues: &Bound<'py, PyTuple>,
        labelkwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let texts_only = || labelvalues.iter_borrowed().all(|value| value.is_exact_instance_of::<PyString>());
        if labelkwargs.is_none()
            && labelvalues.len() == self.family.labels.len()
            && matches!(self.role, Role::Family)
            && texts_only()
            && let Some(series) = self.find(labelvalues)?
        {
            return Ok(series);
        }
        let Some(values) = self.ordered(labelvalues, labelkwargs)? else {
            self.wrong_labels(py)?;
            return self.object(py, Role::Lost);
        };
        match self.find(&values)? {
            Some(series) => Ok(series),
            None => self.make(&values),
        }
    }

    /// Takes the series of these label values out of the exposition.
    #[pyo3(signature = (*labelvalues))]
    fn remove<'py>(&self, py: Python<'py>, labelvalues: &Bound<'py, PyTuple>) -> PyResult<()> {
        let Some(values) = self.ordered(labelvalues, None)? else { return self.wrong_labels(py) };
        let (series, key) = (self.family.series.bind(py), key(&values)?);
        if series.contains(&key)? {
            series.del_item(&key)?;
        }
        self.forget(py, Some(&values))?;
        match self.family.remove(&texts(&key)?) {
            Ok(()) => Ok(()),
            Err(error) => self.fault(py, &error.to_string()),
        }
    }

    /// Takes all series out of the exposition.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.family.series.bind(py).clear();
        self.forget(py, None)?;
        self.family.clear();
        Ok(())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let names = self.family.labels.iter();
        let labels: Vec<String> = match self.values(py)? {
            Some(values) => names.zip(&values).map(|(name, value)| format!("{name}={value:?}")).collect(),
            None => names.cloned().collect(),
        };
        Ok(format!("<soundpost metric {} {{{}}}>", self.family.name, labels.join(", ")))
    }
}
