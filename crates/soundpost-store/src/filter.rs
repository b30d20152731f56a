//! Filters of calls and log events.

use std::time::Duration;

use regex::Regex;

use rusqlite::types::{ToSqlOutput, Value};
use soundpost_core::{FieldValue, Level, LogEvent, Outcome, Status};

use crate::record::{CallRow, EventRow};
use crate::schema::{CALLS, EVENTS, NOT_ERASED, stored_request_id};
use crate::sql::whole;

/// Filter and order of calls. The default selects all calls, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallFilter {
    /// Earliest end, nanoseconds since 1970.
    pub since: Option<u64>,
    /// First end that is excluded, nanoseconds since 1970.
    pub until: Option<u64>,
    /// Outcome.
    pub outcome: Option<Outcome>,
    /// Status.
    pub status: Option<Status>,
    /// Operation.
    pub operation: Option<String>,
    /// Request id.
    pub request_id: Option<String>,
    /// Sequence number that those of the calls exceed.
    pub after: Option<u64>,
    /// Labels that a call has.
    pub labels: Vec<(String, String)>,
    /// Minimum duration.
    pub min_duration: Option<Duration>,
    /// Order of the calls.
    pub order: Order,
    /// Maximum number of calls.
    pub limit: Option<usize>,
}

/// Order of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By end, latest first.
    #[default]
    Newest,
    /// By end, earliest first.
    Oldest,
    /// By duration, longest first.
    Slowest,
}

/// Filter and order of log events. The default selects all events, the last stored first.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Earliest time, nanoseconds since 1970.
    pub since: Option<u64>,
    /// First time that is excluded, nanoseconds since 1970.
    pub until: Option<u64>,
    /// Lowest level.
    pub level: Option<Level>,
    /// Pattern of the message or of a text field.
    pub pattern: Option<Pattern>,
    /// Name of the logger or of one above it: `tts` selects `tts`, `tts.cache` and `tts::cache`.
    pub logger: Option<String>,
    /// Request id.
    pub request_id: Option<String>,
    /// Sequence number that those of the events exceed.
    pub after: Option<u64>,
    /// Only events before this sequence number.
    pub before: Option<u64>,
    /// Whether the first stored events come first.
    pub oldest_first: bool,
    /// Maximum number of events.
    pub limit: Option<usize>,
}

/// Regular expression in the syntax of the crate `regex`.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Parses an expression.
    ///
    /// # Errors
    /// When the expression is invalid; the message has the position.
    pub fn new(text: &str) -> Result<Self, String> {
        Regex::new(text).map(Self).map_err(|error| error.to_string())
    }

    /// Reports whether the message or a text field matches.
    fn is_in(&self, event: &LogEvent) -> bool {
        let text = |value: &FieldValue| matches!(value, FieldValue::Text(text) if self.0.is_match(text));
        self.0.is_match(&event.message) || event.fields.iter().any(|(_, value)| text(value))
    }
}

/// Terms of a `WHERE` clause, and their values.
struct Condition<'a> {
    terms: Vec<String>,
    values: Vec<ToSqlOutput<'a>>,
}

impl<'a> Condition<'a> {
    /// Selects records that are not erased.
    fn of_records() -> Self {
        Self { terms: vec![NOT_ERASED.to_owned()], values: Vec::new() }
    }

    fn add(&mut self, term: impl Into<String>, value: impl Into<ToSqlOutput<'a>>) {
        self.terms.push(term.into());
        self.values.push(value.into());
    }

    fn add_number(&mut self, term: &str, number: Option<u64>) {
        number.into_iter().for_each(|number| self.add(term, whole(number)));
    }

    /// Returns ` WHERE ...`.
    fn clause(&self) -> String {
        format!(" WHERE {}", self.terms.join(" AND "))
    }
}

impl CallFilter {
    /// Returns the statement that selects the calls, and its values.
    pub(crate) fn select(&self) -> (String, Vec<ToSqlOutput<'_>>) {
        let (condition, mut values) = self.condition();
        let order = match self.order {
            Order::Newest => "ended DESC, sequence DESC",
            Order::Oldest => "ended, sequence",
            Order::Slowest => "duration DESC, sequence DESC",
        };
        let limit = self.limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(-1);
        values.push(limit.into());
        let columns = CALLS.names();
        (format!("SELECT {columns} FROM stored_calls{condition} ORDER BY {order} LIMIT ?"), values)
    }

