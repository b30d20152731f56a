//! The base class of all metrics: a family, its label names, and its series by label values.

use std::sync::Arc;

use pyo3::PyClass;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::family::{Definition, Family, Handle, Kind, Series};
use crate::fault::{self, part};
use crate::value;

/// A metric: a family with label names, or one series of it.
#[pyclass(frozen, subclass, module = "soundpost")]
pub(crate) struct Metric {
    pub(super) family: Arc<Family>,
    role: Role,
    /// The Python objects of the series made so far: by their label value, or by the tuple of several.
    series: Py<PyDict>,
    /// Creates an object of the metric's own class.
    subclass: fn(Python<'_>, Self) -> PyResult<Bound<'_, PyAny>>,
}

enum Role {
    /// The metric as it was defined, with its only series if it has no labels.
    Family(Option<Arc<Series>>),
    Series(Arc<Series>),
    /// A stand-in for a series that was refused.
    Lost,
}

impl Metric {
    /// Defines a metric of a subclass.
    ///
    /// # Errors
    /// `ValueError` with the name of the metric and the remedy.
    pub(super) fn define<C>(
        py: Python<'_>,
        definition: Definition<'_, '_>,
        kind: Kind,
    ) -> PyResult<PyClassInitializer<C>>
    where
        C: PyClass<BaseType = Self> + Default,
    {
        let family = Family::define(definition, kind)?;
        let role = Role::Family(family.only_series());
        let metric = Self { family, role, series: PyDict::new(py).unbind(), subclass: subclass_object::<C> };
        Ok(PyClassInitializer::from(metric).add_subclass(C::default()))
    }

    #[inline]
    fn series(&self) -> Option<&Arc<Series>> {
        match &self.role {
            Role::Series(series) | Role::Family(Some(series)) => Some(series),
            Role::Family(None) | Role::Lost => None,
        }
    }

    /// Returns the label values of a series.
    pub(super) fn values(&self) -> Option<&[Box<str>]> {
        self.series().map(|series| &*series.values)
    }

    /// Records to the series; missing label values are a fault.
    #[inline]
    pub(super) fn record(&self, py: Python<'_>, record: impl FnOnce(&Handle)) -> PyResult<()> {
        match (self.series(), &self.role) {
            (Some(series), _) => {
                series.with_handle(record);
                Ok(())
            }
            (None, Role::Lost) => Ok(()),
            (None, _) => self.fault(py, "labels are missing; use .labels(...)"),
        }
    }

    #[cold]
    pub(super) fn fault(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        let text = format!("metric {:?}: {text}", self.family.name);
        fault::report(py, part::METRIC, &self.family.name, None, &text)
    }

    fn wrong_labels(&self, py: Python<'_>) -> PyResult<()> {
        let text = match &self.role {
            Role::Series(_) => "it has its labels already".to_owned(),
            Role::Family(_) | Role::Lost => {
                format!("give values for the labels {:?}, by position or by name", self.family.labels)
            }
        };
        self.fault(py, &text)
    }

    fn object<'py>(&self, py: Python<'py>, role: Role) -> PyResult<Bound<'py, PyAny>> {
        let (family, series) = (self.family.clone(), self.series.clone_ref(py));
        (self.subclass)(py, Self { family, role, series, subclass: self.subclass })
    }

    #[inline]
    fn find<'py>(&self, values: &Bound<'py, PyTuple>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.series.bind(values.py()).get_item(key(values)?)
    }

    fn add<'py>(&self, values: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let py = values.py();
        match self.family.add_series(texts(values)?) {
            Ok((series, is_kept)) => {
                let series = self.object(py, Role::Series(series))?;
                if is_kept {
                    self.series.bind(py).set_item(key(values)?, &series)?;
                }
                Ok(series)
            }
            Err(error) => {
                self.fault(py, &error.to_string())?;
                self.object(py, Role::Lost)
            }
        }
    }

    /// Removes the value functions of a gauge, of one series or of all.
    fn remove_functions(&self, py: Python<'_>, values: Option<&Bound<'_, PyTuple>>) -> PyResult<()> {
        if let Kind::Gauge(_) = self.family.kind {
            py.import(intern!(py, "soundpost._background"))?
                .call_method1(intern!(py, "remove_gauge"), (&self.family.name, values))?;
        }
        Ok(())
    }

    /// Returns the given label values as texts, in order; `None` if they do not match the label names.
    fn ordered<'py>(
        &self,
        values: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let (py, names) = (values.py(), &self.family.labels);
        let given = named.map_or(values.len(), |named| named.len() + values.len());
        let mixed = named.is_some() && !values.is_empty();
        if mixed || given != names.len() || given == 0 || !matches!(self.role, Role::Family(_)) {
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

fn subclass_object<C>(py: Python<'_>, metric: Metric) -> PyResult<Bound<'_, PyAny>>
where
    C: PyClass<BaseType = Metric> + Default,
{
    let object = PyClassInitializer::from(metric).add_subclass(C::default());
    Ok(Bound::new(py, object)?.into_any())
}

/// Returns the key of a series: its label value, or the tuple of several.
#[inline]
fn key<'py>(values: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    if values.len() == 1 { values.get_item(0) } else { Ok(values.clone().into_any()) }
}

fn texts(values: &Bound<'_, PyTuple>) -> PyResult<Box<[Box<str>]>> {
    values.iter().map(|value| Ok(value.cast::<PyString>()?.to_string_lossy().into())).collect()
}

#[pymethods]
impl Metric {
    /// Returns the series of these label values, given by position or by name. Values are converted to text.
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
            && matches!(self.role, Role::Family(_))
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
            None => self.add(&values),
        }
    }

    /// Removes the series of these label values from the exposition.
    #[pyo3(signature = (*labelvalues))]
    fn remove<'py>(&self, py: Python<'py>, labelvalues: &Bound<'py, PyTuple>) -> PyResult<()> {
        let Some(values) = self.ordered(labelvalues, None)? else { return self.wrong_labels(py) };
        let (series, key) = (self.series.bind(py), key(&values)?);
        if series.contains(&key)? {
            series.del_item(&key)?;
        }
        self.remove_functions(py, Some(&values))?;
        match self.family.remove(&texts(&values)?) {
            Ok(()) => Ok(()),
            Err(error) => self.fault(py, &error.to_string()),
        }
    }

    /// Removes all series from the exposition.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.series.bind(py).clear();
        self.remove_functions(py, None)?;
        self.family.clear();
        Ok(())
    }

    fn __repr__(&self) -> String {
        let names = self.family.labels.iter();
        let labels: Vec<String> = match self.values() {
            Some(values) => names.zip(values).map(|(name, value)| format!("{name}={value:?}")).collect(),
            None => names.cloned().collect(),
        };
        format!("<soundpost metric {} {{{}}}>", self.family.name, labels.join(", "))
    }
}
