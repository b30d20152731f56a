//! Finished calls and log events from the store of a service, for `read_calls`, `read_logs` and `erase`.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyRuntimeWarning, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};
use soundpost::read::Service;
use soundpost::read::store::{
    CALL_COLUMNS, CallFilter, ColumnValue, EVENT_COLUMNS, Level, LogFilter, Order, Pattern, Place, Reader,
    RecordColumn, Selection, StoreError,
};
use soundpost::settings::parse_duration;
use soundpost::{FieldValue, Outcome, Status};

use crate::measure::Error;
use crate::{log, value};

/// The arguments that both functions have, with times in nanoseconds since 1970.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Query<'py> {
    service: Option<String>,
    directory: Option<PathBuf>,
    last: Option<Bound<'py, PyAny>>,
    since: Option<u64>,
    until: Option<u64>,
    order: String,
    limit: Option<Bound<'py, PyAny>>,
    request_id: Option<String>,
}

/// The other arguments of `read_calls`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct CallQuery<'py> {
    operation: Option<String>,
    outcome: Option<String>,
    status: Option<String>,
    labels: Vec<(String, String)>,
    slower_than: Option<Bound<'py, PyAny>>,
}

/// The other arguments of `read_logs`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct LogQuery<'py> {
    level: Option<Bound<'py, PyAny>>,
    grep: Option<String>,
    logger: Option<String>,
}

impl CallQuery<'_> {
    fn filter(&self, query: &Query<'_>) -> PyResult<CallFilter> {
        Ok(CallFilter {
            since: query.since()?,
            until: query.until,
            outcome: one_of("outcome", self.outcome.as_deref(), &Outcome::ALL, Outcome::name)?,
            status: one_of("status", self.status.as_deref(), &Status::ALL, Status::name)?,
            operation: self.operation.clone(),
            request_id: query.request_id.clone(),
            labels: self.labels.clone(),
            min_duration: duration("slower_than", self.slower_than.as_ref())?,
            order: one_of("order", Some(&query.order), &ORDERS, |(_, name)| name)?.unwrap_or_default().0,
            after: None,
            limit: limit(query.limit.as_ref(), "calls")?,
        })
    }
}

impl LogQuery<'_> {
    fn filter(&self, query: &Query<'_>) -> PyResult<LogFilter> {
        let pattern = self.grep.as_deref().map(Pattern::new).transpose();
        Ok(LogFilter {
            since: query.since()?,
            until: query.until,
            level: self.level.as_ref().map(level).transpose()?,
            pattern: pattern.map_err(|error| PyValueError::new_err(format!("grep: {error}")))?,
            logger: self.logger.clone(),
            request_id: query.request_id.clone(),
            oldest_first: one_of("order", Some(&query.order), &ORDERS[..2], |(_, name)| name)?
                == Some(ORDERS[1]),
            limit: limit(query.limit.as_ref(), "events")?,
            ..LogFilter::default()
        })
    }
}

/// The arguments of `erase`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Erasure {
    service: Option<String>,
    directory: Option<PathBuf>,
    request_ids: BTreeSet<String>,
    values: Vec<(String, String)>,
    lines: Vec<PathBuf>,
    dry_run: bool,
}

impl Query<'_> {
    fn since(&self) -> PyResult<Option<u64>> {
        Ok(match duration("last", self.last.as_ref())? {
            Some(_) if self.since.is_some() || self.until.is_some() => {
                return Err(PyValueError::new_err("last: since or until is given as well; give one of them"));
            }
            Some(last) => SystemTime::now().checked_sub(last).map_or(Some(0), unix_nanos),
            None => self.since,
        })
    }

    /// Returns what `read` reads from the store; nothing without a store.
    fn read<T: Send>(
        &self,
        py: Python<'_>,
        read: impl FnOnce(&Reader) -> Result<Vec<T>, StoreError> + Send,
    ) -> PyResult<Vec<T>> {
        let service = find_service(self.service.as_deref(), self.directory.as_ref())?;
        let records = py.detach(|| {
            // Without memory for the recovery, the stored records are returned.
            let _ = service.recover();
            match Reader::open(service.directory())? {
                Some(store) => read(&store).map(|records| (records, store.damaged())),
                None => Ok((Vec::new(), 0)),
            }
        });
        let (records, damaged) = records.map_err(|error: StoreError| Error::new_err(error.to_string()))?;
        if damaged > 0 {
            let message = CString::new(format!("{damaged} damaged records of the store are left out"))?;
            PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &message, 1)?;
        }
        Ok(records)
    }
}

