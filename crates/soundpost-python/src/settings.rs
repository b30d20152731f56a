//! Settings as `init` collects them: Python's values in, checked values out.

use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyMapping, PyString};
use soundpost::settings::{Setting, SettingValue, SinkList, SinkParts};

/// Checked settings of `init`: its arguments, and the environment for the others.
#[pyclass(frozen, module = "soundpost", name = "Settings")]
pub(crate) struct Settings(pub(crate) soundpost::Settings);

#[pymethods]
impl Settings {
    /// Checks these arguments, and reads the others from their variables.
    ///
    /// Raises `ValueError` that names the argument or variable.
    #[new]
    fn new(arguments: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut settings = soundpost::Settings::default();
        for (name, argument) in arguments {
            let name = name.extract::<String>()?;
            let setting = Setting::find(&name).ok_or_else(|| PyKeyError::new_err(name.clone()))?;
            settings.set(setting.name, if name == "sinks" { sinks(&argument)? } else { value(&argument)? });
        }
        let settings = settings.with_default_endpoint().complete();
        let settings = settings.map_err(|error| PyValueError::new_err(error.to_string()))?;
        if !settings.is_disabled() {
            settings.service().map_err(|error| PyValueError::new_err(error.to_string()))?;
        }
        Ok(Self(settings))
    }

    /// Reads the environment, with `service` if it has no name; returns warnings for ignored values.
    #[staticmethod]
    fn lenient(service: String) -> (Self, Vec<String>) {
        let (mut settings, warnings) = soundpost::Settings::from_environment_lenient();
        if settings.service().is_err() {
            settings.set("service", service);
        }
        (Self(settings.with_default_endpoint()), warnings)
    }

    /// Whether `SOUNDPOST_DISABLED` switches everything off.
    #[getter]
    fn disabled(&self) -> bool {
        self.0.is_disabled()
    }

    /// Names of the settings that have another value in `other`.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        self.0.differences(&other.0)
    }

    /// Name of the argument or variable that a value comes from; None for a default.
    fn source(&self, name: &str) -> Option<&str> {
        self.0.source(name)
    }

    /// The value in effect; durations in seconds, sizes in bytes.
    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        use SettingValue as V;
        Ok(match self.0.value(name) {
            V::Off => py.None().into_bound(py),
            V::Bool(value) => PyBool::new(py, value).to_owned().into_any(),
            V::Int(value) => value.into_pyobject(py)?.into_any(),
            V::Float(value) => value.into_pyobject(py)?.into_any(),
            V::Duration(value) => value.as_secs_f64().into_pyobject(py)?.into_any(),
            V::Text(value) => value.into_pyobject(py)?.into_any(),
            V::Path(value) => value.into_os_string().into_pyobject(py)?.into_any(),
            V::List(values) => values.into_pyobject(py)?.into_any(),
            V::Pairs(pairs) => pairs.into_pyobject(py)?.into_any(),
            value => value.to_string().into_pyobject(py)?.into_any(),
        })
    }
}

/// Translates a value by its type alone; the setting decides whether it accepts it.
fn value(object: &Bound<'_, PyAny>) -> PyResult<SettingValue> {
    if object.is_none() {
        return Ok(SettingValue::Off);
    }
    if let Ok(switch) = object.cast::<PyBool>() {
        return Ok(SettingValue::Bool(switch.is_true()));
    }
    if object.is_instance_of::<PyString>() {
        // A text with surrogates is a path that is not UTF-8.
        return Ok(match object.extract::<String>() {
            Ok(text) => SettingValue::Text(text),
            Err(_) => SettingValue::Path(object.extract()?),
        });
    }
    if object.hasattr("__fspath__")? {
        return Ok(SettingValue::Path(object.extract()?));
    }
    if let Ok(number) = object.extract::<i64>() {
        return Ok(SettingValue::Int(number));
    }
    if let Ok(number) = object.extract::<f64>() {
        return Ok(SettingValue::Float(number));
    }
    if let Ok(mapping) = object.cast::<PyMapping>() {
        let pair = |item: Bound<'_, PyAny>| {
            let (name, value) = item.extract::<(String, Bound<'_, PyAny>)>()?;
            Ok((name, value.str()?.to_string()))
        };
        let pairs = mapping.items()?.iter().map(pair).collect::<PyResult<_>>();
        return Ok(pairs.map_or_else(|_| unsupported(object), SettingValue::Pairs));
    }
    let texts = object.try_iter().and_then(|items| items.map(|item| item?.extract::<String>()).collect());
    Ok(texts.map_or_else(|_| unsupported(object), SettingValue::List))
}

/// Translates a list of sinks: each has its kind, place and options.
fn sinks(object: &Bound<'_, PyAny>) -> PyResult<SettingValue> {
    if object.is_none() || object.is_instance_of::<PyString>() {
        return value(object);
    }
    let Ok(items) = object.try_iter() else { return Ok(unsupported(object)) };
    let mut parts: Vec<SinkParts> = Vec::new();
    for item in items {
        let item = item?;
        let class = item.get_type().name()?.to_string();
        let no_sink = format!("sinks: {class} is not a sink; give an InfluxDB, Graylog, Loki or JsonLines");
        let declared = item.call_method0("_as_tuple").map_err(|_| PyValueError::new_err(no_sink))?;
        let (kind, place, options) = declared.extract::<(String, _, Vec<(String, _)>)>()?;
        let text = |name: &str, text: Bound<'_, PyAny>| {
            let wrong = || format!("sinks: {kind}: {name} has characters that are not Unicode");
            text.extract::<String>().map_err(|_| PyValueError::new_err(wrong()))
        };
        let place = text("URL or path", place)?;
        let option = |(name, value): (String, _)| text(&name, value).map(|value| (name, value));
        let options = options.into_iter().map(option).collect::<PyResult<_>>()?;
        parts.push((kind, place, options));
    }
    let list = SinkList::from_parts(&parts).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(SettingValue::Sinks(list))
}

fn unsupported(object: &Bound<'_, PyAny>) -> SettingValue {
    let shown = object.repr().map(|shown| shown.to_string());
    SettingValue::Unsupported(shown.unwrap_or_else(|_| "the value".to_owned()))
}