    /// Returns ` WHERE ...` with its values.
    pub(crate) fn condition(&self) -> (String, Vec<ToSqlOutput<'_>>) {
        let mut condition = Condition::of_records();
        condition.add_number("ended >= ?", self.since);
        condition.add_number("ended < ?", self.until);
        condition.add_number("sequence > ?", self.after);
        if let Some(outcome) = self.outcome {
            condition.add("outcome = ?", outcome.name());
        }
        if let Some(operation) = &self.operation {
            let series = "series IN (SELECT id FROM call_series WHERE operation = ?)";
            condition.add(series, operation.as_str());
        }
        if let Some(request_id) = &self.request_id {
            condition.add("request_id = ?", stored_request_id(request_id));
        }
        if let Some(least) = self.min_duration {
            let nanos = u64::try_from(least.as_nanos()).unwrap_or(u64::MAX);
            condition.add("duration >= ?", ToSqlOutput::Owned(Value::Integer(whole(nanos))));
        }
        for (name, value) in &self.labels {
            let label = "series IN (SELECT call_series.id FROM call_series, json_each(labels) WHERE key = ?";
            condition.add(label, name.as_str());
            condition.add("value = ?)", value.as_str());
        }
        if let Some(status) = self.status {
            let names: Vec<String> = Outcome::ALL
                .into_iter()
                .filter(|outcome| outcome.status() == status)
                .map(|outcome| format!("'{}'", outcome.name()))
                .collect();
            condition.terms.push(format!("outcome IN ({})", names.join(", ")));
        }
        let excludes_ok = self.outcome.is_some_and(|outcome| outcome != Outcome::Ok)
            || self.status.is_some_and(|status| status != Status::Success);
        if excludes_ok {
            // Repeats the condition of the index of failed calls, so that SQLite uses it.
            condition.terms.push("outcome <> 'ok'".to_owned());
        }
        (condition.clause(), condition.values)
    }
}

impl LogFilter {
    pub(crate) fn has_pattern(&self, event: &LogEvent) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.is_in(event))
    }

    /// Returns the statement that selects the events without regard to the pattern, and its values.
    pub(crate) fn select(&self) -> (String, Vec<ToSqlOutput<'_>>) {
        let mut condition = Condition::of_records();
        condition.add_number("time >= ?", self.since);
        condition.add_number("time < ?", self.until);
        condition.add_number("sequence > ?", self.after);
        condition.add_number("sequence < ?", self.before);
        if let Some(level) = self.level {
            condition.add("level >= ?", level as i64);
        }
        if let Some(logger) = &self.logger {
            let below = format!("{}.", logger.replace("::", "."));
            let term = "instr(replace(logger, '::', '.') || '.', ?) = 1";
            condition.add(term, ToSqlOutput::Owned(Value::Text(below)));
        }
        if let Some(request_id) = &self.request_id {
            condition.add("request_id = ?", stored_request_id(request_id));
        }
        let (clause, columns) = (condition.clause(), EVENTS.names());
        let order = if self.oldest_first { "sequence" } else { "sequence DESC" };
        (format!("SELECT {columns} FROM stored_events{clause} ORDER BY {order}"), condition.values)
    }
}

/// Matching and order of records, where SQLite cannot select them.
pub(crate) trait Filter {
    type Row;

    fn limit(&self) -> Option<usize>;

    fn matches(&self, row: &Self::Row) -> bool;

    /// Orders records as the statement does, and keeps those within the limit.
    fn sort(&self, rows: &mut Vec<Self::Row>);
}

fn is_wanted<T: PartialEq>(wanted: Option<&T>, found: &T) -> bool {
    wanted.is_none_or(|wanted| wanted == found)
}

impl Filter for CallFilter {
    type Row = CallRow;

    fn limit(&self) -> Option<usize> {
        self.limit
    }

    fn matches(&self, CallRow { call, sequence }: &CallRow) -> bool {
        self.since.is_none_or(|since| call.ended_unix >= since)
            && self.until.is_none_or(|until| call.ended_unix < until)
            && self.after.is_none_or(|after| *sequence > after)
            && is_wanted(self.outcome.as_ref(), &call.outcome)
            && is_wanted(self.status.as_ref(), &call.outcome.status())
            && is_wanted(self.operation.as_ref(), &call.operation)
            && is_wanted(self.request_id.as_ref(), &call.request_id)
            && self.labels.iter().all(|label| call.labels.contains(label))
            && self.min_duration.is_none_or(|least| u128::from(call.duration()) >= least.as_nanos())
    }

    fn sort(&self, calls: &mut Vec<CallRow>) {
        calls.sort_by_key(|row| match self.order {
            Order::Newest => (u64::MAX - row.call.ended_unix, u64::MAX - row.sequence),
            Order::Oldest => (row.call.ended_unix, row.sequence),
            Order::Slowest => (u64::MAX - row.call.duration(), u64::MAX - row.sequence),
        });
        calls.truncate(self.limit.unwrap_or(usize::MAX));
    }
}

impl Filter for LogFilter {
    type Row = EventRow;

    fn limit(&self) -> Option<usize> {
        self.limit
    }

    fn matches(&self, EventRow { event, sequence }: &EventRow) -> bool {
        let is_below = |logger: &String| {
            let found = event.logger.replace("::", ".") + ".";
            found.starts_with(&(logger.replace("::", ".") + "."))
        };
        self.since.is_none_or(|since| event.unix_nanos >= since)
            && self.until.is_none_or(|until| event.unix_nanos < until)
            && self.after.is_none_or(|after| *sequence > after)
            && self.before.is_none_or(|before| *sequence < before)
            && self.level.is_none_or(|level| event.level >= level)
            && self.logger.as_ref().is_none_or(is_below)
            && is_wanted(self.request_id.as_ref(), &event.request_id)
            && self.has_pattern(event)
    }

    fn sort(&self, events: &mut Vec<EventRow>) {
        events.sort_by_key(|row| if self.oldest_first { row.sequence } else { u64::MAX - row.sequence });
        events.truncate(self.limit.unwrap_or(usize::MAX));
    }
}
