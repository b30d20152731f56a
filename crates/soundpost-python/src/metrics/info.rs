//! `Info`.

use std::sync::Mutex;

use pyo3::prelude::*;

use super::family::{Definition, Kind};
use super::metric::{Metric, Name};
use crate::state::lock;
use crate::value::{self, Text, Texts};

/// Facts as labels of a constant 1, exposed with the suffix `_info`.
#[pyclass(frozen, subclass, extends = Metric, module = "soundpost")]
#[derive(Default)]
pub(crate) struct Info {
    /// The family and label values of the facts that are exposed now.
    exposed: Mutex<Option<(soundpost::Family, Vec<String>)>>,
}

#[pymethods]
impl Info {
    #[new]
    #[pyo3(signature = (
        name, documentation, labelnames=Texts::default(), namespace="", subsystem="", unit="", registry=None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        name: Name,
        documentation: Text,
        labelnames: Texts,
        namespace: &str,
        subsystem: &str,
        unit: &str,
        registry: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let definition = Definition { documentation, labelnames, namespace, subsystem, unit, registry };
        Metric::define(py, name, definition, Kind::Info)
    }

    /// Sets the facts: a dict of names to texts, with the same names in every call.
    fn info(slf: &Bound<'_, Self>, val: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, metric) = (slf.py(), slf.as_super().get());
        let Some(given) = metric.values() else {
            return metric.fault(py, "labels are missing; use .labels(...)");
        };
        let clean = |text| value::text(text).map(|text| text.to_string_lossy().into_owned());
        let facts = value::pairs(val).and_then(|facts| {
            facts
                .into_iter()
                .map(|(name, fact)| Ok((clean(name)?, clean(fact)?)))
                .collect::<PyResult<Vec<_>>>()
        });
        let mut facts = match facts {
            Ok(facts) => facts,
            Err(cause) => return metric.fault_of(py, "info: give a dict of texts", cause),
        };
        facts.sort();
        let names: Vec<&str> = facts.iter().map(|(name, _)| name.as_str()).collect();
        let family = match metric.family.with_facts(&names) {
            Ok(Some(family)) => family,
            Ok(None) => return Ok(()),
            Err(error) => return metric.fault(py, &error.to_string()),
        };
        let given = given.iter().map(|value| value.to_string());
        let values: Vec<String> = given.chain(facts.into_iter().map(|(_, fact)| fact)).collect();
        let refused = slf.get().expose(family, values).err();
        refused.map_or(Ok(()), |error| metric.fault(py, &error.to_string()))
    }
}

impl Info {
    fn expose(&self, family: soundpost::Family, values: Vec<String>) -> Result<(), soundpost::Error> {
        fn texts(values: &[String]) -> Vec<&str> {
            values.iter().map(String::as_str).collect()
        }
        let mut exposed = lock(&self.exposed);
        if let Some((before, old)) = exposed.take() {
            before.remove(&texts(&old))?;
        }
        family.gauge(&texts(&values))?.set(1.0);
        *exposed = Some((family, values));
        Ok(())
    }
}
