//! The base class of all metrics: a family, its label names, and its series by label values.

use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use pyo3::{Borrowed, PyClass, intern};

use super::family::{Definition, Family, Handle, Kind, Series};
use crate::fault::{self, part};
use crate::import;
use crate::state::take;
use crate::value::{self, Number};

/// A metric: a family with label names, or one series of it.
#[pyclass(frozen, subclass, module = "soundpost")]
pub(crate) struct Metric {
    pub(super) family: Arc<Family>,
    role: Role,
    /// The Python objects of the series made so far: by their label value, or by the tuple of several.
    series: Py<PyDict>,
    /// Creates an object of the metric's own class.
    subclass: MakeObject,
}

type MakeObject = for<'py> fn(&Bound<'py, PyType>, Metric) -> PyResult<Bound<'py, PyAny>>;

enum Role {
    /// The metric as it was defined, with its only series if it has no labels.
    Family(Option<Arc<Series>>),
    Series(Arc<Series>),
    /// A stand-in for a series that was refused.
    Lost,
}

/// The first argument of a metric's class: the name of a new metric, or a series that becomes an object of a host's
/// subclass.
pub(crate) enum Name {
    New(String),
    Series(Metric),
}

/// A series on its way to an object of a host's subclass.
#[pyclass(frozen)]
struct SeriesSeed(Mutex<Option<Metric>>);

impl<'py> FromPyObject<'_, 'py> for Name {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let seed = value.cast_exact::<SeriesSeed>().ok().and_then(|seed| take(&seed.get().0));
        seed.map_or_else(|| value::name(&value).map(Self::New), |metric| Ok(Self::Series(metric)))
    }
}

impl Metric {
    /// Defines a metric of a subclass.
    ///
    /// # Errors
    /// `ValueError` with the name of the metric and the remedy.
    pub(super) fn define<C>(
        py: Python<'_>,
        name: Name,
        definition: Definition<'_, '_>,
        kind: Kind,
    ) -> PyResult<PyClassInitializer<C>>
    where
        C: PyClass<BaseType = Self> + Default,
    {
        let metric = match name {
            Name::Series(metric) => metric,
            Name::New(name) => {
                let family = Family::define(&name, definition, kind)?;
                let role = Role::Family(family.only_series());
                Self { family, role, series: PyDict::new(py).unbind(), subclass: object_of::<C> }
            }
        };
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

    /// Records a number to the series; any other object is a fault.
    #[inline]
    pub(super) fn record_number(
        &self,
        py: Python<'_>,
        Number(number): Number,
        record: impl FnOnce(&Handle, f64),
    ) -> PyResult<()> {
        match number {
            Ok(number) => self.record(py, |handle| record(handle, number)),
            Err(cause) => self.fault_of(py, "the value is no number", cause),
        }
    }

    #[cold]
    pub(super) fn fault(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        self.report(py, text, None)
    }

    #[cold]
    pub(super) fn fault_of(&self, py: Python<'_>, text: &str, cause: PyErr) -> PyResult<()> {
        self.report(py, text, Some(cause))
    }

    fn report(&self, py: Python<'_>, text: &str, cause: Option<PyErr>) -> PyResult<()> {
        let text = format!("metric {:?}: {text}", self.family.name);
        fault::report(py, part::METRIC, &self.family.name, cause, &text)
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

    fn object<'py>(slf: &Bound<'py, Self>, role: Role) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let (family, series) = (this.family.clone(), this.series.clone_ref(py));
        (this.subclass)(&slf.get_type(), Self { family, role, series, subclass: this.subclass })
    }

