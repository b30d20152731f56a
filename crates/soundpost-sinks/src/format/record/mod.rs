//! Events and points: the records of a sink as plain, borrowed data.

mod call;
mod event;
mod own_names;
mod vitals;

use std::borrow::Cow;

pub use soundpost_core::Level;
use soundpost_core::{FieldValue, FinishedCall, LogEvent, RecordOrigin};
use soundpost_store::Record;

/// Field with the text of an error, of calls and of log events.
const ERROR: &str = "error";

/// Origin of records: that of a service on a host. Version and instance are those of the records that have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The machine's name.
    pub host: &'a str,
    /// Labels on everything of the service; calls and log events have them already.
    pub labels: &'a [(String, String)],
    /// The instance of the service; its host's name if it has no other.
    pub instance: &'a str,
    /// The service's name.
    pub service: &'a str,
    /// The service's version.
    pub version: &'a str,
}

impl<'a> Origin<'a> {
    /// Returns the origin of a record that has this version and instance.
    #[must_use]
    pub fn of<'r>(self, record: Option<&'r RecordOrigin>) -> Origin<'r>
    where
        'a: 'r,
    {
        let (instance, version) = match record {
            Some(record) => (&*record.instance, &*record.version),
            None => (self.instance, self.version),
        };
        Origin { instance, version, ..self }
    }
}

/// A value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// A whole number.
    Int(i64),
    /// A count.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// A truth value.
    Bool(bool),
}

impl<'a> From<&'a FieldValue> for Value<'a> {
    fn from(value: &'a FieldValue) -> Self {
        match value {
            FieldValue::Text(text) => Self::Text(Cow::Borrowed(text)),
            FieldValue::Int(number) => Self::Int(*number),
            FieldValue::Float(number) => Self::Float(*number),
            FieldValue::Bool(truth) => Self::Bool(*truth),
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

/// A value as a line for people says it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Said<'a> {
    /// As it is.
    Text(&'a str),
    /// With two decimals, and its unit.
    Rounded(f64, &'static str),
}

/// A name and its value.
pub type Field<'a> = (Cow<'a, str>, Value<'a>);

/// Names and values of an event. Those of a stored record are computed while they are written.
#[derive(Clone, Debug, PartialEq)]
pub enum Fields<'a> {
    /// Names and values.
    Given(Vec<Field<'a>>),
    /// Columns, stages, labels and fields of a finished call.
    Call(&'a FinishedCall),
    /// Fields and columns of a log event.
    Log(&'a LogEvent),
}

impl Fields<'_> {
    /// Calls `field` for each field, in order. A caller's field of a name that sinks use gets a `_` at its end.
    pub fn each(&self, origin: &Origin<'_>, mut field: impl FnMut(&str, &Value<'_>)) {
        match self {
            Self::Given(fields) => fields.iter().for_each(|(name, value)| field(name, value)),
            Self::Call(call) => call::each_field(call, field),
            Self::Log(log) => event::each_field(log, origin, field),
        }
    }
}

/// One structured log record. An empty text is one that is not there.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// When, since 1970, nanoseconds.
    pub unix_nanos: i64,
    /// How much it matters.
    pub level: Level,
    /// Message.
    pub message: Cow<'a, str>,
    /// Details that follow the message in a line of text, in this order.
    pub detail: Vec<(&'static str, Said<'a>)>,
    /// Where it happened, in lines for people: the traceback of an exception.
    pub trace: &'a str,
    /// The logger's name.
    pub logger: &'a str,
    /// The source file.
    pub file: &'a str,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// The thread's name.
    pub thread: &'a str,
    /// Of the call it belongs to.
    pub request_id: &'a str,
    /// Of the call it belongs to.
    pub operation: &'a str,
    /// Everything else.
    pub fields: Fields<'a>,
}

impl<'a> Event<'a> {
    /// Returns a record as an event; `None` for vitals.
    pub fn from_record(record: &'a Record) -> Option<Self> {
        match record {
            Record::Call(row) => Some(Self::of_call(row)),
            Record::Event(row) => Some(Self::of_log(row)),
            Record::Vitals(_) => None,
        }
    }
}

impl Event<'_> {
    /// Returns the origin of the event, with the version and the instance that its record has.
    pub(crate) fn origin<'e>(&'e self, origin: &Origin<'e>) -> Origin<'e> {
        origin.of(match &self.fields {
            Fields::Given(_) => None,
            Fields::Call(call) => call.origin.as_deref(),
            Fields::Log(log) => log.origin.as_deref(),
        })
    }

    pub(crate) fn error(&self) -> Option<&str> {
        self.detail.iter().find_map(|(name, said)| match said {
            Said::Text(text) if *name == "error" => Some(*text),
            _ => None,
        })
    }
}

/// Values of one moment in a series of such.
#[derive(Clone, Debug, PartialEq)]
pub struct Point<'a> {
    /// Name of the measurement.
    pub measurement: &'a str,
    /// Tags, which identify the series; empty ones are ignored.
    pub tags: Vec<(Cow<'a, str>, &'a str)>,
    /// Measured values.
    pub fields: Vec<Field<'a>>,
    /// When, since 1970, nanoseconds.
    pub unix_nanos: i64,
}

impl<'a> Point<'a> {
    /// Returns a record as points; none for log events.
    pub fn from_record(origin: &Origin<'a>, record: &'a Record) -> Vec<Self> {
        match record {
            Record::Call(row) => vec![Self::of_call(&origin.of(row.call.origin.as_deref()), row)],
            Record::Event(_) => Vec::new(),
            Record::Vitals(row) => Self::of_vitals(&origin.of(row.origin.as_deref()), &row.samples),
        }
    }
}

fn text_of<'a>(fields: &'a [(String, FieldValue)], name: &str) -> Option<&'a str> {
    fields.iter().find_map(|(other, value)| match value {
        FieldValue::Text(text) if other == name => Some(text.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
