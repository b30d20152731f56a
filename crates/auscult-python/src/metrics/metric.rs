//! What all metrics share: a family, its label names, and its series by label values.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::family::{About, Child, Family, Handle, Kind};
use super::{Counter, Enum, Gauge, Histogram, Info, Summary};
use crate::fault::{self, Part};
use crate::value;

/// A metric: a family with label names, or one series of it.
#[pyclass(frozen, subclass, module = "auscult")]
pub(crate) struct Metric {
    pub(crate) family: Arc<Family>,
    /// The series; `None` while there are label values to give.
    pub(crate) child: Option<Arc<Child>>,
    /// Label names, and the series made so far by their values.
    names: Py<PyTuple>,
    children: Py<PyDict>,
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
                "metric {:?}: registry: auscult has one; leave it out",
                about.name
            )));
        }
        let refused = |error: auscult::Error| PyValueError::new_err(error.to_string());
        let names = PyTuple::new(py, &about.labels)?.unbind();
        let family = Family::define(about, kind).map_err(refused)?;
        let child =
            if family.labels.is_empty() { Some(family.child(Vec::new()).map_err(refused)?) } else { None };
        Ok(Self { family, child, names, children: PyDict::new(py).unbind() })
    }

    /// Records to the series; a family with labels has none, which is a fault.
    #[inline]
    pub(crate) fn record(&self, py: Python<'_>, record: impl FnOnce(&Handle)) -> PyResult<()> {
        match &self.child {
            Some(child) => {
                child.with(record);
                Ok(())
            }
            None => self.fault(py, "labels are missing; use .labels(...)"),
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

    fn find<'py>(&self, values: &Bound<'py, PyTuple>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.children.bind(values.py()).get_item(values)
    }

    /// The given label values as a tuple of texts, in order.
    fn key<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let names = self.names.bind(py);
        let Some(named) = named else {
            if values.len() != names.len() || self.child.is_some() {
                return Ok(None);
            }
            let texts = values.iter().map(value::text).collect::<PyResult<Vec<_>>>()?;
            return PyTuple::new(py, texts).map(Some);
        };
        if !values.is_empty() || named.len() != names.len() || self.child.is_some() {
            return Ok(None);
        }
        let mut texts = Vec::with_capacity(names.len());
        for name in names {
            match named.get_item(name)? {
                Some(value) => texts.push(value::text(value)?),
                None => return Ok(None),
            }
        }
        PyTuple::new(py, texts).map(Some)
    }

    fn wrong_labels(&self, py: Python<'_>) -> PyResult<()> {
        let text = match &self.child {
            Some(_) => "it has its labels already".to_owned(),
            None => format!("give values for the labels {:?}, by position or by name", self.family.labels),
        };
        self.fault(py, &text)
    }

    /// A series of this metric: an object of the metric's own class.
    fn series<'py>(&self, py: Python<'py>, child: Arc<Child>) -> PyResult<Bound<'py, PyAny>> {
        let (family, child) = (self.family.clone(), Some(child));
        let base =
            Self { family, child, names: self.names.clone_ref(py), children: PyDict::new(py).unbind() };
        let base = PyClassInitializer::from(base);
        Ok(match &self.family.kind {
            Kind::Counter => Bound::new(py, base.add_subclass(Counter))?.into_any(),
            Kind::Gauge(_) => Bound::new(py, base.add_subclass(Gauge))?.into_any(),
            Kind::Histogram { .. } => Bound::new(py, base.add_subclass(Histogram))?.into_any(),
            Kind::Summary => Bound::new(py, base.add_subclass(Summary))?.into_any(),
            Kind::Info => Bound::new(py, base.add_subclass(Info::default()))?.into_any(),
            Kind::StateSet(_) => Bound::new(py, base.add_subclass(Enum))?.into_any(),
        })
    }

    fn make<'py>(&self, key: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let mut values = Vec::with_capacity(key.len());
        for value in key {
            values.push(value.cast::<PyString>()?.to_string_lossy().into_owned());
        }
        match self.family.child(values) {
            Ok(child) => {
                let series = self.series(py, child)?;
                self.children.bind(py).set_item(key, &series)?;
                Ok(series)
            }
            Err(error) => {
                self.fault(py, &error.to_string())?;
                self.lost(py)
            }
        }
    }

    /// A series that takes updates and drops them, where the right one cannot be had.
    fn lost<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.series(py, Child::lost())
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
            && texts_only()
            && let Some(series) = self.find(labelvalues)?
        {
            return Ok(series);
        }
        let Some(key) = self.key(py, labelvalues, labelkwargs)? else {
            self.wrong_labels(py)?;
            return self.lost(py);
        };
        match self.find(&key)? {
            Some(series) => Ok(series),
            None => self.make(&key),
        }
    }

    /// Takes the series of these label values out of the exposition.
    #[pyo3(signature = (*labelvalues))]
    fn remove<'py>(&self, py: Python<'py>, labelvalues: &Bound<'py, PyTuple>) -> PyResult<()> {
        let Some(key) = self.key(py, labelvalues, None)? else { return self.wrong_labels(py) };
        let values = key.extract::<Vec<Bound<'_, PyString>>>()?;
        let values: Vec<String> = values.iter().map(|value| value.to_string_lossy().into_owned()).collect();
        let children = self.children.bind(py);
        if children.contains(&key)? {
            children.del_item(&key)?;
        }
        match self.family.remove(&values) {
            Ok(()) => Ok(()),
            Err(error) => self.fault(py, &error.to_string()),
        }
    }

    /// Takes all series out of the exposition.
    fn clear(&self, py: Python<'_>) {
        self.children.bind(py).clear();
        self.family.clear();
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let labels: Vec<String> = match &self.child {
            Some(child) => self
                .family
                .labels
                .iter()
                .zip(&child.values)
                .map(|(name, value)| format!("{name}={value:?}"))
                .collect(),
            None => self.names.bind(py).extract()?,
        };
        Ok(format!("<auscult metric {} {{{}}}>", self.family.name, labels.join(", ")))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.children)
    }
}