    #[inline]
    fn find<'py>(&self, values: &Bound<'py, PyTuple>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.series.bind(values.py()).get_item(key(values)?)
    }

    fn add<'py>(slf: &Bound<'py, Self>, values: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (values.py(), slf.get());
        match this.family.add_series(texts(values)?) {
            Ok((series, is_kept)) => {
                let series = Self::object(slf, Role::Series(series))?;
                if is_kept {
                    this.series.bind(py).set_item(key(values)?, &series)?;
                }
                Ok(series)
            }
            Err(error) => {
                this.fault(py, &error.to_string())?;
                Self::object(slf, Role::Lost)
            }
        }
    }

    /// Removes the value functions of a gauge, of one series or of all.
    fn remove_functions(&self, py: Python<'_>, values: Option<&Bound<'_, PyTuple>>) -> PyResult<()> {
        if let Kind::Gauge(_) = self.family.kind {
            import::object(py, intern!(py, "soundpost._background"), intern!(py, "remove_gauge"))?
                .call1((&self.family.name, values))?;
        }
        Ok(())
    }

    /// Returns the given label values as texts, in order; `None` if they do not match the label names or have no text,
    /// which is a fault.
    fn ordered<'py>(
        &self,
        values: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let (py, names) = (values.py(), &self.family.labels);
        let mismatch = || self.wrong_labels(py).map(|()| None);
        let given = named.map_or(values.len(), |named| named.len() + values.len());
        let mixed = named.is_some() && !values.is_empty();
        if mixed || given != names.len() || given == 0 || !matches!(self.role, Role::Family(_)) {
            return mismatch();
        }
        let mut texts = Vec::with_capacity(given);
        for (index, name) in names.iter().enumerate() {
            let value = match named {
                None => Some(values.get_item(index)?),
                Some(named) => named.get_item(name)?,
            };
            match value.map(value::text) {
                Some(Ok(text)) => texts.push(text),
                Some(Err(cause)) => {
                    let text = format!("the value of the label {name:?} has no text");
                    return self.fault_of(py, &text, cause).map(|()| None);
                }
                None => return mismatch(),
            }
        }
        PyTuple::new(py, texts).map(Some)
    }
}

/// Creates an object of a metric's class, or of a host's subclass of it.
fn object_of<'py, C>(class: &Bound<'py, PyType>, metric: Metric) -> PyResult<Bound<'py, PyAny>>
where
    C: PyClass<BaseType = Metric> + Default,
{
    let py = class.py();
    if class.is(py.get_type::<C>()) {
        let object = PyClassInitializer::from(metric).add_subclass(C::default());
        return Ok(Bound::new(py, object)?.into_any());
    }
    let seed = SeriesSeed(Mutex::new(Some(metric)));
    py.get_type::<C>().call_method1(intern!(py, "__new__"), (class, Bound::new(py, seed)?, ""))
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
        slf: &Bound<'py, Self>,
        labelvalues: &Bound<'py, PyTuple>,
        labelkwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let texts_only = || labelvalues.iter_borrowed().all(|value| value.is_exact_instance_of::<PyString>());
        if labelkwargs.is_none()
            && labelvalues.len() == this.family.labels.len()
            && matches!(this.role, Role::Family(_))
            && texts_only()
            && let Some(series) = this.find(labelvalues)?
        {
            return Ok(series);
        }
        let Some(values) = this.ordered(labelvalues, labelkwargs)? else {
            return Self::object(slf, Role::Lost);
        };
        match this.find(&values)? {
            Some(series) => Ok(series),
            None => Self::add(slf, &values),
        }
    }

    /// Removes the series of these label values from the exposition.
    #[pyo3(signature = (*labelvalues))]
    fn remove<'py>(&self, py: Python<'py>, labelvalues: &Bound<'py, PyTuple>) -> PyResult<()> {
        let Some(values) = self.ordered(labelvalues, None)? else { return Ok(()) };
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

    /// Returns the definition and label values, by which another process makes the metric again.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let (py, this) = (slf.py(), slf.get());
        let values = PyTuple::new(py, this.values().unwrap_or_default().iter().map(|value| &**value))?;
        let state = slf.getattr_opt(intern!(py, "__dict__"))?;
        let rebuilt = import::object(py, intern!(py, "soundpost._metric_context"), intern!(py, "rebuilt"))?;
        Ok((rebuilt, (slf.get_type(), this.family.arguments(py)?, values, state).into_pyobject(py)?))
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
