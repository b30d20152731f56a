//! Finished calls from the store of a service, for `read_calls`.

use std::ffi::CString;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyRuntimeWarning, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};
use soundpost::read::Service;
use soundpost::read::store::{CALL_COLUMNS, CallFilter, ColumnValue, FinishedCall, Order, Place, Reader};
use soundpost::settings::parse_duration;
use soundpost::{FieldValue, Outcome, Status};

use crate::measure::Error;
use crate::value;

/// The arguments of `read_calls`, with times in nanoseconds since 1970.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Query<'py> {
    service: Option<String>,
    directory: Option<PathBuf>,
    last: Option<Bound<'py, PyAny>>,
    since: Option<u64>,
    until: Option<u64>,
    operation: Option<String>,
    outcome: Option<String>,
    status: Option<String>,
    request_id: Option<String>,
    labels: Vec<(String, String)>,
    slower_than: Option<Bound<'py, PyAny>>,
    order: String,
    limit: Option<Bound<'py, PyAny>>,
}

impl Query<'_> {
    fn filter(&self) -> PyResult<CallFilter> {
        let since = match duration("last", self.last.as_ref())? {
            Some(_) if self.since.is_some() || self.until.is_some() => {
                return Err(PyValueError::new_err("last: since or until is given as well; give one of them"));
            }
            Some(last) => SystemTime::now().checked_sub(last).map_or(Some(0), unix_nanos),
            None => self.since,
        };
        Ok(CallFilter {
            since,
            until: self.until,
            outcome: one_of("outcome", self.outcome.as_deref(), &Outcome::ALL, Outcome::name)?,
            status: one_of("status", self.status.as_deref(), &Status::ALL, Status::name)?,
            operation: self.operation.clone(),
            request_id: self.request_id.clone(),
            labels: self.labels.clone(),
            min_duration: duration("slower_than", self.slower_than.as_ref())?,
            order: one_of("order", Some(&self.order), &ORDERS, |(_, name)| name)?.unwrap_or_default().0,
            limit: limit(self.limit.as_ref())?,
        })
    }

    fn service(&self) -> PyResult<Service> {
        let directory = self.directory.clone().unwrap_or_else(soundpost::default_directory);
        let all = Service::all(&directory);
        let name = match (&self.service, &*all) {
            (Some(name), _) | (None, [name]) => name,
            (None, []) => {
                return Err(Error::new_err(format!("no service has kept files in {}", directory.display())));
            }
            (None, _) => {
                let text = format!("service: there are several: {}; give one of them", all.join(", "));
                return Err(PyValueError::new_err(text));
            }
        };
        let found = Service::find(&directory, name).map_err(|error| Error::new_err(error.to_string()))?;
        found.ok_or_else(|| {
            let others = if all.is_empty() { "none has".to_owned() } else { all.join(", ") };
            let directory = directory.display();
            Error::new_err(format!("no service {name:?} has kept files in {directory} (found: {others})"))
        })
    }
}

const ORDERS: [(Order, &str); 3] =
    [(Order::Newest, "newest"), (Order::Oldest, "oldest"), (Order::Slowest, "slowest")];

/// Reads a duration: text such as `1h`, seconds or a `timedelta`.
fn duration(argument: &str, value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Duration>> {
    let Some(value) = value else { return Ok(None) };
    let parsed = if value.is_instance_of::<PyBool>() {
        None
    } else if let Ok(text) = value.cast::<PyString>() {
        parse_duration(&text.to_string_lossy()).ok()
    } else if let Ok(seconds) = value.extract::<f64>() {
        value::seconds(seconds)
    } else {
        value.extract::<Duration>().ok()
    };
    let text = "give text such as '1h', seconds or a timedelta";
    let wrong = || PyValueError::new_err(format!("{argument}: {} is no duration; {text}", shown(value)));
    parsed.map(Some).ok_or_else(wrong)
}

fn limit(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<usize>> {
    let Some(value) = value else { return Ok(None) };
    let limit = if value.is_instance_of::<PyBool>() { None } else { value.extract().ok() };
    let wrong = || PyValueError::new_err(format!("limit: {} is no number of calls", shown(value)));
    limit.map(Some).ok_or_else(wrong)
}

fn shown(value: &Bound<'_, PyAny>) -> String {
    value.repr().map_or_else(|_| "the value".to_owned(), |text| text.to_string_lossy().into_owned())
}

fn unix_nanos(time: SystemTime) -> Option<u64> {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_nanos()).ok())
}

