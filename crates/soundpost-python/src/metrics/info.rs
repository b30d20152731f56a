//! `Info`.

use std::sync::Mutex;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::family::{About, Kind};
use super::metric::Metric;
use crate::state::lock;
use crate::value;

/// Facts, as labels of a constant 1. Exposed with `_info` at the end of its name.
#[pyclass(frozen, extends = Metric, module = "soundpost")]
#[derive(Default)]
pub(crate) struct Info {
    /// The family and label values of the facts that are shown now.
    shown: Mutex<Option<(soundpost::Family, Vec<String>)>>,
}

#[pymethods]
impl Info {
    #[new]
    #[pyo3(signature = (
        name, documentation, labelnames=Vec::new(), namespace="", subsystem="", unit="", registry=None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        name: &str,
        documentation: &str,
        labelnames: Vec<String>,
        namespace: &str,
        subsystem: &str,
        unit: &str,
        registry: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        if !unit.is_empty() {
            return Err(PyValueError::new_err(format!("metric {name:?}: unit: an info has none")));
        }
        let about = About { name, help: documentation, labels: labelnames, namespace, subsystem, unit };
        Ok(PyClassInitializer::from(Metric::define(py, about, registry, Kind::Info)?)
            .add_subclass(Self::default()))
    }

    /// Sets the facts: a dict of names to texts. The names stay the same from the first time on.
    fn info(slf: &Bound<'_, Self>, val: &Bound<'_, PyDict>) -> PyResult<()> {
        let (py, metric) = (slf.py(), slf.as_super().get());
        let Some(given) = metric.values(py)? else {
            return metric.fault(py, "labels are missing; use .labels(...)");
        };
        let mut facts = Vec::with_capacity(val.len());
        for (name, fact) in val {
            let clean = |text| value::text(text).map(|text| text.to_string_lossy().into_owned());
            facts.push((clean(name)?, clean(fact)?));
        }
        facts.sort();
        let names: Vec<&str> = facts.iter().map(|(name, _)| name.as_str()).collect();
        let family = match metric.family.of_facts(&names) {
            Ok(Some(family)) => family,
            Ok(None) => return Ok(()),
            Err(error) => return metric.fault(py, &error.to_string()),
        };
        let given = given.iter().map(|value| value.to_string());
        let values: Vec<String> = given.chain(facts.into_iter().map(|(_, fact)| fact)).collect();
        let refused = slf.get().show(family, values).err();
        refused.map_or(Ok(()), |error| metric.fault(py, &error.to_string()))
    }
}

impl Info {
    fn show(&self, family: soundpost::Family, values: Vec<String>) -> Result<(), soundpost::Error> {
        fn texts(values: &[String]) -> Vec<&str> {
            values.iter().map(String::as_str).collect()
        }
        let mut shown = lock(&self.shown);
        if let Some((before, old)) = shown.take() {
            before.remove(&texts(&old))?;
        }
        family.gauge(&texts(&values))?.set(1.0);
        *shown = Some((family, values));
        Ok(())
    }
}