/// Returns the service of this name, or the only one.
fn find_service(name: Option<&str>, directory: Option<&PathBuf>) -> PyResult<Service> {
    let directory = directory.cloned().unwrap_or_else(soundpost::default_directory);
    let all = Service::all(&directory);
    let name = match (name, &*all) {
        (Some(name), _) => name,
        (None, [name]) => name,
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

/// Reads a level: its name, or its number in `logging`.
fn level(value: &Bound<'_, PyAny>) -> PyResult<Level> {
    if let Ok(number) = value.extract::<i64>() {
        return Ok(log::level(number));
    }
    let name = value.extract::<String>().unwrap_or_else(|_| shown(value)).to_ascii_lowercase();
    Ok(one_of("level", Some(&name), &Level::ALL, Level::name)?.unwrap_or_default())
}

fn limit(value: Option<&Bound<'_, PyAny>>, what: &str) -> PyResult<Option<usize>> {
    let Some(value) = value else { return Ok(None) };
    let limit = if value.is_instance_of::<PyBool>() { None } else { value.extract().ok() };
    let wrong = || PyValueError::new_err(format!("limit: {} is no number of {what}", shown(value)));
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
    let (py, common) = (query.py(), query.extract::<Query<'_>>()?);
    let filter = query.extract::<CallQuery<'_>>()?.filter(&common)?;
    let calls = common.read(py, |store| store.calls(&filter))?;
    calls.iter().map(|row| to_dict(py, CALL_COLUMNS, &row.call)).collect()
}

/// Returns a dict for each log event of a service that matches the query.
///
/// Raises as `read_calls`.
#[pyfunction]
pub(crate) fn read_logs<'py>(query: &Bound<'py, PyDict>) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let (py, common) = (query.py(), query.extract::<Query<'_>>()?);
    let filter = query.extract::<LogQuery<'_>>()?.filter(&common)?;
    let events = common.read(py, |store| store.events(&filter))?;
    events.iter().map(|row| to_dict(py, EVENT_COLUMNS, &row.event)).collect()
}

/// Erases the records of requests or of a person, and returns a dict of their numbers.
///
/// Raises as `read_calls`.
#[pyfunction]
pub(crate) fn erase<'py>(query: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
    let (py, query) = (query.py(), query.extract::<Erasure>()?);
    let mut service = find_service(query.service.as_deref(), query.directory.as_ref())?;
    let selection = Selection { request_ids: query.request_ids, values: query.values };
    let erased = py
        .detach(|| service.erase(selection, &query.lines, query.dry_run))
        .map_err(|error| Error::new_err(error.to_string()))?;
    let dict = PyDict::new(py);
    dict.set_item("service", erased.service)?;
    dict.set_item("dry_run", erased.dry_run)?;
    dict.set_item("calls", erased.calls)?;
    dict.set_item("log_events", erased.log_events)?;
    dict.set_item("postmortem_calls", erased.postmortem_calls)?;
    dict.set_item("lines", erased.lines)?;
    dict.set_item("files", erased.files.into_iter().collect::<Vec<_>>())?;
    dict.set_item("shipped", erased.shipped)?;
    dict.set_item("damaged", erased.damaged)?;
    dict.set_item("set_aside", erased.set_aside)?;
    dict.set_item("pids", erased.pids)?;
    dict.set_item("errors", erased.errors)?;
    Ok(dict)
}

fn to_dict<'py, R>(py: Python<'py>, columns: &[RecordColumn<R>], record: &R) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for column in columns.iter().filter(|column| column.is_in(Place::Lines)) {
        dict.set_item(column.name(), cell(py, column.value(record))?)?;
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