/// Finds the value with this name; the error names the argument and all values.
fn one_of<T: Copy>(
    argument: &str,
    wanted: Option<&str>,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> PyResult<Option<T>> {
    let Some(wanted) = wanted else { return Ok(None) };
    if let Some(found) = all.iter().find(|value| name(**value) == wanted) {
        return Ok(Some(*found));
    }
    let all: Vec<_> = all.iter().map(|value| name(*value)).collect();
    Err(PyValueError::new_err(format!("{argument}: {wanted:?} is none of {}", all.join(", "))))
}

/// Returns a dict for each call of a service that matches the query.
///
/// Raises `ValueError` for an argument that cannot be used, and `Error` for a service or store that cannot be read.
#[pyfunction]
pub(crate) fn read_calls<'py>(query: &Bound<'py, PyDict>) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let py = query.py();
    let query = query.extract::<Query<'_>>()?;
    let (service, filter) = (query.service()?, query.filter()?);
    let calls = py.detach(|| {
        // Without memory for the recovery, the stored calls are returned.
        let _ = service.recover();
        match Reader::open(service.directory())? {
            Some(store) => store.calls(&filter).map(|calls| (calls, store.damaged())),
            None => Ok((Vec::new(), 0)),
        }
    });
    let (calls, damaged) = calls.map_err(|error| Error::new_err(error.to_string()))?;
    if damaged > 0 {
        let message = CString::new(format!("{damaged} damaged calls of the store are left out"))?;
        PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &message, 1)?;
    }
    calls.iter().map(|row| to_dict(py, &row.call)).collect()
}

fn to_dict<'py>(py: Python<'py>, call: &FinishedCall) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for column in CALL_COLUMNS.iter().filter(|column| column.is_in(Place::Lines)) {
        dict.set_item(column.name(), cell(py, column.value(call))?)?;
    }
    Ok(dict)
}

fn cell<'py>(py: Python<'py>, value: ColumnValue<'_>) -> PyResult<Bound<'py, PyAny>> {
    let dict = PyDict::new(py);
    match value {
        ColumnValue::None => return Ok(py.None().into_bound(py)),
        ColumnValue::Time(nanos) => return (nanos as f64 / 1e9).into_bound_py_any(py),
        ColumnValue::Text(text) => return text.into_bound_py_any(py),
        ColumnValue::Int(number) => return number.into_bound_py_any(py),
        ColumnValue::Float(number) => return number.into_bound_py_any(py),
        ColumnValue::Bool(truth) => return truth.into_bound_py_any(py),
        ColumnValue::Labels(labels) => {
            labels.iter().try_for_each(|(name, value)| dict.set_item(name, value))?;
        }
        ColumnValue::Fields(fields) => {
            fields.iter().try_for_each(|(name, value)| dict.set_item(name, field(py, value)?))?;
        }
        ColumnValue::Stages(stages) => {
            for stage in stages {
                let times = (stage.nanos as f64 / 1e6, stage.count, stage.failures);
                dict.set_item(&stage.name, times)?;
            }
        }
    }
    Ok(dict.into_any())
}

fn field<'py>(py: Python<'py>, value: &FieldValue) -> PyResult<Bound<'py, PyAny>> {
    match value {
        FieldValue::Int(number) => number.into_bound_py_any(py),
        FieldValue::Float(number) => number.into_bound_py_any(py),
        FieldValue::Bool(truth) => truth.into_bound_py_any(py),
        FieldValue::Text(text) => text.into_bound_py_any(py),
    }
}
